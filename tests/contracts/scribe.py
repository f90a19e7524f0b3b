"""Lines of several writers, written by hand: what a log would deliver."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson

from mltracker.events.envelope import format_time
from mltracker.events.log import Batch, Line

START = 1_764_000_000_000_000


class Scribe:
    """One writer. Times count up over all scribes that share `times`, one second an event."""

    def __init__(self, letter: str = "a", times: Iterator[int] | None = None) -> None:
        self.writer = letter * 32
        self.lines: list[Line] = []
        self._times = times if times is not None else count(START, 1_000_000)
        self.write("SessionStarted")

    def write(
        self, type: str, stream: str = "", *, v: int = 1, at: int | None = None, wall: int | None = None, **data: Any
    ) -> str:
        """Answers the event's id."""
        seq = len(self.lines)
        line: Line = {"seq": seq, "at": format_time(next(self._times) if at is None else at)}
        if wall is not None:
            line["wall"] = format_time(wall)
        line |= {"type": type, "v": v, "stream": stream, "data": data, "crc": f"{seq:08x}"}
        self.lines.append(orjson.loads(orjson.dumps(line)))
        return f"{self.writer}:{seq}"

    def experiment(self, name: str = "mnist") -> str:
        return self.write("ExperimentCreated", name=name)

    def aggregate(self, experiment: str, id: str = "1", **data: Any) -> str:
        return self.write("AggregateCreated", experiment=experiment, id=id, **data)

    def metrics(self, aggregate: str, values: dict[str, Any], **place: Any) -> str:
        return self.write("MetricsRecorded", aggregate, values=values, **place)

    def delete_aggregate(self, key: str, deletion: str = "d") -> str:
        return self.write("AggregateDeleted", key, deletion=deletion)

    @property
    def position(self) -> dict[str, int]:
        return {self.writer: len(self.lines) - 1}

    @property
    def batch(self) -> Batch:
        return Batch(self.writer, list(self.lines))

    def singly(self) -> list[Batch]:
        return [Batch(self.writer, [line]) for line in self.lines]


def scribes(letters: str) -> list[Scribe]:
    """Writers that share one clock."""
    times = count(START, 1_000_000)
    return [Scribe(letter, times) for letter in letters]
