"""History: the whole log in one order, upcast, and the moments at which it can be cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush, heapreplace
from typing import TYPE_CHECKING

from mltracker.errors import InvalidValue, NotFound, UnreadableEvent
from mltracker.events.envelope import Recorded, parse_time, recorded
from mltracker.events.upcasters import upcast

if TYPE_CHECKING:
    from mltracker.events.log import EventLog, Line, Section

Stamp = tuple[int, str, int]
"""(at, writer, seq): what orders history. `at` is in microseconds since 1970 UTC."""

EVENT_ID = re.compile(r"([0-9a-f]{32}):(0|[1-9][0-9]{0,18})")
AFTER_ALL_WRITERS = "~"
LAST_SEQ = 2**63 - 1


def merged(sections: Sequence[Section], up_to: Stamp | None = None) -> Iterator[Recorded]:
    """The events of all sections in the order of their stamps, each (writer, seq) once, through `up_to` if given.

    Where sections differ about an event, the earlier section holds. An event that its upcaster rejects comes as it was
    written; its `event` raises UnreadableEvent.
    """
    if len(sections) == 1:
        return _once(_run(sections[0], up_to))
    return _once(_merge(sections, up_to))


def _merge(sections: Sequence[Section], up_to: Stamp | None) -> Iterator[Recorded]:
    """Begins a section only when its turn comes, so that ten thousand of them are never open at once."""
    waiting = sorted(range(len(sections)), key=lambda index: sections[index].start, reverse=True)
    heap: list[tuple[Stamp, int, Recorded, Iterator[Recorded]]] = []
    while waiting or heap:
        while waiting and (not heap or sections[waiting[-1]].start <= heap[0][0][0]):
            index = waiting.pop()
            run = _run(sections[index], up_to)
            if (first := next(run, None)) is not None:
                heappush(heap, (first.stamp, index, first, run))
        if heap:
            _, index, event, run = heap[0]
            yield event
            if (following := next(run, None)) is not None:
                heapreplace(heap, (following.stamp, index, following, run))
            else:
                heappop(heap)


def _run(section: Section, up_to: Stamp | None) -> Iterator[Recorded]:
    for batch in section.batches:
        for line in batch.lines:
            event = recorded(batch.writer, _current(line))
            if up_to is not None and event.stamp > up_to:
                return
            yield event


def _current(line: Line) -> Line:
    try:
        return upcast(line)
    except UnreadableEvent:
        return line


def _once(events: Iterable[Recorded]) -> Iterator[Recorded]:
    """A writer's stamps grow with its seq, so what is not beyond its last one was met before."""
    last: dict[str, int] = {}
    for event in events:
        if event.seq > last.get(event.writer, -1):
            last[event.writer] = event.seq
            yield event


def parse_moment(text: str, log: EventLog) -> Stamp:
    """The stamp through which history is meant: of an event's id `writer:seq`, or the last one at an RFC 3339 time.

    Raises NotFound if the log has no such event, InvalidValue if the text is neither.
    """
    match = EVENT_ID.fullmatch(text)
    if match is not None:
        return find(log, match[1], int(match[2]))
    try:
        return (parse_time(text), AFTER_ALL_WRITERS, LAST_SEQ)
    except (ValueError, OverflowError):
        raise InvalidValue(
            "moment", f"{text!r} is neither an RFC 3339 time nor an event's id", hint="Such as 2026-11-24T12:00:00Z"
        ) from None


def find(log: EventLog, writer: str, seq: int) -> Stamp:
    """The stamp of one event. Raises NotFound."""
    for section in log.sections():
        for batch in section.batches:
            if batch.writer != writer or not batch.lines or batch.lines[-1]["seq"] < seq:
                continue
            for line in batch.lines:
                if line["seq"] == seq:
                    return (parse_time(line["at"]), writer, seq)
    raise NotFound(f"there is no event {writer}:{seq} in this store")
