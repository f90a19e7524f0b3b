"""The store as of a stamp: the same read model, folded through it in memory."""

from __future__ import annotations

from mltracker.events.envelope import format_time
from mltracker.events.log import Batch, EventLog
from mltracker.projections.memory import MemoryReadModel


def fold(log: EventLog, stamp: tuple[int, str, int] | None = None) -> tuple[MemoryReadModel, set[str]]:
    """The read model of all events through the stamp (or all), and the writers of later ones."""
    model, later = MemoryReadModel(), set()
    limit = None if stamp is None else (format_time(stamp[0]), *stamp[1:])
    for writer, lines in log.reader().poll():
        kept = lines if limit is None else [line for line in lines if (line["at"], writer, line["seq"]) <= limit]
        if kept:
            model.apply(Batch(writer, kept))
        if len(kept) < len(lines):
            later.add(writer)
    return model, later
