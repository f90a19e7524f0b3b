"""A progress bar on a terminal's stderr. Anywhere else there is none, and nothing of this is loaded."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sized
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

EVERY = 0.1
"""Seconds between two redraws, at least."""
SHOWN_METRICS = 4


def bar(iterable: object, total: int | None, label: str, metrics: Mapping[str, int | float]) -> Bar | None:
    """A bar for so many elements (else as many as there are, where that is known); None where nobody looks."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    if total is None and isinstance(iterable, Sized):
        try:
            total = len(iterable)
        except TypeError:  # a data loader over a stream has a length only in name
            total = None
    return Bar(total, label, metrics)


class Bar:
    """Redrawn ten times a second at most. A terminal that is gone must not end a training: then nothing is drawn."""

    def __init__(self, total: int | None, label: str, metrics: Mapping[str, int | float]) -> None:
        self._metrics = metrics
        self._done = 0
        self._drawn: Progress | None = progress(label, total)
        self._next = 0.0
        self._draw(self._drawn.start)

    def advance(self) -> None:
        """One element more was worked off."""
        self._done += 1
        if self._drawn is not None and (now := time.monotonic()) >= self._next:
            self._next = now + EVERY
            self._redraw()

    def stop(self) -> None:
        """Draw it a last time, and leave it. Twice is once."""
        if self._drawn is not None:
            self._redraw()
        if self._drawn is not None:
            self._draw(self._drawn.stop)
            self._drawn = None

    def _redraw(self) -> None:
        drawn = self._drawn
        assert drawn is not None
        shown = list(self._metrics.items())[-SHOWN_METRICS:]
        text = "  ".join(f"{name} {value:.4g}" for name, value in shown)
        self._draw(lambda: drawn.update(drawn.task_ids[0], completed=self._done, metrics=text, refresh=True))

    def _draw(self, step: object) -> None:
        try:
            step()  # type: ignore[operator]
        except (OSError, ValueError):  # gone, or closed
            self._drawn = None


def progress(label: str, total: int | None) -> Progress:
    """A bar that draws only when it is told to, and leaves what the program itself prints where it goes."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}", markup=False),
    )
    drawn = Progress(
        *columns, console=Console(stderr=True), auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )
    drawn.add_task(label, total=total, metrics="")
    return drawn
