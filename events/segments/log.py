"""The EventLog over segments: composes writer, readers and verification, and keeps them straight across forks."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Literal

import orjson

from mltracker.errors import AppendFailed, Closed, ReadOnly
from mltracker.events.blobs import Blobs, FolderBlobs
from mltracker.events.catalogue import Event, SessionEnded, SessionStarted
from mltracker.events.clock import Clock
from mltracker.events.envelope import kind, parse_time
from mltracker.events.log import Batch, EventLog, Receipt, Report, Section
from mltracker.events.segments import layout
from mltracker.events.segments.life import proven_dead, seems_alive
from mltracker.events.segments.reader import SegmentReader
from mltracker.events.segments.scan import Scan
from mltracker.events.segments.verify import verify
from mltracker.events.segments.writer import Writer, writers

Durability = Literal["interval", "always", "os"]
SYNC_SECONDS = 1.0
FIRST_SECONDS = 0.1
"""Trainings begin their threads soon after the log: at first they are looked for more often (see gil.py)."""
FIRST_LOOKS = 20
PACK_PREFIX = "pack-"


class SegmentLog(EventLog):
    """The log of the store in `folder`. Opening it creates nothing; the first append creates the store.

    `durability`: "interval" syncs structural events before the append returns and metrics within a second, "always"
    syncs each append, "os" never does. Raises NotAStore, NewerFormat.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durability: Durability = "interval",
        opening: Callable[[], Event] | None = None,
        closing: Callable[[], Event] | None = None,
        read_only: bool = False,
    ) -> None:
        layout.check_store(folder, to_read=True)
        self.folder = folder.absolute()
        self.clock = Clock()
        self._durability = durability
        self._opening = opening
        self._closing = closing
        self._read_only = read_only
        self._writer: Writer | None = None
        self._dead: set[str] = set()
        self._early: deque[tuple[bytes, bytes, bytes]] = deque()
        self._renew_lock()
        self._stop = threading.Event()
        self._closed = False
        _open_logs.add(self)

    @property
    def writer(self) -> str | None:
        return self._writer.id if self._writer else None

    @property
    def blobs(self) -> Blobs:
        return FolderBlobs(self.folder / "blobs", read_only=self._read_only)

    # Appending -------------------------------------------------------------------------------------------------------

    def append(self, event: Event) -> Receipt:
        data = event.encoded()
        event.stream_in("", 0)  # what lacks its stream is refused before anything is written
        writer = self._writer or self._begin()
        seq, at = writer.append(kind(event.type, event.version), event.stream_in, data)
        if event.structural and self._durability == "interval":
            writer.sync_or_fail()
        return Receipt(writer.id, seq, at)

    def append_data(self, kind: bytes, stream: bytes, data: bytes) -> None:
        writer = self._writer
        if writer is None:
            if self._beginning_by_me():
                self._early.append((kind, stream, data))
                return
            writer = self._begin()
        writer.append_data(kind, stream, data)

    def _begin(self) -> Writer:
        """Open this process's segment with its SessionStarted. Raises Closed, ReadOnly, AppendFailed."""
        if self._beginning_by_me():
            raise AppendFailed("a signal handler cannot create or end something amid an append", path=str(self.folder))
        with self._opening_lock:
            if self._writer is not None:
                return self._writer
            if self._closed:
                raise Closed("the store was closed", hint="Open it again")
            if self._read_only:
                raise ReadOnly(f"{self.folder} was opened read-only")
            try:
                layout.check_store(self.folder)
                writer = Writer(self.folder, self.clock, always=self._durability == "always")
            except OSError as error:
                raise AppendFailed(
                    f"cannot open a segment: {error}", path=str(self.folder), hint="Check the folder's rights and space"
                ) from error
            started = self._opening_event()
            writer.append(kind(started.type, started.version), started.stream_in, started.encoded())
            self._writer = writer
            while self._early:
                writer.append_data(*self._early.popleft())
            self._stop = threading.Event()
            syncs = self._durability != "os"
            threading.Thread(
                target=_attend, args=(weakref.ref(writer), self._stop, syncs), name="mltracker-sync", daemon=True
            ).start()
            return writer

    def _opening_event(self) -> Event:
        return self._opening() if self._opening is not None else SessionStarted()

    # Reading ---------------------------------------------------------------------------------------------------------

    def reader(self, checkpoint: Mapping[str, Any] | None = None) -> SegmentReader:
        return SegmentReader(self.folder / "events", self.clock, lambda: self.writer, checkpoint)

    def sections(self) -> list[Section]:
        events = self.folder / "events"
        scans = [Scan(events / name) for name in layout.segment_names(events)]
        headers = {scan.path: scan.peek() for scan in scans}
        # Of one writer the higher part holds, and history takes the section that comes first.
        scans.sort(key=lambda scan: -(header.part if (header := headers[scan.path]) else 0))
        sections: list[Section] = []
        for scan in scans:
            if scan.path.name.startswith(PACK_PREFIX):
                sections += [Section(0, batches) for batches in _by_writer(scan)]
            else:
                sections.append(Section(_start(scan), _readable(scan)))
        return sections

    def alive(self, writer: str) -> bool:
        if self._writer is not None and writer == self._writer.id:
            return True
        if writer in self._dead:
            return False
        scan = self._newest_part(writer)
        header = scan.peek() if scan else None
        if scan is None or header is None:
            return False
        if scan.is_sealed() or proven_dead(scan.path, header):
            self._dead.add(writer)  # which is for ever
            return False
        return seems_alive(scan.path, header)

    def _newest_part(self, writer: str) -> Scan | None:
        newest = None
        for part in count():
            path = layout.segment_path(self.folder, writer, part)
            if not path.exists():
                return newest
            newest = Scan(path)
        return newest

    def verify(self) -> Report:
        return verify(self.folder)

    # The end ---------------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        if self._writer is not None:
            self._writer.sync_or_fail()

    def close(self) -> None:
        """End the session, seal the segment. Raises AppendFailed where that fails; it is closed all the same."""
        writer, self._writer, closed, self._closed = self._writer, None, self._closed, True
        self._stop.set()
        if writer is None or closed:
            return
        try:
            ended = self._closing_event()
            writer.append(kind(ended.type, ended.version), ended.stream_in, ended.encoded())
            writer.seal()
        except OSError as error:
            raise AppendFailed(f"the session's end was not recorded: {error}", path=str(writer.path)) from error
        finally:
            writer.abandon()

    def _closing_event(self) -> Event:
        return self._closing() if self._closing is not None else SessionEnded()

    def leave_to_parent(self) -> None:
        """In a forked child: let go of the parent's segment without unlocking it."""
        self._writer = None
        self._early.clear()
        self._renew_lock()
        self._stop = threading.Event()

    def _renew_lock(self) -> None:
        self._opening_lock = threading.RLock()
        self._beginning_by_me: Callable[[], bool] = self._opening_lock._is_owned  # type: ignore[attr-defined]


_open_logs: weakref.WeakSet[SegmentLog] = weakref.WeakSet()


def _leave_all() -> None:
    for writer in list(writers):  # before their logs forget them
        writer.release()
    for log in list(_open_logs):
        log.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all)


def _attend(reference: weakref.ref[Writer], stop: threading.Event, syncs: bool) -> None:
    """Sync, and see which way of writing suits; without a hold on the writer, so that a dropped log can end."""
    for look in count():
        if stop.wait(FIRST_SECONDS if look < FIRST_LOOKS else SYNC_SECONDS):
            return
        writer = reference()
        if writer is None:
            return
        writer.choose_write()
        if syncs and writer.is_dirty:
            writer.sync_quietly()
        del writer


def _start(scan: Scan) -> int:
    """The stamp of a segment's first event, 0 where it has none yet or it is unreadable."""
    try:
        first = scan.head().split(b"\n", 2)[1]
        return parse_time(orjson.loads(first)["at"])
    except (OSError, IndexError, KeyError, ValueError, TypeError):
        return 0


def _readable(scan: Scan) -> Iterator[Batch]:
    """A scan's batches; a file that cannot be read has none (its reader notes it)."""
    try:
        yield from scan.advance()
    except OSError:
        return


def _by_writer(scan: Scan) -> list[Iterable[Batch]]:
    """The batches of a pack, which holds many writers one after the other."""
    writers: dict[str, list[Batch]] = {}
    for batch in _readable(scan):
        writers.setdefault(batch.writer, []).append(batch)
    return list(writers.values())
