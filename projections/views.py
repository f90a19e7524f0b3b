"""A view keeps a user's projection caught up: it folds the history in order, and keeps snapshots of the state."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar
from zlib import crc32

import orjson

from mltracker.errors import Notice, ProjectionError, UnreadableEvent
from mltracker.events import values
from mltracker.events.envelope import Recorded, recorded
from mltracker.events.log import Batch, EventLog, Line, LostEvents, Problem
from mltracker.events.upcasters import LATEST, known, upcast
from mltracker.projections.files import replace, writable
from mltracker.projections.following import Follower
from mltracker.projections.projection import Projection, check_state

P = TypeVar("P", bound=Projection)
Stamp = tuple[int, str, int]

SNAPSHOT_EVERY = 60.0
"""Seconds between snapshots while events come."""
SNAPSHOTS = 3
"""How many are kept besides the start: a late event costs what came after the latest one before it."""
IN_MEMORY = 100_000
"""Events sorted in memory; more of them at once are read a second time, merged."""
BEFORE_ALL: Stamp = (-1, "", -1)


class Snapshot(NamedTuple):
    """A state as JSON, the highest stamp in it, and where its reader stood."""

    state: bytes
    stamp: Stamp
    checkpoint: Mapping[str, Any] | None
    unknown: Mapping[str, int]


class View(Generic[P]):
    """One projection over one log. `folder` is where its snapshots are kept; None keeps them in memory.

    `unknown` counts the events that it passed over because this release does not know their "type v<version>".
    """

    def __init__(self, log: EventLog, projection: type[P], folder: Path | None) -> None:
        self._log = log
        self._projection = projection()
        self._start = self._snapshot(BEFORE_ALL, None, {})
        self._kept: list[Snapshot] = []
        self._follower: Follower | None = None
        self._path = folder / f"{projection.name}-v{projection.version}.json" if folder and writable(folder) else None
        self._stamp = BEFORE_ALL
        self._changed = False
        self._saved_at = time.monotonic()
        self.unknown: Counter[str] = Counter()

    @property
    def notices(self) -> list[Problem]:
        """What could not be read: the state lacks it."""
        return self._follower.notices if self._follower else []

    def fresh(self, own_only: bool = False) -> P:
        """The projection, caught up. Raises ProjectionError where a handler rejects an event."""
        try:
            self._fold(self._opened().batches(own_only))
            if self._opened().healed():
                self._start_over("what could not be read before can be read now")
        except LostEvents as lost:
            self._start_over(f"it knows events that the log has lost: {lost}")
        except BaseException:
            self._follower = None
            raise
        if self._changed and time.monotonic() - self._saved_at >= SNAPSHOT_EVERY:
            self.save()
        return self._projection

    def rebuild(self) -> P:
        """Fold everything again."""
        self._start_over()
        return self._projection

    def save(self) -> None:
        """Keep a snapshot of what is folded so far. Raises InvalidValue for a state that is not of JSON."""
        self._saved_at = time.monotonic()
        if not self._changed or self._follower is None:
            return
        snapshot = self._snapshot(self._stamp, self._follower.checkpoint(), self.unknown)
        self._kept = [*self._kept, snapshot][-SNAPSHOTS:]
        self._changed = False
        if self._path is not None:
            self._write(self._path)

    def close(self) -> None:
        """Keep what was folded. Twice is once."""
        self.save()
        self._follower = None

    def _opened(self) -> Follower:
        if self._follower is None:
            if not self._kept and self._path is not None:
                self._kept = self._read(self._path)
            self._restore()
        assert self._follower is not None
        return self._follower

    def _start_over(self, why: str = "") -> None:
        if why:
            self._tell(f"{why}. It was folded again")
        self._kept.clear()
        self._restore()
        try:
            self._fold(self._opened().batches())
        except BaseException:
            self._follower = None
            raise

    def _restore(self) -> None:
        """Go back to the latest snapshot. Raises LostEvents."""
        snapshot = self._kept[-1] if self._kept else self._start
        self._follower = Follower(self._log, snapshot.checkpoint)
        self._projection.state = values.decode(orjson.loads(snapshot.state))
        self._stamp = snapshot.stamp
        self.unknown = Counter(snapshot.unknown)

    def _fold(self, batches: Iterable[Batch]) -> None:
        if self._projection.commutes:
            self._fold_any_order(batches)
            return
        events, first, count = [], None, 0
        for event in self._handled(batches):
            first = event.stamp if first is None else min(first, event.stamp)
            count += 1
            if count <= IN_MEMORY:
                events.append(event)
        if first is None:
            return
        if first < self._stamp:
            self._fold_again(first)
        elif count <= IN_MEMORY:
            self._apply(sorted(events, key=lambda event: event.stamp))
        else:
            del events
            self._apply(self._merged())

    def _fold_any_order(self, batches: Iterable[Batch]) -> None:
        for event in self._handled(batches):
            self._projection.apply(event)
            self._stamp = max(self._stamp, event.stamp)
            self._changed = True

    def _fold_again(self, late: Stamp) -> None:
        """From the latest snapshot before that event; later ones lack it."""
        while self._kept and self._kept[-1].stamp > late:
            self._kept.pop()
        self._restore()
        self._fold(self._opened().batches())

    def _apply(self, events: Iterable[Recorded]) -> None:
        for event in events:
            self._projection.apply(event)
            self._stamp = event.stamp
            self._changed = True

    def _handled(self, batches: Iterable[Batch]) -> Iterable[Recorded]:
        """The events that the projection has a handler for, in its version."""
        handlers = self._projection.handlers
        for writer, lines in batches:
            for raw in lines:
                line = self._current(writer, raw)
                if line["type"] in handlers and line["v"] == LATEST.get(line["type"]):
                    yield recorded(writer, line)
                elif not known(line["type"], line["v"]):
                    self.unknown[f"{line['type']} v{line['v']}"] += 1
                    self._changed = True

    def _current(self, writer: str, line: Line) -> Line:
        try:
            return upcast(line)
        except UnreadableEvent as error:
            name = f"{self._projection.name} v{self._projection.version}"
            raise ProjectionError(
                f"projection {name}: event {writer}:{line['seq']} ({line['type']}) cannot be read: {error}"
            ) from error

    def _merged(self) -> Iterable[Recorded]:
        """What the reader has delivered beyond the state, in order."""
        handlers, after, position = self._projection.handlers, self._stamp, self._opened().position
        for event in self._log.history():
            delivered = event.seq <= position.get(event.writer, -1)
            wanted = event.type in handlers and event.version == LATEST.get(event.type)
            if wanted and delivered and event.stamp > after:
                yield event

    # Snapshots ---------------------------------------------------------------------------------------------------

    def _snapshot(self, stamp: Stamp, checkpoint: Mapping[str, Any] | None, unknown: Mapping[str, int]) -> Snapshot:
        check_state(self._projection.state, f"{self._projection.name}: the state")
        state = orjson.dumps(values.encode(self._projection.state, "state"))
        return Snapshot(state, stamp, checkpoint, dict(unknown))

    def _write(self, path: Path) -> None:
        snapshots = orjson.dumps([{**kept._asdict(), "state": orjson.Fragment(kept.state)} for kept in self._kept])
        head = {"projection": self._projection.name, "version": self._projection.version, "crc": crc32(snapshots)}
        try:
            replace(path, orjson.dumps({**head, "snapshots": orjson.Fragment(snapshots)}))
        except OSError as error:
            self._path = None
            self._tell(f"its snapshot cannot be written: {error}. It is kept in memory")

    def _read(self, path: Path) -> list[Snapshot]:
        """The snapshots in the file; none, with a notice, where it is damaged or lacks what can be had now."""
        try:
            content = orjson.loads(path.read_bytes())
            if content["crc"] != crc32(orjson.dumps(content["snapshots"])):
                raise ValueError("its checksum does not match")
            kept = [_loaded(**item) for item in content["snapshots"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            self._tell(f"its snapshot {path} cannot be used ({error}). It was folded again")
            return []
        if any(_is_known(name) for item in kept for name in item.unknown):
            self._tell("this release knows events that it had passed over. It was folded again")
            return []
        return kept

    def _tell(self, what: str) -> None:
        name = f"{self._projection.name} v{self._projection.version}"
        warnings.warn(Notice(f"projection {name}: {what}"), stacklevel=4)


def _loaded(state: Any, stamp: list[Any], checkpoint: dict[str, Any], unknown: dict[str, int]) -> Snapshot:
    at, writer, seq = stamp
    return Snapshot(orjson.dumps(state), (at, writer, seq), checkpoint, unknown)


def _is_known(name: str) -> bool:
    type_name, _, version = name.rpartition(" v")
    return known(type_name, int(version))
