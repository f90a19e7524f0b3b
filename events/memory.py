"""MemoryLog: an EventLog without files, for notebooks, tests and trackers that need not outlive their process."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zlib import crc32

import orjson

from mltracker.errors import Closed, InvalidValue
from mltracker.events.blobs import Blobs, MemoryBlobs
from mltracker.events.clock import Clock
from mltracker.events.envelope import CRC_TAIL, CRC_TAIL_LENGTH, encode, format_time, initial_crc, kind, parse_time
from mltracker.events.log import Batch, EventLog, Line, LostEvents, Position, Problem, Reader, Receipt, Report, Section

if TYPE_CHECKING:
    from mltracker.events.catalogue import Event

WRITER = re.compile(r"[0-9a-f]{32}")


class MemoryLog(EventLog):
    """Lines live in memory, by writer and seq, as the very bytes that a segment would hold.

    `opening` and `closing` make the first and the last event of this process. No lock: an append that finds its seq
    taken, by another thread or by a signal handler, takes the next. After a fork the child writes as another writer.
    """

    def __init__(
        self, *, opening: Callable[[], Event] | None = None, closing: Callable[[], Event] | None = None
    ) -> None:
        self._opening = opening or _session_started
        self._closing = closing or _session_ended
        self._lines: dict[str, dict[int, bytes]] = {}
        self._own: dict[int, str] = {}
        self._living: set[str] = set()
        self._clock = Clock()
        self._blobs = MemoryBlobs()
        self._closed = False

    @property
    def writer(self) -> str | None:
        return self._own.get(os.getpid())

    @property
    def blobs(self) -> Blobs:
        return self._blobs

    def append(self, event: Event) -> Receipt:
        """As the port says. Raises InvalidValue for an event that needs a stream and has none."""
        return self._append(kind(event.type, event.version), event.stream_in, event.encoded())

    def append_data(self, kind: bytes, stream: bytes, data: bytes) -> None:
        self._append(kind, lambda writer, seq: stream.decode(), data)

    def reader(self, checkpoint: Mapping[str, Any] | None = None) -> MemoryReader:
        return MemoryReader(self, checkpoint)

    def sections(self) -> list[Section]:
        return [Section(0, self._section(writer)) for writer in list(self._lines)]

    def alive(self, writer: str) -> bool:
        """Own writer until closed; another's as `deliver` said."""
        return not self._closed if writer == self.writer else writer in self._living

    def sync(self) -> None:
        """Nothing to do: memory is as durable as it gets."""

    def verify(self) -> Report:
        report = Report(segments=len(self._lines))
        for writer, lines in list(self._lines.items()):
            report.events += len(lines)
            report.problems += _broken(writer, lines)
        report.problems += self.holes({writer: len(self.lines(writer)) - 1 for writer in self.writers()})
        return report

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self.writer is not None:
            event = self._closing()
            self._commit(self.writer, kind(event.type, event.version), event.stream_in, event.encoded())

    def deliver(self, writer: str, lines: Iterable[Line], *, alive: bool = False) -> None:
        """Take another writer's lines, as a merge or a late file brings them: in any order, and twice is once.

        Readers see them as far as no seq is missing before them. Raises InvalidValue for a writer that is no 32 hex
        digits or is this process's.
        """
        if not WRITER.fullmatch(writer) or writer == self.writer:
            raise InvalidValue("writer", f"{writer!r} must be 32 hex digits, and another's")
        held = self._lines.setdefault(writer, {})
        for line in lines:
            held.setdefault(line["seq"], orjson.dumps(line) + b"\n")
            self._clock.observe(parse_time(line["at"]))
        (self._living.add if alive else self._living.discard)(writer)

    def writers(self) -> list[str]:
        """Every writer, this process's own included, in the order in which they were first met."""
        return list(self._lines)

    def lines(self, writer: str, first: int = 0) -> list[Line]:
        """The lines of a writer from a seq on, up to the first that is missing; freshly decoded."""
        held = self._lines.get(writer, {})
        found: list[bytes] = []
        while (line := held.get(first + len(found))) is not None:
            found.append(line)
        return [orjson.loads(line) for line in found]

    def holes(self, position: Position) -> Iterator[Problem]:
        """What is missing right after a position while later lines are there."""
        for writer, lines in list(self._lines.items()):
            seq = position.get(writer, -1) + 1
            if len(lines) > seq and seq not in lines:
                yield Problem(writer, seq + 1, f"event {writer}:{seq} is missing")

    def _section(self, writer: str) -> Iterator[Batch]:
        yield Batch(writer, self.lines(writer))

    def _append(self, kind_: bytes, stream: Callable[[str, int], str], data: bytes) -> Receipt:
        if self._closed:
            raise Closed("this log is closed")
        return self._commit(self._session(), kind_, stream, data)

    def _session(self) -> str:
        """The writer of this process, its event 0 written."""
        writer = self.writer or self._own.setdefault(os.getpid(), uuid4().hex)
        if not self._lines.setdefault(writer, {}):
            event = self._opening()
            self._commit(writer, kind(event.type, event.version), event.stream_in, event.encoded(), only=0)
        return writer

    def _commit(
        self, writer: str, kind: bytes, stream: Callable[[str, int], str], data: bytes, only: int | None = None
    ) -> Receipt:
        """Put the next line after the last one; setdefault decides atomically who of several gets the seq."""
        lines = self._lines[writer]
        while True:
            seq = len(lines) if only is None else only
            at, wall = self._clock.tick()
            state = initial_crc(writer)
            if seq:
                last, ended, state = _after(lines[seq - 1])
                if ended:
                    raise Closed("this log is closed")
                at = max(at, last + 1)
            time = format_time(at).encode() + (b'","wall":"' + format_time(wall).encode() if wall != at else b"")
            line, _ = encode(seq, time, kind, stream(writer, seq).encode(), data, state)
            if lines.setdefault(seq, line) is line or only is not None:
                return Receipt(writer, seq, at)


class MemoryReader(Reader):
    """A cursor over a MemoryLog. A hole in what was delivered becomes a notice until it is filled."""

    def __init__(self, log: MemoryLog, checkpoint: Mapping[str, Any] | None = None) -> None:
        self._log = log
        self.notices: list[Problem] = []
        self.position: Position = {}
        self._crcs: dict[str, str] = {}
        for writer, (seq, crc) in (checkpoint or {}).items():
            line = next(iter(log.lines(writer, seq)), None)
            if line is None or line.get("crc") != crc:
                raise LostEvents(f"{writer}:{seq} is not in this log as it was read")
            self.position[writer], self._crcs[writer] = seq, crc

    def poll(self, *, own_only: bool = False) -> Iterator[Batch]:
        own = self._log.writer
        for writer in self._log.writers() if not own_only else [own] if own else []:
            lines = self._log.lines(writer, self.position.get(writer, -1) + 1)
            if lines:
                self.position[writer], self._crcs[writer] = lines[-1]["seq"], lines[-1].get("crc", "")
                yield Batch(writer, lines)
        self.notices = list(self._log.holes(self.position))

    def checkpoint(self) -> dict[str, Any]:
        return {writer: [seq, self._crcs[writer]] for writer, seq in self.position.items()}


def _session_started() -> Event:
    from mltracker.events.catalogue import SessionStarted

    return SessionStarted()


def _session_ended() -> Event:
    from mltracker.events.catalogue import SessionEnded

    return SessionEnded()


def _after(line: bytes) -> tuple[int, bool, int]:
    """Of a line: its stamp, whether it ended its session, and the CRC state after it."""
    decoded = orjson.loads(line)
    return parse_time(decoded["at"]), decoded["type"] == "SessionEnded", _state_after(line)


def _state_after(line: bytes) -> int:
    before = int(line[-CRC_TAIL_LENGTH:][8:16], 16)
    return crc32(CRC_TAIL % before, before)


def _broken(writer: str, lines: dict[int, bytes]) -> list[Problem]:
    """The first line whose running checksum does not match."""
    state = initial_crc(writer)
    for seq in range(len(lines)):
        if seq not in lines:
            break
        body = lines[seq][:-CRC_TAIL_LENGTH]
        if lines[seq] != body + CRC_TAIL % crc32(body, state):
            return [Problem(writer, seq + 1, "the running checksum does not match")]
        state = _state_after(lines[seq])
    return []
