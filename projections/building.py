"""A read model together with where it stands in the log: opening, building and storing both as one."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mltracker.events.log import Batch, EventLog, LostEvents
from mltracker.events.upcasters import known
from mltracker.projections.following import Follower
from mltracker.projections.read_model import StoredReadModel

Make = Callable[[Path | None], StoredReadModel]
Progress = Callable[[int, int | None], None]
"""Called with the events done and how many there are, None where that is not known."""

PROGRESS_EVERY = 0.05
ATTEMPTS = 3


class Unusable(Exception):
    """A stored read model that has to be built anew. Internal; says why."""


class Caught:
    """`model` has folded exactly what `follower` has delivered, and maybe more, which does no harm."""

    def __init__(self, model: StoredReadModel, follower: Follower) -> None:
        self.model = model
        self.follower = follower

    @classmethod
    def kept(cls, log: EventLog, make: Make, path: Path) -> Caught:
        """What the file holds. Raises Unusable."""
        model = make(path)
        try:
            checkpoint = model.checkpoint()
            if checkpoint is None:
                raise Unusable("it was damaged, or written by another release")
            unknown = checkpoint.get("unknown", {})
            if any(is_known(name) for name in unknown):
                raise Unusable("this release knows events that it had passed over")
            follower = Follower(log, checkpoint)
            model.unknown = Counter(unknown)
        except LostEvents as lost:
            model.close()
            raise Unusable(f"it knew events that the log has lost: {lost}") from lost
        except BaseException:
            model.close()
            raise
        return cls(model, follower)

    @classmethod
    def empty(cls, log: EventLog, make: Make, path: Path | None) -> Caught:
        """Before any event."""
        return cls(make(path), Follower(log))

    def fold(self, batches: Iterable[Batch]) -> int:
        """Apply them; answers how many events they held. Raises ProjectionError, LostEvents."""
        events = 0
        for batch in batches:
            self.model.apply(batch)
            events += len(batch.lines)
        return events

    def commit(self) -> None:
        """Store data and checkpoint in one step. Raises StoreError."""
        self.model.commit({**self.follower.checkpoint(), "unknown": dict(self.model.unknown)})

    def events(self) -> int:
        """How many events it holds, as far as no hole is among them."""
        return sum(seq + 1 for seq in self.follower.position.values())


def build(log: EventLog, make: Make, path: Path | None, progress: Progress | None, total: int | None) -> Caught:
    """Fold the whole log into a new model. Raises ProjectionError; LostEvents where the log keeps changing under it."""
    for attempt in range(ATTEMPTS):
        caught = Caught.empty(log, make, path)
        try:
            caught.fold(_reported(caught.follower.batches(everyone=True), progress, total))
            caught.fold(caught.follower.batches(everyone=True))
            return caught
        except LostEvents:
            caught.model.close()
            if attempt + 1 == ATTEMPTS:
                raise
        except BaseException:
            caught.model.close()
            raise
    raise AssertionError("unreachable")


def _reported(batches: Iterator[Batch], progress: Progress | None, total: int | None) -> Iterator[Batch]:
    if progress is None:
        yield from batches
        return
    done, told = 0, time.monotonic()
    progress(0, total)
    for batch in batches:
        yield batch
        done += len(batch.lines)
        if time.monotonic() - told >= PROGRESS_EVERY:
            told = time.monotonic()
            progress(done, None if total is None else max(done, total))
    progress(done, done)


def is_known(name: str) -> bool:
    """Whether this release reads "type v<version>"."""
    type_name, _, version = name.rpartition(" v")
    return known(type_name, int(version))


@contextmanager
def collector_off() -> Iterator[None]:
    """The garbage collector walks everything folded so far again and again, and finds nothing."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
