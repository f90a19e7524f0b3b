"""The EventLog port: append, read, verify, close. `segments` is the default, `memory` the one without files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mltracker.events.blobs import Blobs
    from mltracker.events.catalogue import Event
    from mltracker.events.envelope import Recorded

Line = dict[str, Any]
"""One event as it was decoded from its line: seq, at, [wall,] type, v, stream, data, crc. JSON, hence Any."""

Position = dict[str, int]
"""The last seq seen of each writer. Opaque to users."""


class Batch(NamedTuple):
    """Events of one writer in the order of their seq."""

    writer: str
    lines: list[Line]


class Receipt(NamedTuple):
    """What an append answers: the event's id is `writer:seq`; `at` is its stamp, microseconds since 1970 UTC."""

    writer: str
    seq: int
    at: int

    @property
    def id(self) -> str:
        return f"{self.writer}:{self.seq}"


class Section(NamedTuple):
    """A run of events whose stamps increase, read when it is first iterated; none is stamped before `start`."""

    start: int
    batches: Iterable[Batch]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing `verify` found. `line` counts from 1."""

    file: str
    line: int | None
    reason: str
    harmless: bool = False


@dataclass(slots=True)
class Report:
    """What `verify` found: `events` were read and checked in `segments` files; `ok` if no harm was found."""

    segments: int = 0
    events: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(problem.harmless for problem in self.problems)


class LostEvents(Exception):
    """A checkpoint is ahead of the log: events it saw are gone. Internal; the runner answers it by a rebuild."""


class Reader(ABC):
    """A cursor over a log. Delivers every event exactly once, each writer's in order, writers in any order."""

    position: Position
    """The last seq delivered of each writer."""

    notices: list[Problem]
    """What could not be read: the answers built from this reader may lack it."""

    @abstractmethod
    def poll(self, *, own_only: bool = False) -> Iterator[Batch]:
        """Yield what is new. `own_only`: look only at this process's own events (cheap).

        Raises LostEvents if the log no longer holds what this reader has delivered, or holds other bytes for it.
        """

    @abstractmethod
    def checkpoint(self) -> dict[str, Any]:
        """Where this reader stands, as JSON, to be given to `EventLog.reader` later."""


class EventLog(ABC):
    """An append-only log of events by many writers; this process is at most one of them."""

    @property
    @abstractmethod
    def writer(self) -> str | None:
        """This process's writer id (32 hex digits); None until its first append."""

    @property
    @abstractmethod
    def blobs(self) -> Blobs:
        """The contents that events name by their SHA-256."""

    @abstractmethod
    def append(self, event: Event) -> Receipt:
        """Validate and append one event; structural ones are durable on return.

        Raises Closed, ReadOnly, AppendFailed.
        """

    @abstractmethod
    def append_data(self, kind: bytes, stream: bytes, data: bytes) -> None:
        """The hot path: append an event of a validated payload.

        `kind` is `envelope.kind(type, version)`, `stream` the stream's id, `data` one JSON object. Not fsynced here.
        Called from a signal handler amid another append, it is queued and written when that one ends.
        Raises Closed, ReadOnly, AppendFailed.
        """

    @abstractmethod
    def reader(self, checkpoint: Mapping[str, Any] | None = None) -> Reader:
        """A cursor from the start, or from a checkpoint. Raises LostEvents where the log is behind it."""

    @abstractmethod
    def sections(self) -> list[Section]:
        """The whole log as runs whose stamps increase, for merging. Where two differ, the earlier in the list holds."""

    @abstractmethod
    def alive(self, writer: str) -> bool:
        """Whether that writer may still append (a guess where no proof is to be had)."""

    @abstractmethod
    def sync(self) -> None:
        """Make everything appended durable."""

    @abstractmethod
    def verify(self) -> Report:
        """Read and check everything; never raises for what it finds."""

    @abstractmethod
    def close(self) -> None:
        """End the session and seal. Twice is once."""

    def history(self, up_to: tuple[int, str, int] | None = None) -> Iterator[Recorded]:
        """All events merged by stamp `(at, writer, seq)`, upcast, through the stamp `up_to` if given."""
        from mltracker.events.history import merged

        return merged(self.sections(), up_to)
