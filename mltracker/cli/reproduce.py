"""Run an aggregate again and give a verdict: reproduce."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mltracker.cli import output
from mltracker.cli.ids import Json, Store, aggregate_of, complete_aggregate, folder_of, reading
from mltracker.cli.plot import chart
from mltracker.series import NO_STEP

if TYPE_CHECKING:
    from mltracker.reproduce.finish import Done
    from mltracker.reproduce.verdict import Difference, FirstDifference, Verdict
    from mltracker.tracker.aggregates import TrackedAggregate

STOPPED = 130
AROUND = 50
"""Points on each side of the first difference that are drawn."""
HEIGHT = 8
SHOWN = 10
"""Differences of the environment that a person is shown."""
DIM, PLAIN, CLEAR = "\x1b[2m", "\x1b[0m", "\r\x1b[2K"


Id = Annotated[
    str, typer.Argument(metavar="ID", help="EXPERIMENT/AGGREGATE, such as mnist/1.", autocompletion=complete_aggregate)
]
Tolerance = Annotated[
    float | None, typer.Option("--tolerance", metavar="T", help="How far numbers may differ, such as 1e-6.")
]
Exact = Annotated[bool, typer.Option("--exact", help="Bit for bit, which is the default.")]
Metrics = Annotated[
    list[str] | None, typer.Option("--metric", metavar="NAME", help="Compare only this one (repeatable).")
]
AllowDirty = Annotated[
    bool, typer.Option("--allow-dirty", help="Run the code as it stands now; what differs is named, and decides.")
]
Python = Annotated[
    str | None, typer.Option("--python", metavar="PATH", help="The Python to run it with, instead of this one.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Do not run where packages or hardware differ.")]
Links = Annotated[
    list[str] | None,
    typer.Option("--link", metavar="PATH", help="Data that git ignores and the run needs; not copied (repeatable)."),
]
ReportFile = Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Write an HTML report.")]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the worktree and the output.")]


def reproduce(
    id: Id,
    store: Store = None,
    tolerance: Tolerance = None,
    exact: Exact = False,
    metric: Metrics = None,
    allow_dirty: AllowDirty = False,
    python: Python = None,
    strict: Strict = False,
    link: Links = None,
    json: Json = False,
    report: ReportFile = None,
    keep: Keep = False,
) -> None:
    """Run an aggregate's programs again, from the recorded code, and compare every number.

    They run in a git worktree of their own and record beside the original, which gets the verdict. Exit codes: 0
    identical or within tolerance, 4 diverged, 5 incomplete, 6 not runnable.
    """
    from mltracker.reproduce.repetition import Options
    from mltracker.reproduce.run import run

    if exact and tolerance is not None:
        raise typer.BadParameter("choose one of --exact and --tolerance")
    if report is not None and not report.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {report.absolute().parent}", param_hint="--report")
    folder = folder_of(store)
    with reading(str(folder)) as tracker:
        aggregate_of(tracker, id)
    experiment, _, aggregate = id.partition("/")
    options = Options(tolerance, metric or None, allow_dirty, python, strict, tuple(link or ()), keep)
    watch = Line()
    try:
        with watch.shown():
            done = run(folder, experiment, aggregate, options, watch)
    except KeyboardInterrupt:
        typer.echo("mltracker: stopped; nothing was recorded", err=True)
        raise typer.Exit(STOPPED) from None
    with reading(str(folder)) as tracker:
        original = aggregate_of(tracker, id)
        again = None if done.reproduction is None else aggregate_of(tracker, done.reproduction)
        if report is not None:
            _write(report, done.verdict, original, again)
        if json:
            output.json(_as_json(done))
        else:
            _print(done, original, again)
    raise typer.Exit(done.verdict.exit_code)


class Line:
    """Tells on stderr, which leaves stdout to the verdict: a line that is written over, on a terminal."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()
        self._drawn = False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Nothing is left of the line afterwards."""
        try:
            yield
        finally:
            self._clear()

    def differs(self, differences: Sequence[Difference]) -> None:
        """A line for each, as far as a person reads."""
        for difference in differences[:SHOWN]:
            self._say(f"differs now: {difference}")
        if len(differences) > SHOWN:
            self._say(f"and {len(differences) - SHOWN} more differences; --json has all")

    def progress(self, points: int, expected: int, run: int, runs: int) -> None:
        """How far it is, over the line before."""
        if not self._live:
            return
        which = f", program {run} of {runs}" if runs > 1 else ""
        seconds = time.monotonic() - self._began
        share = f" ({min(points / expected, 1):.0%})" if expected else ""
        text = f"running: {points:,} of {expected:,} points{share}{which}, {seconds:.0f} s"
        sys.stderr.write(f"{CLEAR}{DIM}{text[: output.size()[0] - 1]}{PLAIN}")
        sys.stderr.flush()
        self._drawn = True

    def failed(self, failure: str, output_lines: Sequence[str]) -> None:
        """What it printed last."""
        self._say(f"the program failed with {failure}; its last lines:")
        for line in output_lines:
            self._say(f"  {line}")

    def _say(self, text: str) -> None:
        self._clear()
        shown = output.plain(text)
        sys.stderr.write(f"{DIM}{shown}{PLAIN}\n" if self._live else f"{shown}\n")

    def _clear(self) -> None:
        if self._drawn:
            sys.stderr.write(CLEAR)
            self._drawn = False


def _as_json(done: Done) -> dict[str, object]:
    verdict = done.verdict
    return {
        **verdict.model_dump(),
        "exit_code": verdict.exit_code,
        "name": done.reproduction,
        "kept": None if done.kept is None else str(done.kept),
    }


def _print(done: Done, original: TrackedAggregate, again: TrackedAggregate | None) -> None:
    for line in done.verdict.summary:
        output.line(output.plain(line))
    if done.verdict.first is not None and again is not None:
        _draw(done.verdict.first, original, again)
    if done.reproduction is not None:
        output.line(f"recorded as {output.plain(done.reproduction)}")
    if done.kept is not None:
        output.line(f"kept: {output.plain(str(done.kept))} (git worktree remove --force removes its tree)")


def _write(path: Path, verdict: Verdict, original: TrackedAggregate, again: TrackedAggregate | None) -> None:
    from mltracker.reproduce.report import html

    path.write_text(html(verdict, original, again), encoding="utf-8")


def _draw(first: FirstDifference, original: TrackedAggregate, again: TrackedAggregate) -> None:
    """Both courses around the first difference."""
    width = max(min(output.size()[0] - 14, 100), 10) if output.on_terminal() else 72
    for title, aggregate in (("expected", original), ("found", again)):
        points = _points(aggregate, first)
        near = [point for point in points if first.step is None or abs(point[0] - first.step) <= AROUND]
        output.heading(f"{title}: {first.where}")
        for row in chart(near, width, HEIGHT):
            output.line(row)


def _points(aggregate: TrackedAggregate, first: FirstDifference) -> list[tuple[float, float]]:
    if (first.phase, first.metric) not in aggregate.metrics.names():
        return []
    series = aggregate.metrics.series(first.metric, first.phase)
    steps = [index if step == NO_STEP else step for index, step in enumerate(series.steps.tolist())]
    return list(zip(steps, series.values.tolist(), strict=True))
