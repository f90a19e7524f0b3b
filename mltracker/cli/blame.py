"""Where a number comes from: blame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mltracker.cli import output
from mltracker.cli.as_json import correction_json, dataset_json, iteration_json, metric_json, module_json, session_json
from mltracker.cli.ids import AsOf, Json, Projection, Store, aggregate_of, complete_aggregate, past
from mltracker.cli.people import code_text, corrections_in_short, short_hash, who
from mltracker.events import values
from mltracker.series import series_name

if TYPE_CHECKING:
    from mltracker.models import Dataset, Module, Session
    from mltracker.tracker.provenance import Provenance


def blame(
    id: Annotated[
        str,
        typer.Argument(metavar="ID", help="EXPERIMENT/AGGREGATE, such as mnist/1.", autocompletion=complete_aggregate),
    ],
    metric: Annotated[str, typer.Argument(help="A metric: NAME, or PHASE/NAME as it is shown.")],
    step: Annotated[int | None, typer.Argument(help="At that step; without it, the last point.")] = None,
    store: Store = None,
    phase: Annotated[str | None, typer.Option("--phase", "-p", help="Only this phase: train, validation, ...")] = None,
    as_of: AsOf = None,
    projection: Projection = None,
    json: Json = False,
) -> None:
    """Show where a number comes from.

    The session, code, dataset, modules and iteration that wrote it, and the corrections that touched it.
    """
    with past(store, as_of, projection) as view:
        found = aggregate_of(view, id).blame(metric, step, phase)
        if json:
            output.json(_json(found))
        else:
            _show(found, {session.id: session for session in view.sessions()})


def _show(found: Provenance, sessions: dict[str, Session]) -> None:
    point = found.point
    places = {name: getattr(point, name) for name in ("step", "epoch", "batch")}
    about = {
        "value": point.value,
        **places,
        "at": output.moment(point.at),
        "id": point.id and output.short(point.id),
        "voided": "yes" if found.voided else None,
        "earlier": f"{output.count(found.earlier, 'point')} of the same step" if found.earlier else None,
    }
    _pairs(series_name(point.phase, point.name), about)
    _show_session(found)
    _show_iteration(found)
    if found.modules:
        output.pairs("modules", {_named(module): _parameters(module) for module in found.modules})
    if found.config:
        output.pairs("config", found.config)
    if made := corrections_in_short(found.corrections, sessions):
        output.heading("corrections")
        rows = [(one.what, output.moment(one.at), one.who, one.why) for one in made]
        output.table(("what", "at", "who", "why"), rows)


def _show_session(found: Provenance) -> None:
    session, code = found.session, found.code or {}
    if session is None:
        return
    untracked = ", ".join(code.get("untracked", {}))
    about = {
        "who": who(session),
        "id": output.short(session.id),
        "started": output.moment(session.started_at),
        "command": " ".join(session.command) or None,
        "code": code_text(code) or "not recorded",
        "diff": short_hash(code["diff"]) if code.get("diff") else None,
        "untracked": untracked or None,
    }
    _pairs("session", about)


def _show_iteration(found: Provenance) -> None:
    iteration = found.iteration
    if iteration is None:
        return
    place = " ".join(filter(None, [iteration.phase, None if iteration.epoch is None else f"epoch {iteration.epoch}"]))
    about = {
        "started": output.moment(iteration.at),
        "status": iteration.status,
        "hash": short_hash(iteration.hash),
        "dataset": _dataset(iteration.dataset),
        **{f"parameters.{name}": value for name, value in values.flatten(iteration.parameters).items()},
        **{_named(module): _parameters(module) for module in iteration.modules},
    }
    _pairs(f"iteration {place}".rstrip(), about)


def _pairs(title: str, about: dict[str, Any]) -> None:
    output.pairs(title, {name: value for name, value in about.items() if value is not None})


def _dataset(dataset: Dataset | None) -> str | None:
    return None if dataset is None else f"{dataset.name} ({short_hash(dataset.hash)})"


def _named(module: Module) -> str:
    return f"{module.type} {module.name} ({short_hash(module.hash)})"


def _parameters(module: Module) -> str:
    flat = values.flatten(module.parameters)
    return " ".join(f"{name}={'null' if value is None else output.text(value)}" for name, value in flat.items())


def _json(found: Provenance) -> dict[str, Any]:
    return {
        "point": metric_json(found.point),
        "voided": found.voided,
        "earlier": found.earlier,
        "session": found.session and session_json(found.session),
        "code": values.encode(found.code),
        "dataset": dataset_json(found.dataset),
        "iteration": found.iteration and iteration_json(found.iteration),
        "modules": [module_json(module) for module in found.modules],
        "config": values.encode(found.config),
        "corrections": [correction_json(one) for one in found.corrections],
    }
