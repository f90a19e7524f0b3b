"""An event as one line of bytes, and back. FORMAT.md is the normative description."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from mltracker.events.catalogue import Event
    from mltracker.events.log import Line

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
CRC_TAIL = b',"crc":"%08x"}\n'
CRC_TAIL_LENGTH = len(CRC_TAIL % 0)


def format_time(micros: int) -> str:
    """Microseconds since 1970 UTC as RFC 3339, always 27 characters: 2026-11-24T12:00:00.000001Z."""
    return (EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> int:
    """RFC 3339 (any offset; naive means UTC) to microseconds since 1970 UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - EPOCH) // timedelta(microseconds=1)


def kind(type_name: str, version: int) -> bytes:
    """The middle of a line between its time and its stream, made once per event type."""
    return b'"type":"%b","v":%d' % (type_name.encode(), version)


def encode(seq: int, at: bytes, kind: bytes, stream: bytes, data: bytes, crc: int) -> tuple[bytes, int]:
    """One line with its newline, and the running CRC-32 after it. `at` may carry `","wall":"...`."""
    body = b'{"seq":%d,"at":"%b",%b,"stream":"%b","data":%b' % (seq, at, kind, stream, data)
    before = crc32(body, crc)
    tail = CRC_TAIL % before
    return body + tail, crc32(tail, before)


def initial_crc(writer: str) -> int:
    """The CRC state before a writer's event 0: it binds every line to its writer."""
    return crc32(writer.encode())


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as history answers it. `data` is upcast.

    `at` and `wall` are microseconds since 1970 UTC; `time` is the former as a datetime.
    """

    writer: str
    seq: int
    at: int
    wall: int
    type: str
    version: int
    stream: str
    data: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.writer}:{self.seq}"

    @property
    def time(self) -> datetime:
        """`at` in UTC."""
        return EPOCH + timedelta(microseconds=self.at)

    @property
    def stamp(self) -> tuple[int, str, int]:
        return (self.at, self.writer, self.seq)

    @property
    def session(self) -> str:
        return f"{self.writer}:0"

    @property
    def event(self) -> Event:
        """The typed event. Raises UnreadableEvent where its type is unknown or its data does not fit."""
        from mltracker.events.catalogue import load

        return load(self.type, self.version, self.stream, self.data)


def recorded(writer: str, line: Line) -> Recorded:
    """A decoded line, already upcast, as Recorded."""
    at = parse_time(line["at"])
    wall = parse_time(line["wall"]) if "wall" in line else at
    return Recorded(writer, line["seq"], at, wall, line["type"], line["v"], line["stream"], line["data"])
