"""Files of read models: their names, replacing them in one step, and locking them without waiting for long."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

RETRY = 0.001
SIDECARS = ("", "-wal", "-shm", "-journal")
_numbers = count()
_held: set[int] = set()


class Place:
    """Where one read model is kept: `<stem><suffix>`, and beside it what is being built and the lock.

    With `generations` every rebuilt file gets a name that was never used before, `<stem>.<number><suffix>`: SQLite
    finds its journals by name, so a process that still has the old file open would take the new one's for its own.
    """

    def __init__(self, folder: Path, stem: str, suffix: str, *, generations: bool) -> None:
        self._folder = folder
        self._stem = stem
        self._suffix = suffix
        self._generations = generations
        self.path = folder / f"{stem}{suffix}"
        self.lock = folder / f"{stem}{suffix}.lock"

    def current(self) -> Path | None:
        """The file in use, or None where there is none yet. Raises OSError."""
        if self._generations:
            numbers = self._numbers()
            return self._named(max(numbers)) if numbers else None
        return self.path if self.path.exists() else None

    def building(self) -> Path:
        """A new name for a file that is being built by this process."""
        return self._folder / f"{self._stem}.rebuild-{os.getpid()}-{next(_numbers)}{self._suffix}"

    def publish(self, built: Path) -> Path:
        """Make the closed file `built` the current one, atomically; answers its new path. Raises OSError."""
        old = self._numbers()
        number = max([time.time_ns() // 1000, *(used + 1 for used in old)])
        path = self._named(number) if self._generations else self.path
        built.rename(path)
        sync_folder(self._folder)
        for used in old:
            remove(self._named(used))
        return path

    def remove_stale(self) -> None:
        """Remove what processes that are no more left half-built. Raises OSError."""
        pattern = re.compile(re.escape(self._stem) + r"(?:\.rebuild-|.*\.)(\d+)(?:-\d+)?(?:\.tmp|\.[a-z]+(?:-[a-z]+)?)")
        for path in self._folder.iterdir():
            match = pattern.fullmatch(path.name)
            leftover = match and (".rebuild-" in path.name or path.name.endswith(".tmp"))
            if match and leftover and not _runs(int(match[1])):
                path.unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        if not self._generations:
            return []
        pattern = re.compile(re.escape(self._stem) + r"\.(\d+)" + re.escape(self._suffix))
        found = (pattern.fullmatch(path.name) for path in self._folder.iterdir())
        return [int(match[1]) for match in found if match]

    def _named(self, number: int) -> Path:
        return self._folder / f"{self._stem}.{number}{self._suffix}"


def remove(path: Path) -> None:
    """Remove a file with its journals, as far as they are there. Raises OSError."""
    for sidecar in SIDECARS:
        path.with_name(path.name + sidecar).unlink(missing_ok=True)


def replace(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, durably and all at once. Raises OSError; then `path` is as it was."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed inside it durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def writable(folder: Path) -> bool:
    """Whether files can be made in the folder, which is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@contextmanager
def locked(path: Path, wait: float = 0.0) -> Iterator[int | None]:
    """The descriptor of the locked file, or None if others held the lock for all of `wait` seconds. Raises OSError.

    A killed process leaves it free. A lock file that was removed meanwhile does not count.
    """
    descriptor = _acquire(path, time.monotonic() + wait)
    try:
        yield descriptor
    finally:
        if descriptor is not None and descriptor in _held:
            _held.discard(descriptor)
            os.close(descriptor)


def _acquire(path: Path, until: float) -> int | None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if _lock(descriptor) and _still_there(descriptor, path):
            _held.add(descriptor)
            return descriptor
        os.close(descriptor)
        if time.monotonic() >= until:
            return None
        time.sleep(RETRY)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _close_inherited() -> None:
    """A child forked while another thread held a lock would hold it for as long as it lives."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_inherited)
