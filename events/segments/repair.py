"""Making what follows damage readable again, without touching a segment: a skip says which bytes to pass over."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from zlib import crc32

import orjson

from mltracker.events.envelope import CRC_TAIL, CRC_TAIL_LENGTH
from mltracker.events.log import Problem
from mltracker.events.segments import layout
from mltracker.events.segments.scan import Scan, split_lines


def repair(folder: Path) -> list[Problem]:
    """Write a skip for every damaged span after which whole lines follow; answers what is passed over now.

    An intact copy is better than a skip: try `pull` from another store first. Raises OSError.
    """
    passed: list[Problem] = []
    for name in layout.segment_names(folder / "events"):
        path = folder / "events" / name
        while (problem := _scan(path)) is not None:
            scan, found = problem
            if not _skip_damage(scan, found):
                break
            passed.append(found)
    return passed


def _scan(path: Path) -> tuple[Scan, Problem] | None:
    scan = Scan(path)
    for _ in scan.advance():
        pass
    return (scan, scan.problem) if scan.problem is not None else None


def _skip_damage(scan: Scan, found: Problem) -> bool:
    """Pass over the span from the damage to the next line that its follower confirms; False if there is none."""
    content = scan.path.read_bytes()
    whole = content.rfind(b"\n") + 1
    rest = content[scan.offset : whole]
    if scan.header is None or not rest:
        return False
    span = _damaged_length(split_lines(rest))
    skip = layout.Skip(
        scan.offset, scan.offset + span, sha256(rest[:span]).hexdigest(), f"line {found.line}: {found.reason}"
    )
    sidecar = scan.path.with_suffix(".skip")
    earlier = b"".join(known.encode() for known in layout.read_skips(scan.path))
    layout.replace_durably(sidecar, earlier + skip.encode())
    return True


def _damaged_length(lines: list[bytes]) -> int:
    length = len(lines[0])
    for line, follower in zip(lines[1:], [*lines[2:], b""], strict=True):
        if _continues(line, follower):
            break
        length += len(line)
    return length


def _continues(line: bytes, follower: bytes) -> bool:
    """Whether a line is whole, and the one after it, if it is an event, was written right after it."""
    if layout.decode_header(line) is not None:
        return True
    if not line.startswith(b'{"seq":') or not _is_json(line):
        return False
    if not follower.startswith(b'{"seq":'):
        return True
    try:
        before = int(line[-CRC_TAIL_LENGTH + 8 : -3], 16)
    except ValueError:
        return False
    state = crc32(CRC_TAIL % before, before)
    return follower.endswith(CRC_TAIL % crc32(follower[:-CRC_TAIL_LENGTH], state))


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
