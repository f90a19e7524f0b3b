"""The runner keeps a read model caught up with the log, and its file with the read model."""

from __future__ import annotations

import os
import time
import warnings
from abc import ABC, abstractmethod
from pathlib import Path

from mltracker.errors import Notice, StoreError
from mltracker.events.log import EventLog, LostEvents, Problem
from mltracker.projections.building import Caught, Make, Progress, Unusable, build, collector_off
from mltracker.projections.files import Place, locked, remove, writable
from mltracker.projections.read_model import StoredReadModel

COMMIT_EVERY = 5.0
"""Seconds between commits of a file that is written as a whole."""
COMMIT_SHARE = 20
"""... or so many times as long as the last commit took, if that is longer."""


class Runner:
    """One read model over one log, kept in `folder` (None: in memory only). Not for several threads at once.

    `make(path)` makes the read model of the file `path`, or one in memory for None. Files are a cache: where they
    cannot be used they are rebuilt, where they cannot be written or others hold them, the answers come out of memory.
    """

    def __init__(self, log: EventLog, make: Make, folder: Path | None) -> None:
        from mltracker.projections.sharing import Shared

        kind = make if isinstance(make, type) else type(make(None))
        if not issubclass(kind, StoredReadModel):
            raise TypeError(f"make must make read models, not {kind!r}")
        if folder is None or not kind.suffix or not writable(folder):
            self._keeper: Keeper = Whole(log, make, None, kind.name)
        else:
            place = Place(folder, f"{kind.name}-v{kind.version}", kind.suffix, generations=kind.in_place)
            self._keeper = (Shared if kind.in_place else Whole)(log, make, place, kind.name)

    def fresh(self, own_only: bool = False, *, everyone: bool = False) -> StoredReadModel:
        """The read model, caught up: with this process's events always, with those of others of 100 ms ago.

        `own_only` does not look for those of others, `everyone` does even if the last look was short ago. Raises
        ProjectionError where a handler rejects an event.
        """
        return self._keeper.fresh(own_only, everyone)

    def release(self) -> None:
        """The question is answered: let go of the file, which until then stays as `fresh` found it."""
        self._keeper.release()

    def start_over(self, why: str) -> StoredReadModel:
        """The read model, built anew with a notice: for a question that met damage. Raises ProjectionError."""
        return self._keeper.restart(why)

    def rebuild(self, progress: Progress | None = None) -> None:
        """Build the read model anew beside the old one, then switch. Killed or failed half-way, nothing has changed.

        Raises ProjectionError where a handler rejects an event, StoreError where the new file cannot be put in place.
        """
        self._keeper.rebuild(progress)

    def save(self) -> None:
        """Store what was folded, if the file is free."""
        self._keeper.save()

    def abandon(self) -> None:
        """Forget what is not stored; the next question opens what is."""
        self._keeper.forget()

    def close(self) -> None:
        """Store what was folded and release files. Twice is once."""
        self._keeper.save()
        self._keeper.forget()

    @property
    def notices(self) -> list[Problem]:
        """What could not be read: the answers may lack it."""
        return self._keeper.notices


class Keeper(ABC):
    """How a read model and its file are kept together."""

    def __init__(self, log: EventLog, make: Make, place: Place | None, name: str) -> None:
        self._log = log
        self._make = make
        self._place = place
        self._name = name
        self._caught: Caught | None = None
        self._pid = os.getpid()

    def fresh(self, own_only: bool, everyone: bool) -> StoredReadModel:
        """The read model, caught up."""
        try:
            self._after_fork()
            with collector_off():
                try:
                    caught = self._catch_up(own_only, everyone)
                    if not caught.follower.healed():
                        return caught.model
                    why = "what could not be read before can be read now"
                except LostEvents as lost:
                    why = f"it knew events that the log has lost: {lost}"
                return self._start_over(why).model
        except BaseException:
            self.forget()
            raise

    def restart(self, why: str) -> StoredReadModel:
        """Fold everything anew, saying `why`; the model that answers from now on."""
        try:
            with collector_off():
                return self._start_over(why).model
        except BaseException:
            self.forget()
            raise

    @property
    def notices(self) -> list[Problem]:
        return self._caught.follower.notices if self._caught else []

    def rebuild(self, progress: Progress | None) -> None:
        self._after_fork()
        with collector_off():
            self._build(True, progress, self._total() if progress else None)

    @abstractmethod
    def release(self) -> None:
        """The question is answered."""

    @abstractmethod
    def save(self) -> None: ...

    @abstractmethod
    def forget(self) -> None:
        """Drop the model without storing anything."""

    @abstractmethod
    def _catch_up(self, own_only: bool, everyone: bool) -> Caught:
        """Raises LostEvents."""

    @abstractmethod
    def _build(self, asked: bool = False, progress: Progress | None = None, total: int | None = None) -> Caught:
        """Put a new model in the place of the old one; `asked` if the user did."""

    @abstractmethod
    def _after_fork(self) -> None:
        """In a child, part from what belongs to the parent."""

    def _start_over(self, why: str) -> Caught:
        self._tell(f"was rebuilt: {why}")
        return self._build()

    def _kept(self) -> Caught | None:
        """What the present file holds, None where there is none. Raises Unusable, OSError."""
        path = self._place.current() if self._place else None
        return Caught.kept(self._log, self._make, path) if path else None

    def _total(self) -> int | None:
        """How many events a rebuild will meet, as the present model knows."""
        if self._caught is not None:
            return self._caught.events()
        try:
            kept = self._kept()
        except (Unusable, OSError):
            return None
        if kept is None:
            return None
        kept.model.close()
        return kept.events()

    def _tell(self, what: str) -> None:
        warnings.warn(Notice(f"the {self._name} read model {what}"), stacklevel=6)


class Whole(Keeper):
    """The model lives in memory; its file is written as a whole, now and then, by whoever finds the lock free.

    Several processes do no harm to each other: each file is complete in itself, whoever wrote it last.
    """

    _dirty = False
    _commit_seconds = 0.0
    _committed_at = 0.0

    def release(self) -> None:
        """Nothing is held: answers come out of memory."""

    def save(self) -> None:
        if self._dirty and self._caught is not None and self._place is not None and self._pid == os.getpid():
            self._commit(self._caught, self._place)

    def forget(self) -> None:
        caught, self._caught, self._dirty = self._caught, None, False
        if caught is not None and self._pid == os.getpid():
            caught.model.close()

    def _catch_up(self, own_only: bool, everyone: bool) -> Caught:
        caught = self._caught or self._open()
        if caught.fold(caught.follower.batches(own_only, everyone)):
            self._dirty = True
        if self._dirty and time.monotonic() - self._committed_at >= self._pause():
            self.save()
        return caught

    def _open(self) -> Caught:
        self._committed_at = time.monotonic()
        try:
            if self._place is not None:
                self._place.remove_stale()
            self._caught = self._kept()
        except Unusable as reason:
            return self._start_over(str(reason))
        except OSError as error:
            self._give_up(error)
        if self._caught is None:
            self._caught = Caught.empty(self._log, self._make, self._place.path if self._place else None)
        return self._caught

    def _build(self, asked: bool = False, progress: Progress | None = None, total: int | None = None) -> Caught:
        path = self._place.building() if self._place else None
        caught = build(self._log, self._make, path, progress, total)
        self.forget()
        self._caught = caught
        if path is not None and self._place is not None:
            try:
                caught.commit()
                self._place.publish(path)
            except (OSError, StoreError) as error:
                remove(path)
                self._give_up(error)
            else:
                caught.model.path = self._place.path
        return caught

    def _commit(self, caught: Caught, place: Place) -> None:
        started = time.monotonic()
        try:
            with locked(place.lock) as lock:
                if lock is not None:
                    caught.commit()
                    self._dirty = False
        except (OSError, StoreError) as error:
            self._give_up(error)
        self._committed_at = time.monotonic()
        self._commit_seconds = self._committed_at - started

    def _pause(self) -> float:
        return max(COMMIT_EVERY, COMMIT_SHARE * self._commit_seconds)

    def _give_up(self, error: Exception) -> None:
        self._place = None
        self._tell(f"cannot be stored ({error}). It is kept in memory and built anew next time")

    def _after_fork(self) -> None:
        self._pid = os.getpid()
