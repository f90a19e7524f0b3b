"""One experiment or aggregate: show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mltracker.cli import output
from mltracker.cli.as_json import (
    aggregate_json,
    checkpoint_json,
    correction_json,
    experiment_json,
    iteration_json,
    reproduction_json,
    seconds,
    session_json,
    summary_json,
    training_json,
)
from mltracker.cli.ids import AsOf, Json, Projection, Store, aggregate_of, complete_aggregate, experiment_of, past
from mltracker.cli.people import code_of, code_text, corrected, short_hash, who
from mltracker.cli.reading import list_aggregates
from mltracker.cli.summaries import print_summaries, summaries
from mltracker.events import values
from mltracker.models import Checkpoint, Iteration, Reproduction, Session, Training

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate
    from mltracker.tracker.experiments import TrackedExperiment

SHOWN = 10
"""Iterations, checkpoints and the like that `show` shows a person; a pipe gets all."""
SUCCESSES = ("identical", "within tolerance")
"""The verdicts that call a run a reproduction."""


def show(
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An experiment, or EXPERIMENT/AGGREGATE, such as mnist/1.",
            autocompletion=complete_aggregate,
        ),
    ],
    store: Store = None,
    as_of: AsOf = None,
    projection: Projection = None,
    json: Json = False,
) -> None:
    """Show an experiment or an aggregate.

    With config, modules, trainings, iterations, checkpoints and sessions, a summary of its metrics, what corrected
    them, and whether it was reproduced.
    """
    with past(store, as_of, projection) as view:
        if "/" not in id:
            _show_experiment(experiment_of(view, id), json)
            return
        aggregate = aggregate_of(view, id)
        if json:
            _print_json(aggregate)
        else:
            _show_aggregate(id, aggregate)


def _show_experiment(experiment: TrackedExperiment, json: bool) -> None:
    if json:
        output.json(experiment_json(experiment))
        return
    _describe(experiment.name, {"created": output.moment(experiment.at), "note": experiment.note or None})
    if experiment.tags:
        output.pairs("tags", experiment.tags)
    output.heading("aggregates")
    list_aggregates(experiment.aggregates.list(), json=False)


def _print_json(aggregate: TrackedAggregate) -> None:
    output.json(
        {
            **aggregate_json(aggregate),
            "trainings": [training_json(training) for training in aggregate.trainings],
            "iterations": [iteration_json(iteration) for iteration in aggregate.iterations.list()],
            "metrics": [summary_json(summary) for summary in summaries(aggregate)],
            "checkpoints": [checkpoint_json(one) for one in aggregate.checkpoints.list()],
            "reproductions": [reproduction_json(one) for one in aggregate.reproductions],
            "corrections": [correction_json(one) for one in aggregate.corrections],
            "sessions": [session_json(one) for one in aggregate.sessions],
        }
    )


def _describe(title: str, about: Mapping[str, object]) -> None:
    output.pairs(title, {name: value for name, value in about.items() if value is not None})


def _show_aggregate(id: str, aggregate: TrackedAggregate) -> None:
    about = {"status": aggregate.status, "epoch": aggregate.epoch, "created": output.moment(aggregate.at)}
    _describe(id, {**about, "note": aggregate.note or None})
    for title, items in (("tags", aggregate.tags), ("config", aggregate.config)):
        if items:
            output.pairs(title, items)
    for module in aggregate.modules:
        output.pairs(f"{module.type} {module.name} ({module.hash})", values.flatten(module.parameters))
    _show_trainings(aggregate.trainings)
    _show_iterations(aggregate.iterations.list())
    _show_checkpoints(aggregate.checkpoints.list())
    if found := summaries(aggregate):
        output.heading("metrics")
        print_summaries(found)
    if made := corrected(aggregate):
        rows = [(one.what, output.moment(one.at), one.who, one.why) for one in made]
        _listed("corrections", ("what", "at", "who", "why"), rows)
    _show_reproductions(aggregate.reproductions)
    _show_sessions(aggregate.sessions)


def _show_trainings(trainings: Sequence[Training]) -> None:
    if trainings:
        output.heading("trainings")
        rows = [
            (output.short(each.id), output.moment(each.started_at), each.ended, seconds(each), each.error)
            for each in trainings
        ]
        output.table(("id", "started", "outcome", "seconds", "error"), rows)


def _show_iterations(iterations: list[Iteration]) -> None:
    if iterations:
        rows = [
            (
                one.phase,
                one.epoch,
                one.status,
                one.dataset.name if one.dataset else None,
                one.duration,
                short_hash(one.hash),
            )
            for one in iterations
        ]
        _listed("iterations", ("phase", "epoch", "status", "dataset", "seconds", "hash"), rows)


def _show_checkpoints(checkpoints: list[Checkpoint]) -> None:
    if checkpoints:
        rows = [(one.name, one.size, output.moment(one.at), short_hash(one.hash)) for one in checkpoints]
        _listed("checkpoints", ("name", "bytes", "at", "hash"), rows)


def _show_reproductions(reproductions: list[Reproduction]) -> None:
    """In one line: how often it was reproduced, and what else became of it."""
    if not reproductions:
        return
    output.heading("reproductions")
    verdicts: dict[str, list[Reproduction]] = {}
    for one in reproductions:
        verdicts.setdefault("" if one.verdict in SUCCESSES else one.verdict, []).append(one)
    if succeeded := verdicts.pop("", None):
        last = succeeded[-1]
        output.line(f"  reproduced {output.count(len(succeeded), 'time')}, last {last.verdict} on {_day(last)}")
    for verdict, those in verdicts.items():
        output.line(f"  {output.plain(verdict)} {output.count(len(those), 'time')}, last on {_day(those[-1])}")


def _day(reproduction: Reproduction) -> str:
    return f"{reproduction.time:%Y-%m-%d}"


def _show_sessions(sessions: list[Session]) -> None:
    if sessions:
        rows = [
            (output.short(one.id), who(one), output.moment(one.started_at), code_text(code_of(one))) for one in sessions
        ]
        _listed("sessions", ("id", "who", "started", "code"), rows)


def _listed(title: str, columns: Sequence[str], rows: Sequence[Sequence[output.Cell]]) -> None:
    """The last of them for a person, all for a pipe."""
    shown = rows[-SHOWN:] if output.on_terminal() else rows
    output.heading(title if len(shown) == len(rows) else f"{title} (the last {len(shown)} of {len(rows)})")
    output.table(columns, shown)
