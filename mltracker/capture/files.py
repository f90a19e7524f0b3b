"""The content of files and folders, streamed.

A file's digest covers its bytes, not its name; a folder's covers, sorted, the path of each file inside it and that
file's digest. Links count as what they lead to. Empty folders, times and permissions do not count.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from mltracker.capture.hashing import node
from mltracker.errors import InvalidValue, NotFound

_PIECE = 1 << 18
_WORKERS = min(4, os.cpu_count() or 1)
_PATIENCE, _PAUSE = 2.0, 0.2
"""Seconds before progress is shown, and between two of its lines."""


class Found(NamedTuple):
    """What was hashed: `files` counts them, `bytes` is their size together."""

    digest: bytes
    files: int
    bytes: int


class Progress:
    """One line on a terminal's stderr once it takes long. Called from several threads; a lost update does no harm."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.start = time.monotonic()
        self.shown = 0.0

    def advance(self, size: int) -> None:
        """`size` more bytes are read."""
        self.done += size
        now = time.monotonic()
        if now - self.start > _PATIENCE and now - self.shown > _PAUSE and sys.stderr.isatty():
            self.shown = now
            rate = self.done / (now - self.start)
            left = max(self.total - self.done, 0) / rate
            self._write(f"fingerprint: {self.done / max(self.total, 1):4.0%}, {rate / 1e9:.2f} GB/s, {left:.0f} s left")

    def close(self) -> None:
        """Takes the line away again."""
        if self.shown:
            self._write("")

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[2K{text}")
        sys.stderr.flush()


def path(given: Path) -> Found:
    """The digest of a file or folder.

    Raises NotFound for one that is not there (or no longer), InvalidValue for one that cannot be read, that changed
    while it was read, or that is neither a file nor a folder.
    """
    mode = _stat(given).st_mode
    if stat.S_ISREG(mode):
        return _file(given)
    if stat.S_ISDIR(mode):
        return _folder(given)
    raise InvalidValue(str(given), "is neither a file nor a folder")


def _file(given: Path) -> Found:
    progress = Progress(_stat(given).st_size)
    try:
        digest, size = _content(given, progress)
    finally:
        progress.close()
    return Found(node("file", {}, [digest]), 1, size)


def _folder(given: Path) -> Found:
    entries = sorted(_walk(given, b"", ()))
    progress = Progress(sum(size for _, _, size in entries))
    try:
        with ThreadPoolExecutor(_WORKERS) as pool:
            read = list(pool.map(lambda entry: _content(entry[1], progress), entries))
    finally:
        progress.close()
    parts = (part for (name, _, _), (digest, _) in zip(entries, read, strict=True) for part in (name, digest))
    return Found(node("folder", {"files": len(entries)}, parts), len(entries), sum(size for _, size in read))


def _walk(folder: Path, prefix: bytes, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[bytes, Path, int]]:
    """Of every file its path inside, with slashes, as bytes; where it is; its size."""
    here = _stat(folder)
    if (here.st_dev, here.st_ino) in above:
        raise InvalidValue(str(folder), "a link that leads back to a folder around it", hint="Remove the link")
    above = (*above, (here.st_dev, here.st_ino))
    for entry in _listed(folder):
        name, found = prefix + os.fsencode(entry.name), _stat(entry)
        if stat.S_ISDIR(found.st_mode):
            yield from _walk(entry, name + b"/", above)
        elif stat.S_ISREG(found.st_mode):
            yield name, entry, found.st_size
        else:
            raise InvalidValue(str(entry), "is neither a file nor a folder", hint="Remove it from the dataset's folder")


def _content(given: Path, progress: Progress) -> tuple[bytes, int]:
    """SHA-256 of a file's bytes, and how many. What `sha256sum` gives."""
    whole, piece = sha256(), bytearray(_PIECE)
    view = memoryview(piece)
    try:
        with given.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            while count := file.readinto(piece):
                whole.update(view[:count])
                progress.advance(count)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise _unreadable(given, error) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InvalidValue(str(given), "changed while it was read", hint="Wait until nothing writes to it")
    return whole.digest(), after.st_size


def _stat(given: Path) -> os.stat_result:
    try:
        return given.stat()
    except OSError as error:
        raise _unreadable(given, error) from error


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(given: Path, error: OSError) -> InvalidValue | NotFound:
    if isinstance(error, FileNotFoundError):
        what = "a link that leads nowhere" if given.is_symlink() else "no such file or folder"
        return NotFound(f"{given}: {what}", hint=f"Paths start at {Path.cwd()}")
    return InvalidValue(str(given), f"cannot be read: {error.strerror or error}")
