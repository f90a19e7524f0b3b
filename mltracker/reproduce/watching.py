"""Who is told how a reproduction goes, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mltracker.events.log import Reader
from mltracker.events.segments import SegmentLog
from mltracker.reproduce.verdict import Difference


class Watch(Protocol):
    """Is told what happens. All of it is for people."""

    def differs(self, differences: Sequence[Difference]) -> None:
        """Before anything runs: what is not as it was."""

    def progress(self, points: int, expected: int, run: int, runs: int) -> None:
        """So many points were recorded, of so many that the original has; by the n-th program of so many."""

    def failed(self, failure: str, output: Sequence[str]) -> None:
        """A program failed; the last lines that it printed."""


class Silent:
    """Nobody is told."""

    def differs(self, differences: Sequence[Difference]) -> None:
        """Not told."""

    def progress(self, points: int, expected: int, run: int, runs: int) -> None:
        """Not told."""

    def failed(self, failure: str, output: Sequence[str]) -> None:
        """Not told."""


class Points:
    """Counts the points in the scratch store as they come; reads, and writes nothing."""

    def __init__(self, store: Path, expected: int, runs: int, watch: Watch) -> None:
        self.run = 1
        self._store = store
        self._expected = expected
        self._runs = runs
        self._watch = watch
        self._reader: Reader | None = None
        self._count = 0

    def look(self) -> None:
        """Tell how far it is."""
        if self._reader is None and (self._store / "store.json").exists():
            self._reader = SegmentLog(self._store, read_only=True).reader()
        if self._reader is not None:
            for batch in self._reader.poll():
                self._count += sum(len(line["data"]["values"]) for line in batch.lines if _is_metric(line["type"]))
        self._watch.progress(self._count, self._expected, self.run, self._runs)


def _is_metric(type: str) -> bool:
    return type in ("MetricsRecorded", "MetricSeriesRecorded")
