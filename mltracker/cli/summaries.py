"""Series in short: how many points, where they began and ended, how far they reached."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mltracker.cli import output
from mltracker.cli.plot import sparkline
from mltracker.series import Key

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate

COURSE = 20
"""Characters that the course of a series takes, where there is room."""


def in_order(keys: Iterable[Key]) -> list[Key]:
    """Series by phase and name, as people count: layer_2 before layer_10."""
    return sorted(keys, key=lambda key: (_natural(key[0] or ""), _natural(key[1])))


def _natural(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split("([0-9]+)", name)]


class Summary(NamedTuple):
    """A series in short. NaN does not count for lowest and highest."""

    phase: str | None
    name: str
    points: int
    first: int | float
    last: int | float
    lowest: int | float
    highest: int | float
    course: str


def summaries(aggregate: TrackedAggregate, keys: Iterable[Key] | None = None) -> list[Summary]:
    """Of these series, else of all, in order."""
    return [_summary(aggregate, *key) for key in in_order(aggregate.metrics.names() if keys is None else keys)]


def _summary(aggregate: TrackedAggregate, phase: str | None, name: str) -> Summary:
    points = aggregate.metrics.series(name, phase).values.tolist()
    numbers = [point for point in points if not math.isnan(point)] or [math.nan]
    course = sparkline(points, COURSE)
    return Summary(phase, name, len(points), points[0], points[-1], min(numbers), max(numbers), course)


def print_summaries(found: Sequence[Summary], *, course: bool = False) -> None:
    """A line for each. With its course a terminal has no room for all the numbers."""
    columns = ("phase", "metric", "points", "first", "last", "lowest", "highest", "course")
    if not course:
        output.table(columns[:-1], [summary[:-1] for summary in found])
    elif not output.on_terminal():
        output.table(columns, found)
    else:
        rows = [(one.phase, one.name, one.lowest, one.highest, one.last, one.course) for one in found]
        output.table(("phase", "metric", "lowest", "highest", "last", "course"), rows)
