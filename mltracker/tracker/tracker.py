"""What `open` answers: one store, with its experiments, its history and its care."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, cast

from mltracker.errors import InvalidValue, NotFound
from mltracker.events.catalogue import Event
from mltracker.events.envelope import Recorded, format_time
from mltracker.events.history import EVENT_ID, Stamp, parse_moment
from mltracker.events.log import Problem, Receipt, Report
from mltracker.html import Rows
from mltracker.models import Aggregate, Experiment, Session
from mltracker.projections.building import Make, Progress
from mltracker.projections.projection import Projection
from mltracker.projections.runner import Runner
from mltracker.projections.views import View
from mltracker.tracker.access import Access, LiveAccess, PastAccess
from mltracker.tracker.experiments import TrackedExperiment, TrackedExperiments

P = TypeVar("P", bound=Projection)
Moment = str | int | datetime
"""RFC 3339, an event's id `writer:seq`, microseconds since 1970 UTC, or a datetime (naive means UTC)."""
EventTypes = type[Event] | str | Iterable[type[Event] | str]


class TrackerQueries:
    """What can be asked of a store, as it is or as it was."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @cached_property
    def experiments(self) -> TrackedExperiments:
        """The collection of experiments."""
        return TrackedExperiments(self._access)

    def experiment(self, name: str | None = None) -> TrackedExperiment:
        """Read or create one; None means the one named "default". Raises InvalidName, NotFound where read-only."""
        return self.experiments.get_or_create(name)

    def sessions(self) -> list[Session]:
        """Every process that wrote to the store, oldest first."""
        return Rows(self._access.ask(lambda model: model.sessions()))


class PastTracker(TrackerQueries):
    """The store as of a moment: the same queries; commands raise ReadOnly."""

    _access: PastAccess

    def __repr__(self) -> str:
        return f"<store{self._access.moment}>"


class Tracker(TrackerQueries):
    """A store. Several threads may use one; a forked child goes on with it as a writer of its own."""

    _access: LiveAccess

    def __init__(
        self, access: LiveAccess, uri: str, projection: str, makers: Callable[[str], Make | None],
        folder: Callable[[], Path | None],
    ) -> None:  # fmt: skip
        super().__init__(access)
        self.uri = uri
        self.projection = projection
        self._makers = makers
        self._folder = folder
        self._views: dict[type[Projection], View[Projection]] = {}
        atexit.register(self.close)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._access.closed

    @property
    def notices(self) -> list[Problem]:
        """What the answers may lack, as far as was read."""
        return self._access.notices

    def append(self, event: Event) -> Receipt:
        """Append an event of one's own. Raises InvalidValue, Closed, ReadOnly, AppendFailed."""
        if not isinstance(event, Event):
            raise InvalidValue("event", f"must be an Event, not {type(event).__name__}")
        return self._access.append_strictly(event)

    def history(
        self,
        stream: str | Experiment | Aggregate | None = None,
        types: EventTypes | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> Iterator[Recorded]:
        """The events in order, upcast; `event.event` is the typed one.

        Of one stream (an id, an experiment or an aggregate), of some types; from a time on, or after an event; through
        a time or an event. Raises NotFound for an event that is not there, InvalidValue.
        """
        self._access.refuse_closed()
        streams = None if stream is None else {stream} if isinstance(stream, str) else set(stream.keys)
        names = None if types is None else _type_names(types)
        first = None if since is None else self._start(since)
        last = None if until is None else self._stamp(until)
        return (
            event
            for event in self._access.log.history(last)
            if (streams is None or event.stream in streams)
            and (names is None or event.type in names)
            and (first is None or event.stamp > first)
        )

    def as_of(self, moment: Moment) -> PastTracker:
        """The store as it was at a time, or right after an event. Raises NotFound, InvalidValue."""
        self._access.refuse_closed()
        stamp = self._stamp(moment)
        return PastTracker(PastAccess(self._access.log, stamp, _spelled(moment)))

    def view(self, projection: type[P]) -> P:
        """A projection of the user's own, caught up. Raises ProjectionError where a handler rejects an event."""
        return self._access.exclusively(lambda: self._fresh_view(projection))

    def rebuild(self, name: str | None = None, progress: Progress | None = None) -> None:
        """Fold a read model anew ("memory", "tinydb", "sqlite", or a view in use) beside the old one, then switch.

        Raises NotFound for a name that is none, ProjectionError where a handler rejects an event, StoreError.
        """
        self._access.exclusively(lambda: self._rebuild(name or self.projection, progress))

    def verify(self) -> Report:
        """Read and check every byte of the log. What is wrong is in the report, never raised."""
        self._access.refuse_closed()
        return self._access.log.verify()

    def close(self) -> None:
        """End the session and keep what was folded. Twice is once."""
        if self.closed:
            return
        atexit.unregister(self.close)
        try:
            self._access.exclusively(self._close_views)
        finally:
            self._access.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Tracker({self.uri!r})"

    def _fresh_view(self, projection: type[P]) -> P:
        view = cast(View[P] | None, self._views.get(projection))
        if view is None:
            folder = self._folder()
            view = View(self._access.log, projection, folder)
            if folder is not None or self.uri == "memory:":
                self._views[projection] = cast(View[Projection], view)
        fresh = view.fresh()
        self._access.tell(view.notices)
        return fresh

    def _rebuild(self, name: str, progress: Progress | None) -> None:
        if name == self.projection:
            self._access.runner().rebuild(progress)
            return
        for projection, view in self._views.items():
            if projection.name == name:
                view.rebuild()
                return
        make = self._makers(name)
        if make is None:
            raise NotFound(f"there is no projection {name!r}", hint="Use memory, tinydb, sqlite or a view in use")
        runner = Runner(self._access.log, make, self._folder())
        try:
            runner.rebuild(progress)
        finally:
            runner.close()

    def _close_views(self) -> None:
        while self._views:
            self._views.popitem()[1].close()

    def _stamp(self, moment: Moment) -> Stamp:
        return parse_moment(_spelled(moment), self._access.log)

    def _start(self, moment: Moment) -> Stamp:
        """What the first event asked for comes after."""
        at, writer, seq = self._stamp(moment)
        return (at, writer, seq) if EVENT_ID.fullmatch(_spelled(moment)) else (at, "", -1)


def _spelled(moment: Moment) -> str:
    if isinstance(moment, datetime):
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc).isoformat()
    if isinstance(moment, int) and not isinstance(moment, bool):
        return format_time(moment)
    if isinstance(moment, str):
        return moment
    raise InvalidValue("moment", f"must be a time or an event's id, not {type(moment).__name__}")


def _type_names(types: EventTypes) -> set[str]:
    single = isinstance(types, (str, type))
    names: Iterable[type[Event] | str] = [types] if single else types  # type: ignore[list-item,assignment]
    return {name if isinstance(name, str) else name.type for name in names}
