"""The figures to hold. "limit" is the bare loop: orjson and one write a line (writing), orjson.loads of every line
(reading), measured in the same interleaved run.
"""

from __future__ import annotations

from typing import NamedTuple


class Goal(NamedTuple):
    """One figure: at most `goal` of `unit`, or at least, where `at_least`."""

    key: str
    what: str
    goal: float
    unit: str
    at_least: bool = False


class Result(NamedTuple):
    """A measured figure; None where there is nothing to measure, `note` says why or how."""

    value: float | None
    note: str = ""


LIMIT = "x limit"

GOALS = [
    Goal("log10", "metrics.log({10 names}, step=)", 2.8, LIMIT),
    Goal("log1", "metrics.log({1 name}, step=)", 3.5, LIMIT),
    Goal("add", "metrics.add(Metric(...))", 5.0, LIMIT),
    Goal("paced", "a call every 0.5 ms, 99.9th percentile", 50, "us"),
    Goal("busy", "the same beside a busy thread, mean", 20, "us"),
    Goal("series_numpy", "metrics.log_series, NumPy", 20, "M points/s", at_least=True),
    Goal("series_lists", "metrics.log_series, lists", 10, "M points/s", at_least=True),
    Goal("rebuild_memory", "rebuild of 1 M events: memory", 2.8, LIMIT),
    Goal("rebuild_tinydb", "rebuild of 1 M events: TinyDB", 3.2, LIMIT),
    Goal("rebuild_sqlite", "rebuild of 1 M events: SQLite", 3.0, LIMIT),
    Goal("many_memory", "the same with 50,000 series: memory", 3.5, LIMIT),
    Goal("many_tinydb", "the same with 50,000 series: TinyDB", 3.5, LIMIT),
    Goal("many_sqlite", "the same with 50,000 series: SQLite", 3.5, LIMIT),
    Goal("two_processes", "rebuild by two processes", 1.6, LIMIT),
    Goal("open_sqlite", "open and one query: SQLite", 20, "ms"),
    Goal("open_tinydb", "open and one query: TinyDB, a million points", 200, "ms"),
    Goal("read_sqlite", "one series of 1 M points: SQLite", 35, "ms"),
    Goal("read_tinydb", "one series of 1 M points: TinyDB, first", 100, "ms"),
    Goal("read_tinydb_again", "one series of 1 M points: TinyDB, again", 2, "ms"),
    Goal("list_memory", "list 10,000 aggregates: memory", 100, "ms"),
    Goal("list_tinydb", "list 10,000 aggregates: TinyDB", 100, "ms"),
    Goal("list_sqlite", "list 10,000 aggregates: SQLite", 100, "ms"),
    Goal("segments", "10,000 segments, nothing new, one query", 1, "ms"),
    Goal("space_memory", "memory of a rebuild, a point: memory", 40, "bytes"),
    Goal("space_tinydb", "memory of a rebuild, a point: TinyDB", 130, "bytes"),
    Goal("space_sqlite", "memory of a rebuild, a point: SQLite", 40, "bytes"),
    Goal("capture", "what capturing adds before the first event", 100, "ms"),
    Goal("described", "until the description is recorded", 5000, "ms"),
    Goal("import", "import mltracker", 50, "ms"),
]


def meets(goal: Goal, result: Result) -> bool | None:
    """Whether the figure is met; None where it was not measured."""
    if result.value is None:
        return None
    return result.value >= goal.goal if goal.at_least else result.value <= goal.goal
