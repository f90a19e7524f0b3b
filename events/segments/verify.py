"""Reading and checking everything, without stopping at what is found."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from mltracker.events.clock import Clock
from mltracker.events.envelope import CRC_TAIL_LENGTH
from mltracker.events.log import LostEvents, Problem, Report
from mltracker.events.segments import layout
from mltracker.events.segments.life import proven_dead
from mltracker.events.segments.reader import SegmentReader
from mltracker.events.segments.scan import Scan

SIDECARS = (".skip", ".seal", ".packed", ".damaged")


def verify(folder: Path) -> Report:
    """Check every byte of every segment, how the segments fit together, and what else lies there."""
    report = Report()
    events = folder / "events"
    erased: dict[str, Scan] = {}
    for name in layout.segment_names(events):
        report.segments += 1
        scan = Scan(events / name)
        _verify_segment(scan, report.problems)
        erased.update(dict.fromkeys(scan.erased, scan))
    _verify_whole(events, report, erased)
    report.problems += _foreign(events)
    return report


def _verify_segment(scan: Scan, problems: list[Problem]) -> None:
    path = scan.path
    try:
        for _ in scan.advance():
            pass
        problems += scan.holes
        if scan.problem is not None:
            problems.append(scan.problem)
            return
        if not scan.holes:
            problems += _verify_seals(path, scan.offset)
        problems += _verify_tail(scan)
        problems += _verify_sidecar(scan)
    except OSError as error:
        problems.append(Problem(path.name, None, f"cannot be read: {error}"))


def _verify_seals(path: Path, end: int) -> list[Problem]:
    """Each seal's SHA-256 and count against the bytes between its header and itself."""
    problems = []
    digest, count, offset = sha256(), 0, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            offset += len(line)
            if offset > end:
                break
            if line.startswith(layout.HEADER_START):
                digest, count = sha256(), 0
            elif (seal := layout.decode_seal(line)) is not None:
                if seal.sha256 != digest.hexdigest() or seal.count != count:
                    problems.append(Problem(path.name, number, "the seal does not fit what it seals"))
                continue
            else:
                count += 1
            digest.update(line)
    return problems


def _verify_tail(scan: Scan) -> list[Problem]:
    tail = scan.tail()
    if not tail:
        return []
    if scan.header is None:
        return [Problem(scan.path.name, 1, "no header yet: its writer is starting or died", harmless=True)]
    if _holds_whole_line(tail):
        return [Problem(scan.path.name, scan.line + 1, "bytes follow the last whole line in place of its newline")]
    if not proven_dead(scan.path, scan.header):
        return [Problem(scan.path.name, scan.line + 1, "unfinished last line (being written?)", harmless=True)]
    line = scan.line + 1
    if scan.adopt_tail() is not None:
        return [Problem(scan.path.name, line, "the last line lacks its newline; it counts", harmless=True)]
    return [Problem(scan.path.name, line, f"torn last line of {len(tail)} bytes; it was never log", harmless=True)]


def _holds_whole_line(tail: bytes) -> bool:
    """Whether a whole line and something more stands there: no append leaves that behind."""
    end = tail.find(b'"}', tail.find(b',"crc":"')) + 2
    return 2 < end < len(tail) and len(tail) - end + CRC_TAIL_LENGTH < len(tail)


def _verify_sidecar(scan: Scan) -> list[Problem]:
    path = scan.path.with_suffix(".seal")
    if not path.exists():
        return []
    seal = layout.decode_seal(path.read_bytes())
    content = scan.path.read_bytes()
    if seal is None or seal.sha256 != sha256(content).hexdigest():
        return [Problem(path.name, 1, "the seal does not fit the segment")]
    return []


def _verify_whole(events: Path, report: Report, erased: dict[str, Scan]) -> None:
    """What no file shows by itself: how many events there are, missing ones, copies that differ, erasures."""
    reader = SegmentReader(events, Clock())
    named: set[str] = set()
    try:
        for batch in reader.poll():
            report.events += len(batch.lines)
            for line in batch.lines:
                if line["type"] == "EventErased":
                    named.update(line["data"]["events"])
    except LostEvents as lost:
        report.problems.append(Problem("events", None, str(lost)))
    report.problems += [
        Problem(scan.path.name, None, f"event {name} looks erased, but no EventErased names it")
        for name, scan in erased.items()
        if name not in named
    ]
    known = {problem.reason for problem in report.problems}
    report.problems += [problem for problem in reader.notices if problem.reason not in known]


def _foreign(events: Path) -> list[Problem]:
    if not events.is_dir():
        return []
    names = [entry.name for entry in os.scandir(events) if not entry.name.endswith((layout.SUFFIX, *SIDECARS))]
    return [Problem(name, None, "not part of a log; passed over", harmless=True) for name in sorted(names)]
