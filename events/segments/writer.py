"""One process's segment: append, sync, survive. No other process writes to its files.

The state is one tuple, replaced by one store, so that an exception from a signal handler can land anywhere: the line on
its way is noted in `_pending` before the write, and whoever appends next asks the file whether it arrived.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from mltracker.errors import AppendFailed, Closed
from mltracker.events.clock import Clock
from mltracker.events.envelope import CRC_TAIL, format_time, initial_crc
from mltracker.events.segments import layout
from mltracker.events.segments.gil import choose_write
from mltracker.events.segments.life import take_lock
from mltracker.events.segments.salvage import own_lines

State = tuple[int, int, int]
"""After the last whole line: the next seq, the running CRC-32, the file's size in bytes. One is made per line."""


writers: weakref.WeakSet[Writer] = weakref.WeakSet()
"""All of this process, which a forked child must let go of."""


class Writer:
    """Appends to `<writer>.<part>.jsonl`. Raises AppendFailed; after it the log is as it was before the call."""

    def __init__(self, folder: Path, clock: Clock, *, always: bool = False) -> None:
        self.id = secrets.token_hex(16)
        self.part = -1
        self._folder = folder
        self._clock = clock
        self._always = always
        self._lock = threading.RLock()
        self._held_by_me: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        self._sync_lock = threading.RLock()
        self._queue: deque[tuple[bytes, bytes, bytes]] = deque()
        self._draining: tuple[object, int] = (None, -1)
        self._pending: State | None = None
        self._second = -1
        self._prefix = b""
        self._at = 0
        self._fd = -1
        self._suspect = False
        self._state = self._durable = (0, initial_crc(self.id), 0)
        self.failure: OSError | None = None
        self._write = choose_write(folder)
        writers.add(self)
        self._begin_part(b"", self._state)

    # Appending -------------------------------------------------------------------------------------------------------

    def append(self, kind: bytes, stream: Callable[[str, int], str], data: bytes) -> tuple[int, int]:
        """Append one event; its (seq, at). `stream` gives the stream for a writer and a seq."""
        if self._held_by_me():
            raise AppendFailed("a signal handler cannot create or end something amid an append", path=str(self.path))
        with self._lock:
            if self._queue:
                self._drain()
            self._append(kind, stream(self.id, self._seq_to_come()).encode(), data)
            receipt = self._state[0] - 1, self._at
            if self._queue:
                self._drain()
        if self._always:
            self.sync_or_fail()
        return receipt

    def append_data(self, kind: bytes, stream: bytes, data: bytes) -> None:
        """The hot path. From a signal handler that interrupted an append: queued."""
        if self._held_by_me():
            self._queue.append((kind, stream, data))
            return
        with self._lock:
            if self._queue:
                self._drain()
            self._append(kind, stream, data)
            if self._queue:
                self._drain()
        if self._always:
            self.sync_or_fail()

    def _append(self, kind: bytes, stream: bytes, data: bytes) -> None:
        if self._pending is not None:
            self._settle()
        if self.failure is not None:
            self._raise_failure()
        seq, crc, end = self._state
        at = time.time_ns() // 1000
        floor = self._clock.last if self._clock.last > self._at else self._at
        pushed = b""
        if at <= floor:
            pushed = b'","wall":"' + format_time(at).encode()
            at = floor + 1
        second, micros = divmod(at, 1_000_000)
        if second != self._second:
            self._prefix = format_time(second * 1_000_000)[:20].encode()
            self._second = second
        body = b'{"seq":%d,"at":"%b%06dZ%b",%b,"stream":"%b","data":%b' % (
            seq, self._prefix, micros, pushed, kind, stream, data,
        )  # fmt: skip
        before = crc32(body, crc)
        tail = CRC_TAIL % before
        line = body + tail
        pending = self._pending = (seq + 1, crc32(tail, before), end + len(line))
        try:
            if self._write(self._fd, line) != len(line):
                raise OSError("the write was cut short")
        except OSError as error:
            if self._fd < 0:
                self._pending = None
                raise Closed("the store was closed", hint="Open it again") from error
            self._settle()
            if self._state is not pending:
                raise AppendFailed(
                    f"event not recorded: {error}",
                    path=str(self.path),
                    hint="Free space or mend the folder; then go on",
                ) from error
        self._at = at
        self._state = pending
        self._pending = None

    def _seq_to_come(self) -> int:
        if self._pending is not None:
            self._settle()
        return self._state[0]

    def _settle(self) -> None:
        """Adopt the pending line if the file holds all of it, else cut off what arrived of it."""
        pending = self._pending
        if pending is None:
            return
        size = os.fstat(self._fd).st_size
        if size == pending[2]:
            self._state = pending
        elif size > self._state[2]:
            os.ftruncate(self._fd, self._state[2])
        self._pending = None

    def _drain(self) -> None:
        """Append what was queued. One that was interrupted is resumed with no event lost or doubled."""
        while self._queue:
            head = self._queue[0]
            seq = self._seq_to_come()
            item, before = self._draining
            if item is not head or before == seq:
                self._draining = (head, seq)
                self._append(*head)
            self._queue.popleft()

    def _raise_failure(self) -> None:
        failure, self.failure = self.failure, None
        raise AppendFailed(
            f"event not recorded, for what came before it cannot be made durable: {failure}", path=str(self.path),
            hint="Free space or mend the folder; earlier events are kept and tried again",
        ) from failure  # fmt: skip

    # Durability ------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        return layout.segment_path(self._folder, self.id, self.part)

    @property
    def is_dirty(self) -> bool:
        return self._durable[0] != self._state[0] or bool(self._queue) or self._pending is not None

    def sync(self) -> None:
        """Make every appended event durable. Raises OSError where even a new part cannot be written."""
        with self._sync_lock:
            with self._lock:
                if self._queue:
                    self._drain()
                if self._pending is not None:
                    self._settle()
                state, fd = self._state, self._fd
            if state[0] == self._durable[0]:
                return
            try:
                if self._suspect:
                    raise OSError("an earlier sync of this file failed")
                os.fdatasync(fd)
                self._check_file()
                self._durable = state
            except OSError:
                self._suspect = True
                with self._lock:
                    self._move_on()

    def sync_or_fail(self) -> None:
        """`sync` for a caller who waits for it. Raises AppendFailed."""
        try:
            self.sync()
        except OSError as error:
            raise AppendFailed(
                f"recorded, but not durable: {error}", path=str(self.path), hint="It is tried again at the next sync"
            ) from error

    def sync_quietly(self) -> None:
        """For the background: a failure is raised by the next append."""
        try:
            self.sync()
        except (OSError, AppendFailed) as error:
            self.failure = error if isinstance(error, OSError) else OSError(str(error))

    def _check_file(self) -> None:
        """The path must still be our file and end where we ended it."""
        with self._lock:
            there, ours = self.path.stat(), os.fstat(self._fd)
            if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
                self._durable = (0, initial_crc(self.id), 0)
                raise OSError("the segment was replaced or removed")
            end = (self._pending or self._state)[2]
            if ours.st_size not in (self._state[2], end):
                raise OSError("somebody else wrote to the segment")

    def _move_on(self) -> None:
        """Go on in a new part that repeats every line not known to be durable."""
        try:
            replaced = not self.path.exists() or not os.path.samestat(self.path.stat(), os.fstat(self._fd))
        except OSError:
            replaced = True
        if replaced:
            self._durable = (0, initial_crc(self.id), 0)
        start = self._durable
        try:
            lines = own_lines(self._fd, start[2], start[0], start[1], self._state[0])
        except LookupError as gone:
            self._begin_part(b"", self._state)
            raise OSError(str(gone)) from gone
        self._begin_part(lines, start)

    def _begin_part(self, lines: bytes, start: State) -> None:
        """Create the next part durably, with `lines` in it, and make it the one to append to. Raises OSError."""
        layout.make_store(self._folder)
        part = self.part + 1
        path = layout.segment_path(self._folder, self.id, part)
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        try:
            header = layout.Header(
                self.id, part, start[0], start[1], layout.host(), layout.machine(), layout.boot(), os.getpid(),
                take_lock(fd),
            ).encode()  # fmt: skip
            content = header + lines
            if os.write(fd, content) != len(content):
                raise OSError("the write was cut short")
            os.fsync(fd)
            layout.sync_folder(path.parent)
        except BaseException:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        old, self._fd, self.part = self._fd, fd, part
        self._state = self._durable = (self._state[0], self._state[1], len(content))
        self._suspect = False
        if old >= 0:
            os.close(old)

    # The end ---------------------------------------------------------------------------------------------------------

    def seal(self) -> None:
        """Write the seal after the last event, durably, and close the file."""
        with self._sync_lock, self._lock:
            self.sync()
            first = decode_first(self._fd)
            digest = sha256()
            for block in iter_file(self._fd, self._state[2]):
                digest.update(block)
            seal = layout.Seal(self.id, self._state[0] - first, self._state[0] - 1, digest.hexdigest())
            os.write(self._fd, seal.encode())
            os.fsync(self._fd)
            self.release()

    def abandon(self) -> None:
        """Close without a seal; nothing where it is closed."""
        with self._lock:
            self.release()

    def release(self) -> None:
        """Close the descriptor, without waiting: in a forked child, where nobody may ever free the writer's lock."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def choose_write(self) -> None:
        """Look again whether other threads live, which decides how to write."""
        self._write = choose_write(self._folder)


def decode_first(fd: int) -> int:
    """The seq of the first event of a segment of ours."""
    header = layout.decode_header(os.pread(fd, 4096, 0).split(b"\n", 1)[0] + b"\n")
    if header is None:
        raise OSError("the segment's header is gone")
    return header.first


def iter_file(fd: int, end: int, size: int = 1 << 20) -> Iterator[bytes]:
    """The first `end` bytes of a file in blocks."""
    offset = 0
    while offset < end:
        block = os.pread(fd, min(size, end - offset), offset)
        if not block:
            raise OSError("the file is shorter than it was")
        offset += len(block)
        yield block
