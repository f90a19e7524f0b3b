"""A read model that lives in its file, shared by all processes: SQLite.

Who has the lock is the only one that writes: for as long as it takes to fold a little and to commit, never longer, so
that others find it free within 100 ms. They read beside it. A token in the lock file changes around every commit; who
finds another token than its own opens the file anew before it asks or writes, so nobody relies on what it remembers of
a file that others have changed. Who cannot get the lock, because its holder hangs, folds for itself in memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from mltracker.errors import Damaged, StoreError
from mltracker.events.log import Batch, Problem
from mltracker.projections.building import Caught, Progress, Unusable, build
from mltracker.projections.files import Place, locked, remove
from mltracker.projections.read_model import StoredReadModel
from mltracker.projections.runner import Keeper

HOLD = 0.05
"""Seconds that the lock is held at most, but for what one batch and one commit take."""
WAIT = 0.1
"""Seconds that a question waits for the lock."""
WAIT_TO_REPLACE = 10.0
"""Seconds that a rebuild asked for waits to put its file in place."""
REST = 0.002
"""Seconds between two holds: others try every millisecond."""
TOKEN_BYTES = 16

_inherited: list[Caught | None] = []
"""Of parents: SQLite must not hear of a child that closes the same file."""


class Shared(Keeper):
    """See the module. `_private` is what this process folded for itself; `_private_path` its file, if it has one."""

    _place: Place
    _token = b""
    _private: Caught | None = None
    _private_path: Path | None = None
    _alone = False

    def save(self) -> None:
        """Every catch-up is stored already."""

    def release(self) -> None:
        if self._caught is not None and self._pid == os.getpid():
            self._caught.model.release()

    def forget(self) -> None:
        caught, self._caught = self._caught, None
        if caught is not None and self._pid == os.getpid():
            caught.model.close()
        self._drop_private()

    def fresh(self, own_only: bool, everyone: bool) -> StoredReadModel:
        model = super().fresh(own_only, everyone)
        if self._caught is not None and model is self._caught.model:
            model.hold()
        return model

    def _catch_up(self, own_only: bool, everyone: bool) -> Caught:
        self.release()
        if self._private is not None and not self._free():
            self._private.fold(self._private.follower.batches(own_only, everyone))
            return self._private
        self._drop_private()
        try:
            caught = self._opened()
            if self._private is not None:
                return caught
            batches = caught.follower.batches(own_only, everyone)
            first = next(batches, None)
            if first is None:
                return caught
            return self._advance(chain([first], batches), own_only, everyone)
        except Damaged as error:
            return self._start_over(str(error))
        except (OSError, StoreError) as error:
            self._tell(f"cannot be stored ({error}). It is kept in memory")
            self._alone = True
            return self._fold_privately()

    def _opened(self) -> Caught:
        """The file as it is now, built where there is none to use."""
        if self._caught is None:
            self._place.remove_stale()
        try:
            caught = self._reopened()
        except Unusable as reason:
            return self._start_over(str(reason))
        return caught or self._build()

    def _reopened(self) -> Caught | None:
        """The file as it is now, or None. Raises Unusable."""
        token = self._read_token()
        if self._caught is None or token != self._token:
            self._close()
            self._caught, self._token = self._kept(), token
        return self._caught

    def _kept(self) -> Caught | None:
        """The same, surely of one file: another may have put a new one in its place meanwhile, and removed it."""
        while True:
            path = self._place.current()
            try:
                caught = super()._kept()
            except (Unusable, StoreError):
                if self._place.current() == path:
                    raise
                continue
            if self._place.current() == path:
                return caught
            if caught is not None:
                caught.model.close()

    def _advance(self, batches: Iterator[Batch], own_only: bool, everyone: bool) -> Caught:
        """Fold the batches into the file, in several holds of the lock if need be."""
        while True:
            with locked(self._place.lock, WAIT) as lock:
                if lock is None:
                    self._close()  # its follower has delivered what nobody has folded
                    return self._fold_privately()
                before = self._caught
                try:
                    caught = self._reopened()
                except Unusable:
                    caught = None
                if caught is not None:
                    if caught is not before:
                        batches = caught.follower.batches(own_only, everyone)
                    if self._fold_some(caught, batches, lock):
                        return caught
            if caught is None:
                return self._opened()
            time.sleep(REST)

    def _fold_some(self, caught: Caught, batches: Iterator[Batch], lock: int) -> bool:
        """Fold and commit for one hold; whether that was all."""
        until, done = time.monotonic() + HOLD, True
        try:
            for batch in batches:
                caught.fold([batch])
                if time.monotonic() >= until:
                    done = False
                    break
            self._change_token(lock)
            caught.commit()
            self._change_token(lock)
        except BaseException:
            self._close()
            raise
        return done

    def _fold_privately(self) -> Caught:
        """In memory, unless the lock becomes free meanwhile."""
        private = Caught.empty(self._log, self._make, None)
        looked = time.monotonic()
        for batch in private.follower.batches(everyone=True):
            private.fold([batch])
            if time.monotonic() - looked >= HOLD:
                if self._free():
                    private.model.close()
                    return self._catch_up(own_only=False, everyone=True)
                looked = time.monotonic()
        self._private = private
        return private

    def _build(self, asked: bool = False, progress: Progress | None = None, total: int | None = None) -> Caught:
        found, path = self._place.current(), self._place.building()
        try:
            caught = build(self._log, self._make, path, progress, total)
            caught.commit()
            caught.model.close()
            with locked(self._place.lock, WAIT_TO_REPLACE if asked else WAIT) as lock:
                if lock is None:
                    return self._keep_private(caught, path, asked)
                if asked or self._place.current() == found:
                    published = self._publish(path, lock)
                else:
                    published = None
                    remove(path)
        except BaseException:
            remove(path)
            raise
        if published is None:
            return self._opened()
        self._drop_private()
        self._close()
        self._caught = self._moved(caught, published)
        return self._caught

    def _publish(self, built: Path, lock: int) -> Path:
        self._change_token(lock)
        path = self._place.publish(built)
        self._change_token(lock)
        return path

    def _moved(self, caught: Caught, path: Path) -> Caught:
        moved = Caught(self._make(path), caught.follower)
        moved.model.unknown = caught.model.unknown
        return moved

    # By oneself ------------------------------------------------------------------------------------------------------

    def _keep_private(self, built: Caught, path: Path, asked: bool) -> Caught:
        if asked:
            raise StoreError("is locked by another process", path=str(self._place.lock), hint="Try again later")
        self._private, self._private_path = self._moved(built, path), path
        return self._private

    def _drop_private(self) -> None:
        private, path = self._private, self._private_path
        self._private = self._private_path = None
        if private is not None:
            private.model.close()
        if path is not None:
            remove(path)

    def _free(self) -> bool:
        if self._alone:
            return False
        with locked(self._place.lock) as lock:
            return lock is not None

    @property
    def notices(self) -> list[Problem]:
        return self._private.follower.notices if self._private else super().notices

    # The token -------------------------------------------------------------------------------------------------------

    def _read_token(self) -> bytes:
        try:
            return self._place.lock.read_bytes()
        except FileNotFoundError:
            return b""

    def _change_token(self, lock: int) -> None:
        """Before and after a commit: one that saw the first of the two may have seen the file before or after."""
        self._token = os.urandom(TOKEN_BYTES)
        os.ftruncate(lock, 0)
        os.pwrite(lock, self._token, 0)

    def _close(self) -> None:
        caught, self._caught = self._caught, None
        if caught is not None:
            caught.model.close()

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            _inherited.extend((self._caught, self._private))
            self._caught = self._private = self._private_path = None
            self._pid = os.getpid()
