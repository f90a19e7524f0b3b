"""The health of a store: verify, rebuild, pull, compact, repair, erase, schema."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

import mltracker
from mltracker.cli import output
from mltracker.cli.ids import Json, Store, folder_of, projection_of, reading
from mltracker.cli.output import count
from mltracker.cli.schema import catalogue_schema, unknown_type
from mltracker.events import Problem

DAMAGE = 3
"""The exit code of damage found."""
NEXT = (
    "Next: `mltracker pull PATH` takes what is missing from an intact copy of this store; "
    "without one, `mltracker repair` passes over what is damaged, so that the rest is read"
)


def verify(store: Store = None, json: Json = False) -> None:
    """Read and check every event.

    Exit code 3 where something is damaged: each damage is named by file and line.
    """
    with reading(store) as tracker:
        report = tracker.verify()
    with suppress(BrokenPipeError):  # who hears nothing more still gets the exit code
        if json:
            problems = [problem_json(problem) for problem in report.problems]
            output.json({"ok": report.ok, "segments": report.segments, "events": report.events, "problems": problems})
        else:
            _print_problems(report.problems)
            verdict = "no damage" if report.ok else "DAMAGED"
            output.line(f"{count(report.events, 'event')} in {count(report.segments, 'segment')}: {verdict}")
            if not report.ok:
                output.line(NEXT)
    if not report.ok:
        raise typer.Exit(DAMAGE)


def problem_json(problem: Problem) -> dict[str, str | int | bool | None]:
    """A problem as JSON."""
    return {"file": problem.file, "line": problem.line, "reason": problem.reason, "harmless": problem.harmless}


def _print_problems(problems: list[Problem]) -> None:
    for problem in problems:
        where = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
        output.line(output.plain(f"{where}: {problem.reason}{' (harmless)' if problem.harmless else ''}"))


class Rate(ProgressColumn):
    """Events a second."""

    def render(self, task: Task) -> Text:
        """The present rate, empty until it is known."""
        return Text(f"{task.speed:,.0f} events/s" if task.speed else "")


def rebuild(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NAME", help="tinydb, sqlite or memory; without it, the one the store has."),
    ] = None,
    store: Store = None,
) -> None:
    """Build a read model anew.

    Out of the events; the old one answers until the new one is complete.
    """
    kind = projection_of(folder_of(store))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate())
    bar = Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
    with mltracker.open(store, projection=kind) as tracker, bar:
        task = bar.add_task("rebuilding", total=None)
        tracker.rebuild(to, progress=lambda done, total: bar.update(task, completed=done, total=total))
        done = int(bar.tasks[0].completed)
    output.line(f"rebuilt {to or kind} from {count(done, 'event')}")


def pull(
    source: Annotated[Path, typer.Argument(metavar="PATH", help="The other store's folder.")], store: Store = None
) -> None:
    """Take over what another store has.

    Twice is once. Damaged segments are refused and named, with exit code 1.
    """
    from mltracker.events.segments import pull

    report = pull(folder_of(str(source)), folder_of(store, create=True))
    with suppress(BrokenPipeError):
        _print_problems(report.refused)
        what = f"{count(report.events, 'event')} in {count(report.segments, 'segment')}"
        output.line(f"pulled {what} ({count(report.bytes, 'byte')})")
    if report.refused:
        raise typer.Exit(1)


def compact(store: Store = None) -> None:
    """Pack small segments into fewer files.

    Only those of writers that have ended; no event changes.
    """
    from mltracker.events.segments import compact

    report = compact(folder_of(store))
    output.line(f"packed {count(report.packed, 'segment')} into {count(report.packs, 'pack')}")
    if report.packed:
        stay = "stay" if report.packed > 1 else "stays"
        output.line(
            f"{count(report.packed, 'source')} {stay} for an hour, for readers that are at it; compact again later"
        )
    if report.removed:
        output.line(f"removed {count(report.removed, 'source')} of earlier packs")


def repair(store: Store = None) -> None:
    """Note what to pass over in damage.

    The events behind it are read again; no segment is edited.
    """
    from mltracker.events.segments import repair

    problems = repair(folder_of(store))
    _print_problems(problems)
    output.line("nothing to repair" if not problems else f"passed over {count(len(problems), 'damaged place')}")


def erase(
    events: Annotated[list[str], typer.Argument(metavar="EVENT...", help="Their ids, as `log` shows them.")],
    why: Annotated[str, typer.Option("--why", help="The reason, which stays on record.")],
    who: Annotated[str, typer.Option("--who", help="Who decided it.", envvar="USER")] = "unknown",
    store: Store = None,
) -> None:
    """Erase what events hold, for good.

    For secrets and personal data alone. That it happened stays on record; read models are built anew.
    """
    from mltracker.events.segments import erase

    files = erase(folder_of(store), events, who=who, why=why)
    output.line(f"erased {count(len(set(events)), 'event')} in {count(files, 'segment')}")


def schema(
    event: Annotated[str | None, typer.Argument(help="One event type, such as MetricsRecorded.")] = None,
) -> None:
    """Print the JSON Schema of the events.

    Of a line of the log with every event type, or of the data of one type.
    """
    whole = catalogue_schema()
    if event is None:
        output.json(whole)
    elif event in whole["$defs"]:
        output.json({**whole["$defs"][event], "$defs": whole["$defs"]})
    else:
        raise unknown_type(event)
