"""A cursor over all segments of a store: every event once, whichever files hold it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mltracker.events.clock import Clock
from mltracker.events.envelope import parse_time
from mltracker.events.log import Batch, Line, LostEvents, Position, Problem, Reader
from mltracker.events.segments.folder import Folder
from mltracker.events.segments.life import proven_dead
from mltracker.events.segments.scan import Scan

QUIET_SECONDS = 5.0
"""Whether the writer of a file is dead is asked only after it was unchanged for this long."""
NO_LIMIT = 1 << 63


class SegmentReader(Reader):
    """See `Reader`. `own` names this process's writer, whose files alone `own_only` looks at."""

    def __init__(
        self,
        events: Path,
        clock: Clock,
        own: Callable[[], str | None] = lambda: None,
        checkpoint: Mapping[str, Any] | None = None,
    ) -> None:
        self.position: Position = {}
        self._clock = clock
        self._own = own
        self._folder = Folder(events)
        self._live: dict[str, Scan] = {}
        self._done: dict[str, Scan] = {}
        self._unreadable: dict[str, Problem] = {}
        self._crcs: dict[str, str] = {}
        self._cut: dict[str, tuple[int, str]] = {}
        self._firsts: dict[str, dict[int, int]] = {}
        self._gaps: dict[str, list[tuple[int, int]]] = {}
        self._conflicts: dict[str, Problem] = {}
        self._is_fresh = not checkpoint
        if checkpoint:
            self._resume(checkpoint)

    @property
    def notices(self) -> list[Problem]:  # type: ignore[override]
        """What could not be read, or is missing."""
        found = [scan.problem for scan in self._live.values() if scan.problem]
        found += [
            Problem(f"{writer}.*", None, f"events {first} to {last} of writer {writer} are missing")
            for writer, gaps in self._gaps.items()
            for first, last in gaps
        ]
        return [*found, *self._unreadable.values(), *self._conflicts.values()]

    # Delivering ------------------------------------------------------------------------------------------------------

    def poll(self, *, own_only: bool = False) -> Iterator[Batch]:
        owed: dict[str, int] = {}
        own = self._own()
        names = [name for name in self._live if own is not None and name.startswith(own)]
        if (not own_only or not names) and self._folder.may_have_changed():
            owed = self._list()
            names = [name for name in self._live if own is not None and name.startswith(own)]
        if not own_only:
            names = sorted(self._live, key=self._order)
        for name in names:
            yield from self._read(name)
        self._require(owed)
        self._is_fresh = False

    def _order(self, name: str) -> tuple[bool, str, int, str]:
        """Files that a skip leads through come last: another file may hold what they lack."""
        scan = self._live[name]
        header = scan.header
        return (scan.has_skip, header.writer, header.part, name) if header else (scan.has_skip, "", 0, name)

    def _read(self, name: str) -> Iterator[Batch]:
        scan = self._live[name]
        try:
            status = scan.path.stat(follow_symlinks=False)
            if scan.is_current(status):
                return
            if scan.inode and status.st_ino != scan.inode:
                scan = self._live[name] = Scan(scan.path)
            elif status.st_size < scan.offset:
                raise LostEvents(f"{name} is shorter than it was")
            for batch in scan.advance():
                yield from self._new(scan, batch)
            self._unreadable.pop(name, None)
            yield from self._finish(name, scan, status.st_mtime)
        except FileNotFoundError:
            self._folder.forget()
        except OSError as error:
            self._unreadable[name] = Problem(name, None, f"cannot be read: {error}")

    def _new(self, scan: Scan, batch: Batch) -> Iterator[Batch]:
        """The part of a batch that was not delivered yet."""
        writer, lines = batch
        first, end = lines[0]["seq"], lines[-1]["seq"]
        expected = self.position.get(writer, -1) + 1
        limit = self._limit(writer, scan)
        if first != expected or end >= limit:
            lines = self._sift(scan, writer, lines, expected, limit)
            if not lines:
                return
        if writer in self._cut:
            self._compare_with_cut(scan, writer, lines)
        if not self._is_fresh and any(line["type"] == "EventErased" for line in lines):
            raise LostEvents("events that were read have been erased since")
        self.position[writer] = lines[-1]["seq"]
        self._crcs[writer] = lines[-1]["crc"]
        if writer != self._own():
            self._clock.observe(parse_time(lines[-1]["at"]))
        yield Batch(writer, lines)

    def _sift(self, scan: Scan, writer: str, lines: list[Line], expected: int, limit: int) -> list[Line]:
        """What is left of lines that overlap with those delivered, or come after a gap."""
        for start, stop in self._gaps.get(writer, ()):
            if lines[0]["seq"] <= stop and lines[-1]["seq"] >= start:
                raise LostEvents(f"{scan.path.name} fills a gap of writer {writer}")
        if lines[-1]["seq"] >= limit:
            self._cut[writer] = max(self._cut.get(writer, (-1, "")), (lines[-1]["seq"], lines[-1]["crc"]))
            lines = [line for line in lines if line["seq"] < limit]
        if not lines:
            return lines
        first = lines[0]["seq"]
        index = expected - 1 - first
        if 0 <= index < len(lines) and lines[index]["crc"] != self._crcs.get(writer, lines[index]["crc"]):
            self._conflict(scan, writer, expected - 1)
        if first > expected:
            self._gaps.setdefault(writer, []).append((expected, first - 1))
        return [line for line in lines if line["seq"] >= expected]

    def _compare_with_cut(self, scan: Scan, writer: str, lines: list[Line]) -> None:
        """The higher part holds already; where a lower one differs, say so. A running checksum tells of all lines."""
        seq, crc = self._cut[writer]
        index = seq - lines[0]["seq"]
        if 0 <= index < len(lines) and lines[index]["crc"] != crc:
            self._conflicts[scan.path.name] = _differs(scan.path.name, seq, writer)

    def _conflict(self, scan: Scan, writer: str, seq: int) -> None:
        """Two files differ about an event: the higher part holds, which takes a new reading from the start."""
        name = scan.path.name
        if name in self._conflicts:
            return
        self._conflicts[name] = _differs(name, seq, writer)
        if scan.header and any(part < scan.header.part for part in self._firsts.get(writer, ())):
            raise LostEvents(f"{name} holds other bytes for what was read")

    def _limit(self, writer: str, scan: Scan) -> int:
        """From its first event on, a higher part of the writer holds against this one."""
        assert scan.header is not None
        firsts = self._firsts.setdefault(writer, {})
        part = scan.header.part
        firsts.setdefault(part, scan.header.first)
        if len(firsts) == 1:
            return NO_LIMIT
        return min((first for other, first in firsts.items() if other > part), default=NO_LIMIT)

    def _finish(self, name: str, scan: Scan, changed: float) -> Iterator[Batch]:
        """A sealed file, or a dead writer's, is not looked at again."""
        if scan.problem is not None or scan.header is None:
            return
        if scan.seal is None or scan.size_seen != scan.offset:
            if time.time() - changed < QUIET_SECONDS or not proven_dead(scan.path, scan.header):
                return
            tail = scan.adopt_tail() if scan.size_seen > scan.offset else None
            if tail is not None:
                yield from self._new(scan, tail)
        self._done[name] = self._live.pop(name)

    # The folder ------------------------------------------------------------------------------------------------------

    def _list(self) -> dict[str, int]:
        """Take up new files, drop those that are gone; answers what the gone ones had delivered, by writer."""
        names = self._folder.names()
        skips = set(self._folder.names(".skip"))
        for name in [name for name, scan in self._done.items() if scan.seal is None]:
            self._live[name] = self._done.pop(name)  # a longer copy may have taken its place
        for name in names:
            if name not in self._live and name not in self._done:
                scan = self._live[name] = Scan(self._folder.path / name)
                scan.has_skip = scan.path.with_suffix(".skip").name in skips
                header = scan.peek()
                if header is not None:
                    self._firsts.setdefault(header.writer, {}).setdefault(header.part, header.first)
        owed: dict[str, int] = {}
        for name in (self._live.keys() | self._done.keys()) - set(names):
            scan = self._live.pop(name) if name in self._live else self._done.pop(name)
            for writer, end in scan.covers.items():
                owed[writer] = max(end, owed.get(writer, 0))
        return owed

    def _require(self, owed: dict[str, int]) -> None:
        """What vanished files had delivered must be in others (in a pack, say)."""
        for writer, end in owed.items():
            scans = [*self._live.values(), *self._done.values()]
            if not any(scan.covers.get(writer, 0) >= end for scan in scans):
                raise LostEvents(f"the events of writer {writer} up to {end - 1} are gone")

    # Checkpoints -----------------------------------------------------------------------------------------------------

    def checkpoint(self) -> dict[str, Any]:
        return {
            "files": {
                name: [done, *scan.state()]
                for done, scans in ((False, self._live), (True, self._done))
                for name, scan in scans.items()
            },
            "writers": {writer: [seq, self._crcs[writer]] for writer, seq in self.position.items()},
            "firsts": {w: sorted(f.items()) for w, f in self._firsts.items() if len(f) > 1},
            "gaps": self._gaps,
        }

    def _resume(self, checkpoint: Mapping[str, Any]) -> None:
        for writer, (seq, crc) in checkpoint["writers"].items():
            self.position[writer] = seq
            self._crcs[writer] = crc
        self._firsts = {writer: dict(firsts) for writer, firsts in checkpoint["firsts"].items()}
        self._gaps = {writer: [(a, b) for a, b in gaps] for writer, gaps in checkpoint["gaps"].items()}
        for name, (done, *state) in checkpoint["files"].items():
            scan = Scan.restore(self._folder.path / name, state)
            (self._done if done else self._live)[name] = scan
            if scan.header:
                self._firsts.setdefault(scan.header.writer, {}).setdefault(scan.header.part, scan.header.first)
        for name, scan in self._live.items():
            self._check_not_behind(name, scan)

    def _check_not_behind(self, name: str, scan: Scan) -> None:
        try:
            size = scan.path.stat().st_size
        except OSError:
            return
        if size < scan.offset:
            raise LostEvents(f"{name} is shorter than it was")


def _differs(name: str, seq: int, writer: str) -> Problem:
    return Problem(name, None, f"holds other bytes than another file for event {seq} of {writer} or before it")
