"""Reading one segment forward: every byte verified, whole blocks at a time, from wherever the last look ended."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from mltracker.errors import NewerFormat
from mltracker.events.envelope import CRC_TAIL, CRC_TAIL_LENGTH
from mltracker.events.log import Batch, Line, Problem
from mltracker.events.segments import layout

BLOCK = 1 << 16
SPAN = 1 << 20
LONGEST_LINE = 1 << 30
CRC_LENGTH = 8
HEADER_LENGTH = 4096


@dataclass(slots=True)
class Scan:
    """Where the reading of a segment stands. `crc` None: the chain begins anew, after bytes that were passed over."""

    path: Path
    offset: int = 0
    line: int = 0
    header: layout.Header | None = None
    next: int = 0
    crc: int | None = None
    inode: int = 0
    seal: layout.Seal | None = None
    covers: dict[str, int] = field(default_factory=dict)
    problem: Problem | None = None
    holes: list[Problem] = field(default_factory=list)
    size_seen: int = -1
    erased: list[str] = field(default_factory=list)
    has_skip: bool = False

    def is_current(self, status: os.stat_result) -> bool:
        """Whether the file is as the last look left it, damage without a skip included."""
        if status.st_size != self.size_seen or status.st_ino != self.inode:
            return False
        return self.problem is None or not self.path.with_suffix(".skip").exists()

    def peek(self) -> layout.Header | None:
        """The header, before anything else is read; None where there is none yet."""
        try:
            return layout.decode_header(self.head().partition(b"\n")[0] + b"\n")
        except (OSError, NewerFormat):
            return None

    def head(self) -> bytes:
        """The first bytes: the header and, in most files, the first event. Raises OSError."""
        return read_span(self.path, 0, HEADER_LENGTH)

    def is_sealed(self) -> bool:
        """Whether the file ends with its writer's own seal, or a sidecar seals it."""
        if self.path.with_suffix(".seal").exists():
            return True
        try:
            size = self.path.stat().st_size
            end = read_span(self.path, max(0, size - HEADER_LENGTH), size)
        except OSError:
            return False
        last = end[end.rfind(b"\n", 0, -1) + 1 :]
        return layout.decode_seal(last) is not None

    def state(self) -> list[Any]:
        """Where the reading stands, as JSON."""
        header = list(asdict(self.header).values()) if self.header else None
        return [self.inode, self.offset, self.line, header, self.next, self.crc, self.seal is not None, self.covers]

    @classmethod
    def restore(cls, path: Path, state: list[Any]) -> Scan:
        inode, offset, line, header, next_, crc, sealed, covers = state
        known = layout.Header(*header) if header else None
        seal = layout.Seal(known.writer, 0, next_ - 1, "") if sealed and known else None
        return cls(path, offset, line, known, next_, crc, inode, seal, covers)

    def advance(self) -> Iterator[Batch]:
        """Yield what has been added since the last call; stops before a torn tail, and for good at damage.

        Raises OSError where the file cannot be read, FileNotFoundError where it is gone.
        """
        self.problem = None
        size = SPAN
        while self.problem is None:
            span = self._read(size)
            whole = span.rfind(b"\n") + 1
            if whole:
                yield from self._span(span[:whole])
                size = SPAN
            elif len(span) < size or size >= LONGEST_LINE:
                self.size_seen = self.offset + len(span)
                return
            else:
                size *= 4

    def _read(self, size: int) -> bytes:
        """The next bytes. The file is not kept open: history holds thousands of scans half-way."""
        fd = open_segment(self.path)
        try:
            status = os.fstat(fd)
            if self.inode not in (0, status.st_ino):
                raise FileNotFoundError(f"{self.path.name} was replaced")
            self.inode, self.size_seen = status.st_ino, status.st_size
            return os.pread(fd, size, self.offset)
        finally:
            os.close(fd)

    def _span(self, span: bytes) -> Iterator[Batch]:
        """Whole lines, a block at a time; blocks that fit the processor's cache decode fastest."""
        start = 0
        while start < len(span) and self.problem is None:
            end = span.rfind(b"\n", start, start + BLOCK) + 1 or span.find(b"\n", start + BLOCK) + 1
            expected = self.offset + end - start
            yield from self._block(span[start:end])
            if self.offset != expected:
                return  # a skip leads elsewhere
            start = end

    def _block(self, block: bytes) -> Iterator[Batch]:
        lines = self._verified(block)
        if lines is not None:
            self._pass(block, len(lines))
            yield self._batch(lines)
            return
        start = block.find(b"\n") + 1 if block.startswith(layout.HEADER_START) else 0
        end = block.rfind(b"\n", 0, -1) + 1
        if start == 0 and (end == 0 or not block.startswith(layout.SEAL_START, end)):
            yield from self._line_by_line(block)
            return
        at = self.offset
        for part in (block[:start], block[start:end], block[end:]) if start <= end else (block,):
            if part and self.problem is None and self.offset == at:  # elsewhere after a skip: read on from there
                yield from self._block(part) if part != block else self._line_by_line(part)
                at += len(part)

    def _verified(self, block: bytes) -> list[Line] | None:
        """The events of a block whose last checksum covers all of it; None if it has to be looked at line by line."""
        if self.crc is None or self.header is None or self.seal is not None:
            return None
        before = crc32(memoryview(block)[:-CRC_TAIL_LENGTH], self.crc)
        tail = CRC_TAIL % before
        if block[-CRC_TAIL_LENGTH:] != tail:
            return None
        try:
            lines: list[Line] = orjson.loads(b"[%b]" % block[:-1].replace(b"\n", b","))
            if lines[0]["seq"] != self.next or lines[-1]["seq"] != self.next + len(lines) - 1:
                return None
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None
        self.crc = crc32(tail, before)
        return lines

    def _line_by_line(self, block: bytes) -> Iterator[Batch]:
        lines: list[Line] = []
        for raw in split_lines(block):
            if raw.startswith(b'{"seq":'):
                event = self._event(raw)
                if event is None:
                    break
                lines.append(event)
                self._pass(raw, 1)
                continue
            if lines:
                yield self._batch(lines)
                lines = []
            if not self._mark(raw):
                break
            self._pass(raw, 1)
        if lines:
            yield self._batch(lines)

    def _event(self, raw: bytes) -> Line | None:
        """One event, or None where the bytes do not verify."""
        if self.header is None:
            self._damaged("an event before any header")
            return None
        claimed = raw[-CRC_TAIL_LENGTH:]
        before = crc32(raw[:-CRC_TAIL_LENGTH], self.crc) if self.crc is not None else _claimed_crc(claimed)
        tail = CRC_TAIL % before
        if claimed != tail and is_erased(raw):
            before, tail = _claimed_crc(claimed), claimed
            self.erased.append(f"{self.header.writer}:{self.next}")
        if claimed != tail:
            self._damaged("the checksum does not match: bytes were changed, or lines are missing or out of order")
            return None
        try:
            line: Line = orjson.loads(raw)
            seq = int(line["seq"])
            if not {"at", "type", "v", "stream", "data"} <= line.keys():
                raise KeyError
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            self._damaged("not an event")
            return None
        if self.crc is None:
            self.next = max(self.next, seq)
        if seq != self.next:
            self._damaged(f"event {seq} where {self.next} should be")
            return None
        self.crc = crc32(tail, before)
        self.next = seq + 1
        return line

    def _mark(self, raw: bytes) -> bool:
        """A header or a seal; anything else is damage. Answers whether to go on."""
        try:
            header = layout.decode_header(raw)
        except NewerFormat as error:
            self._damaged(str(error))
            return False
        if header is not None:
            self.header, self.next, self.crc, self.seal = header, header.first, header.state, None
            return True
        seal = layout.decode_seal(raw)
        if seal is None or self.header is None or seal.writer != self.header.writer or seal.last != self.next - 1:
            self._damaged("neither an event nor a header nor a seal that fits")
            return False
        self.seal = seal
        return True

    def _batch(self, lines: list[Line]) -> Batch:
        assert self.header is not None
        self.next = lines[-1]["seq"] + 1
        self.covers[self.header.writer] = max(self.next, self.covers.get(self.header.writer, 0))
        return Batch(self.header.writer, lines)

    def _pass(self, raw: bytes, lines: int) -> None:
        self.offset += len(raw)
        self.line += lines

    def _damaged(self, reason: str) -> None:
        """Quarantine the rest, unless a skip that fits its bytes says to pass over the next ones."""
        if self._skip():
            return
        self.problem = Problem(self.path.name, self.line + 1, reason)

    def _skip(self) -> bool:
        for skip in layout.read_skips(self.path):
            if skip.start == self.offset and skip.end > skip.start:
                passed = read_span(self.path, skip.start, skip.end)
                if sha256(passed).hexdigest() == skip.sha256:
                    self.holes.append(
                        Problem(self.path.name, self.line + 1, f"passed over by repair: {skip.why}", harmless=True)
                    )
                    self.offset = skip.end
                    self.line += passed.count(b"\n")
                    self.crc = None
                    return True
        return False

    def tail(self) -> bytes:
        """The bytes after the last newline that was read."""
        return read_span(self.path, self.offset, self.offset + BLOCK)

    def adopt_tail(self) -> Batch | None:
        """The last line of a writer proven dead, if it is whole and valid but for its newline."""
        raw = self.tail() + b"\n"
        if not raw.startswith(b'{"seq":') or b"\n" in raw[:-1]:
            return None
        before = crc32(raw[:-CRC_TAIL_LENGTH], self.crc or 0)
        if self.crc is None or self.header is None or raw[-CRC_TAIL_LENGTH:] != CRC_TAIL % before:
            return None
        line: Line = orjson.loads(raw)
        self.offset += len(raw) - 1
        self.line += 1
        return self._batch([line])


ERASED = re.compile(
    rb'\{"seq":\d+,"at":"[^"]{27}",(?:"wall":"[^"]{27}",)?"type":"Erased","v":1,"stream":"[0-9a-f:]+","data":\{\}'
    rb',"crc":"[0-9a-f]{8}"\}\n'
)


def is_erased(raw: bytes) -> bool:
    """Whether a line has the form that erasure leaves: its checksum is of what stood there before."""
    return ERASED.fullmatch(raw) is not None


def _claimed_crc(tail: bytes) -> int:
    try:
        return int(tail[len(b',"crc":"') :][:CRC_LENGTH], 16)
    except ValueError:
        return 0


def split_lines(block: bytes) -> list[bytes]:
    """Lines with their newlines; unlike `splitlines`, a carriage return ends none."""
    return [line + b"\n" for line in block.split(b"\n")[:-1]]


def open_segment(path: Path) -> int:
    """A descriptor to read with. Raises OSError for anything that is no plain file (a link, a pipe, a device)."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path.name} is not a plain file")
    return fd


def read_span(path: Path, start: int, end: int) -> bytes:
    """The bytes from `start` to `end`, fewer where the file ends before."""
    fd = open_segment(path)
    try:
        return os.pread(fd, max(end - start, 0), start)
    finally:
        os.close(fd)
