"""What it takes to do an aggregate again: recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mltracker.cli import output
from mltracker.cli.ids import Json, Projection, Store, aggregate_of, complete_aggregate, reading
from mltracker.events import values

if TYPE_CHECKING:
    from mltracker.reproduce.recipe import Code, Recipe, RecordedSession

SHOWN_ITERATIONS = 10
"""Iterations that a person is shown; a pipe gets all."""


def recipe(
    id: Annotated[
        str,
        typer.Argument(metavar="ID", help="EXPERIMENT/AGGREGATE, such as mnist/1.", autocompletion=complete_aggregate),
    ],
    store: Store = None,
    projection: Projection = None,
    json: Json = False,
    script: Annotated[bool, typer.Option("--script", help="Print a Python script to fill in and run.")] = False,
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead; without --script, JSON."),
    ] = None,
) -> None:
    """Show what it takes to do an aggregate again.

    Its sessions with their code and seeds, modules, iterations in order, checkpoints.
    """
    if json and script:
        raise typer.BadParameter("choose one of --json and --script")
    found = _recipe(id, store, projection)
    if to is not None:
        if script:
            to.write_text(found.script(), encoding="utf-8")
        else:
            found.save(to)
    elif script:
        output.write(found.script())
    elif json:
        output.line(found.to_json(indent=output.on_terminal()))
    else:
        _show(found)


def _recipe(id: str, store: Store, projection: Projection) -> Recipe:
    with reading(store, projection) as tracker:
        aggregate_of(tracker, id)  # names what is missing the way other commands do
        return tracker.recipe(*id.split("/", 1))


def _show(found: Recipe) -> None:
    counts = {
        "sessions": len(found.runs),
        "modules": len(found.modules),
        "iterations": len(found.iterations),
        "points": sum(series.points for series in found.series),
        "checkpoints": len(found.checkpoints),
    }
    output.pairs(found.id, counts)
    for number, session in enumerate(found.runs, 1):
        output.pairs(f"session {number} ({output.short(session.id)})", _session(session))
    if found.config:
        output.pairs("config", found.config)
    for module in found.modules:
        output.pairs(f"{module.type} {module.name} ({module.hash})", values.flatten(module.parameters))
    _iterations(found)
    if found.checkpoints:
        output.heading("checkpoints")
        output.table(("name", "bytes", "hash"), [(one.name, one.size, one.hash) for one in found.checkpoints])
    if found.series:
        output.heading("metrics")
        rows = [(one.phase, one.name, one.points, one.first, one.last) for one in found.series]
        output.table(("phase", "metric", "points", "first", "last"), rows)
    for title, lines in (("corrections", found.corrections), ("cannot be read", _unread(found))):
        if lines:
            output.heading(title)
            for line in lines:
                output.line(f"  {output.plain(output.short(line))}")


def _session(session: RecordedSession) -> dict[str, object]:
    about: dict[str, object | None] = {
        "command": session.command or None,
        **(_code(session.code) if session.code else {}),
        "python": session.environment.get("python"),
        "seeds": [seed.get("seed") for seed in session.seeds] or None,
        "wrote": ", ".join(output.count(number, what[:-1]) for what, number in session.wrote if number) or None,
        "failed": session.failure,
    }
    return {name: value for name, value in about.items() if value is not None}


def _code(code: Code) -> dict[str, object | None]:
    untracked = output.count(len(code.untracked), "untracked file")
    changes = f"{output.count(code.diff_size, 'byte')} of changes, {untracked}" if code.dirty else None
    return {"commit": code.commit, "branch": code.branch, "uncommitted": changes, "code": code.problem}


def _iterations(found: Recipe) -> None:
    if not found.iterations:
        return
    every = len(found.iterations)
    shown = found.iterations[:SHOWN_ITERATIONS] if output.on_terminal() else found.iterations
    output.heading("iterations" if len(shown) == every else f"iterations (the first {len(shown)} of {every})")
    rows = [
        (
            one.phase,
            one.epoch,
            one.status,
            one.dataset.name if one.dataset else None,
            one.duration,
            ", ".join(module.name for module in one.modules),
        )
        for one in shown
    ]
    output.table(("phase", "epoch", "status", "dataset", "seconds", "modules"), rows)


def _unread(found: Recipe) -> list[str]:
    return [f"{output.count(count, 'event')} {type}" for type, count in found.unknown.items()]
