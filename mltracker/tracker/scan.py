"""An aggregate's events straight out of the log; of points, of which there are millions, only those asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from mltracker.errors import UnreadableEvent
from mltracker.events.envelope import Recorded, recorded
from mltracker.events.log import Line
from mltracker.events.upcasters import upcast
from mltracker.tracker.access import Access, LiveAccess

POINTS = frozenset(("MetricsRecorded", "MetricSeriesRecorded"))
Place = tuple[str, int]
"""Writer and seq of an event."""


def events(access: Access, keys: Collection[str], *, points: bool | Collection[Place] = False) -> list[Recorded]:
    """Those on these streams, in order; of the events with points all, none, or those of the given places.

    What cannot be read is missing, with a Notice. Raises Closed, Damaged where `strict`.
    """
    access.ask(lambda model: None)
    wanted: Collection[Place] = () if isinstance(points, bool) else points
    reader = access.log.reader()
    found = [
        recorded(writer, _current(line))
        for writer, lines in reader.poll()
        for line in lines
        if (line["stream"] or f"{writer}:{line['seq']}") in keys
        and (points is True or line["type"] not in POINTS or (writer, line["seq"]) in wanted)
    ]
    if isinstance(access, LiveAccess):
        access.tell("history", reader.notices)
    stamp = access.stamp
    return sorted((one for one in found if stamp is None or one.stamp <= stamp), key=lambda one: one.stamp)


def place_of(id: str) -> Place:
    """Of an event or of a point by its id, which the store has given."""
    writer, seq, *_ = id.split(":", 2)
    return writer, int(seq)


class Counts:
    """How many points there are, by stream, writer and seq."""

    def __init__(self, recorded: Collection[Recorded]) -> None:
        self._sizes: dict[str, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
        for event in recorded:
            self._sizes[event.stream][event.writer][event.seq] = len(event.data.get("values", ()))

    def take(self, stream: str, position: Mapping[str, int]) -> int:
        """Of those not taken before, the number up to that position."""
        taken = 0
        for writer, sizes in self._sizes[stream].items():
            gone = [seq for seq in sizes if seq <= position.get(writer, -1)]
            taken += sum(sizes.pop(seq) for seq in gone)
        return taken


def _current(line: Line) -> Line:
    try:
        return upcast(line)
    except UnreadableEvent:
        return line
