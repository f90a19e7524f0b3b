"""The store as of a stamp: the same read model, folded through it in memory."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from mltracker.errors import ProjectionError
from mltracker.events.envelope import format_time
from mltracker.events.history import Stamp
from mltracker.events.log import Batch, EventLog, Problem
from mltracker.events.upcasters import LATEST, known
from mltracker.projections.memory import MemoryReadModel
from mltracker.projections.projection import Projection

P = TypeVar("P", bound=Projection)


class Folded(NamedTuple):
    """The read model, the writers of later events, and what could not be read."""

    model: MemoryReadModel
    wrote_later: set[str]
    problems: list[Problem]


def fold(log: EventLog, stamp: Stamp | None = None) -> Folded:
    """Fold all events through the stamp, or all there are."""
    model, later, reader = MemoryReadModel(), set(), log.reader()
    limit = None if stamp is None else (format_time(stamp[0]), *stamp[1:])
    for writer, lines in reader.poll():
        kept = lines if limit is None else [line for line in lines if (line["at"], writer, line["seq"]) <= limit]
        if kept:
            model.apply(Batch(writer, kept))
        if len(kept) < len(lines):
            later.add(writer)
    return Folded(model, later, list(reader.notices))


def fold_view(log: EventLog, projection: type[P], stamp: Stamp) -> P:
    """A user's projection of all events through the stamp. Raises ProjectionError where a handler rejects one."""
    view = projection()
    for event in log.history(stamp):
        if event.type not in view.handlers or not known(event.type, event.version):
            continue
        if event.version != LATEST[event.type]:
            raise ProjectionError(
                f"projection {view.name} v{view.version}: event {event.id} ({event.type}) cannot be read",
                hint="Run: mltracker verify",
            )
        view.apply(event)
    return view
