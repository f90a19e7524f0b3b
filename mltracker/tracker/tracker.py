"""What `open` answers: one store, with its experiments, its history and its care."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from mltracker.errors import InvalidValue, NotFound
from mltracker.events.blobs import Blobs
from mltracker.events.catalogue import Event
from mltracker.events.envelope import Recorded
from mltracker.events.log import Batch, Problem, Receipt, Report
from mltracker.html import Rows
from mltracker.models import Aggregate, Experiment, Session
from mltracker.projections.building import Make, Progress
from mltracker.projections.projection import Projection
from mltracker.projections.runner import Runner
from mltracker.projections.views import View
from mltracker.tracker.access import Access, LiveAccess, PastAccess
from mltracker.tracker.aggregates import TrackedAggregate
from mltracker.tracker.experiments import TrackedExperiment, TrackedExperiments
from mltracker.tracker.moments import EventTypes, Moment, after, require_known, spelled, streams, through, type_names
from mltracker.tracker.past import fold_view

if TYPE_CHECKING:
    from mltracker.reproduce.build import Classes
    from mltracker.reproduce.recipe import Recipe
    from mltracker.reproduce.verdict import Verdict

P = TypeVar("P", bound=Projection)
RECIPES = 'Write tracker.recipe("mnist", "1"), or tracker.recipe(aggregate)'


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

    def view(self, projection: type[P]) -> P:
        """A projection of the user's own as of then, folded in memory. Raises ProjectionError, InvalidValue."""
        kind: type[P] = _projection(projection)
        return fold_view(self._access.log, kind, self._access.stamp)

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
        _open.add(self)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._access.closed

    @property
    def blobs(self) -> Blobs:
        """The contents that events name by their SHA-256: code and checkpoints."""
        return self._access.log.blobs

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

        Of one stream (an experiment, an aggregate, or a key of one), of some types (classes or names); since a time, or
        after an event; until a time or an event, which are included. For moments see `as_of`. What cannot be read is
        missing, with a Notice. Raises NotFound for an event that is not there, InvalidValue, Damaged where `strict`.
        """
        self._access.refuse_closed()
        log = self._access.log
        keys = None if stream is None else streams(stream)
        names = None if types is None else type_names(types)
        first = None if since is None else after(since, log)
        last = None if until is None else through(until, log)
        self._look(names or set())
        return (
            event
            for event in log.history(last)
            if (keys is None or event.stream in keys)
            and (names is None or event.type in names)
            and (first is None or event.stamp > first)
        )

    def batches(self) -> Iterator[Batch]:
        """Every event as its decoded line, as written: each writer's in order, writers in any. For folding millions.

        What cannot be read is missing, with a Notice. Raises Damaged where `strict`.
        """
        self._access.refuse_closed()
        reader = self._access.log.reader()
        yield from reader.poll()
        self._access.tell("history", reader.notices)

    def as_of(self, moment: Moment) -> PastTracker:
        """The store as it was at a time, or right after an event.

        A time is a datetime (a naive one is local time, as everywhere in Python), RFC 3339 text (UTC where it has no
        offset), or microseconds since 1970 UTC. An event is itself as `history` answered it, its id `writer:seq`, the
        receipt of an append, a metric's point or an iteration as it was read, or a point's id. What cannot be read is
        missing, with a Notice. Raises NotFound, InvalidValue, Damaged where `strict`.
        """
        self._access.refuse_closed()
        past = PastAccess(self._access.log, through(moment, self._access.log), spelled(moment))
        self._access.tell("history", past.problems)
        return PastTracker(past)

    def view(self, projection: type[P]) -> P:
        """A projection of the user's own, given by its class, caught up.

        Raises ProjectionError where a handler rejects an event, InvalidValue for what is no such class.
        """
        kind: type[P] = _projection(projection)
        return self._access.exclusively(lambda: self._fresh_view(kind))

    def rebuild(self, name: str | None = None, progress: Progress | None = None) -> None:
        """Fold a read model anew ("memory", "tinydb", "sqlite", or a view in use) beside the old one, then switch.

        What cannot be read is missing, with a Notice. Raises NotFound for a name that is none, ProjectionError where a
        handler rejects an event, StoreError, Damaged where `strict`.
        """
        self._access.exclusively(lambda: self._rebuild(name or self.projection, progress))

    def recipe(self, experiment: str | TrackedAggregate, aggregate: str | None = None) -> Recipe:
        """What it takes to do an aggregate again, folded from its history.

        The aggregate is given by the names of its experiment and its own, or as it was read. Raises NotFound,
        InvalidValue for what is neither, Damaged where `strict`.
        """
        from mltracker.reproduce.recipe import recipe_of, recipe_of_aggregate

        self._access.refuse_closed()
        if isinstance(experiment, str) and isinstance(aggregate, str):
            return recipe_of(self, experiment, aggregate)
        if aggregate is not None:
            raise InvalidValue("recipe", "takes two names, or an aggregate alone", hint=RECIPES)
        return recipe_of_aggregate(self, _aggregate(experiment, hint=RECIPES))

    def reproduce(
        self,
        aggregate: TrackedAggregate,
        train_function: Callable[..., object],
        *,
        registry: Classes | None = None,
        tolerance: float | None = None,
        metrics: Sequence[str] | None = None,
    ) -> Verdict:
        """Call a function that trains a fresh aggregate, compare, and record the verdict on the original.

        The function is called with the fresh aggregate, which has the original's modules and config; with the recipe,
        if it takes a second argument; with `modules=recipe.build(registry)`, if it has an argument of that name. The
        recorded seeds are set before. What it raises makes the verdict "incomplete", unless the original failed with
        the same. Without a `tolerance` every number must be the same bit for bit; `metrics` are names to compare.
        Raises NotFound for a metric or a class that is not there, InvalidValue, ReadOnly, AppendFailed.
        """
        from mltracker.reproduce.in_process import reproduce

        _aggregate(aggregate, hint='Read it first: tracker.experiment("mnist").aggregate("1")')
        return reproduce(self, aggregate, train_function, registry=registry, tolerance=tolerance, metrics=metrics)

    def verify(self) -> Report:
        """Read and check every byte of the log. What is wrong is in the report, never raised."""
        self._access.refuse_closed()
        return self._access.log.verify()

    def close(self) -> None:
        """End the session and keep what was folded. Twice is once."""
        if self.closed:
            return
        _open.discard(self)
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
        self._access.tell(projection.name, view.notices)
        return fresh

    def _look(self, names: set[str]) -> None:
        """Read the whole log once for what cannot be read of it: history itself stops there without a word."""
        reader, met = self._access.log.reader(), set[str]()
        for batch in reader.poll():
            met.update(line["type"] for line in batch.lines)
        self._access.tell("history", reader.notices)
        require_known(names, met)

    def _rebuild(self, name: str, progress: Progress | None) -> None:
        if name == self.projection:
            runner = self._access.runner()
            runner.rebuild(progress)
            self._access.tell("read model", runner.notices)
            return
        for projection, view in self._views.items():
            if projection.name == name:
                view.rebuild()
                self._access.tell(name, view.notices)
                return
        make = self._makers(name)
        if make is None:
            raise NotFound(f"there is no projection {name!r}", hint="Use memory, tinydb, sqlite or a view in use")
        runner = Runner(self._access.log, make, self._folder())
        try:
            runner.rebuild(progress)
            self._access.tell(name, runner.notices)
        finally:
            runner.close()

    def _close_views(self) -> None:
        while self._views:
            self._views.popitem()[1].close()


def _projection(projection: object) -> type[Any]:
    """Raises InvalidValue for what is no class of a user's own."""
    if isinstance(projection, type) and issubclass(projection, Projection) and projection is not Projection:
        return projection
    hint = "Pass the class: tracker.view(BestLoss)"
    if isinstance(projection, Projection):
        hint = f"Pass the class: tracker.view({type(projection).__name__})"
    raise InvalidValue("projection", f"must be a subclass of Projection, not {projection!r}", hint=hint)


def _aggregate(given: object, *, hint: str) -> TrackedAggregate:
    """Raises InvalidValue for what is no aggregate; that one was read from a store is seen to later."""
    if isinstance(given, Aggregate):
        return cast(TrackedAggregate, given)
    raise InvalidValue("aggregate", f"must be an aggregate that was read, not {given!r}", hint=hint)


_open: weakref.WeakSet[Tracker] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for tracker in list(_open):
        tracker.close()
