"""The union with another store: its segments are copied here; what is here already is left alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mltracker.errors import InvalidValue, NotFound
from mltracker.events.log import Problem
from mltracker.events.segments import layout
from mltracker.events.segments.erase import erasures, obey, without
from mltracker.events.segments.scan import Scan, read_span


@dataclass(slots=True)
class PullReport:
    """What came: `segments` files, `bytes` and `events` that were not here before; `refused`: what did not, and why."""

    segments: int = 0
    bytes: int = 0
    events: int = 0
    refused: list[Problem] = field(default_factory=list)


def pull(source: Path, into: Path, progress: Callable[[int, int], None] | None = None) -> PullReport:
    """Copy every verified segment of `source` that is not here, or is longer or intact there.

    A damaged or diverged one is refused and named. Twice is once. `progress(done, total)` counts files.
    Raises NotFound where `source` is no store, InvalidValue where it is this one, NotAStore, NewerFormat, OSError.
    """
    if not (source / "store.json").exists():
        raise NotFound(f"{source} is no store", hint="Name a folder that holds a store.json")
    layout.check_store(source)
    layout.check_store(into)
    if into.exists() and source.samefile(into):
        raise InvalidValue("source", f"{source} is this store itself")
    report = PullReport()
    erased = erasures(source) | erasures(into)
    names = layout.segment_names(source / "events")
    for done, name in enumerate(names, 1):
        _pull_segment(source / "events" / name, into / "events" / name, report, erased)
        if progress is not None:
            progress(done, len(names))
    if erased:
        obey(into, erased)
    _pull_blobs(source / "blobs", into / "blobs")
    return report


def _pull_segment(there: Path, here: Path, report: PullReport, erased: set[str]) -> None:
    theirs, events = _scanned(there)
    if theirs.problem is not None:
        report.refused.append(theirs.problem)
        return
    if theirs.header is None:
        return
    if not here.exists():
        _copy(theirs, here, report, erased, known=0, events=events)
        return
    ours, known = _scanned(here)
    is_worse = ours.problem is not None or (ours.holes and not theirs.holes)
    if is_worse and theirs.next >= ours.next:
        here.replace(here.with_suffix(f".{ours.offset}.damaged"))
        here.with_suffix(".skip").unlink(missing_ok=True)
        _copy(theirs, here, report, erased, known=ours.offset, events=events - known)
        return
    their_bytes, our_bytes = _bytes(theirs, erased), _bytes(ours, erased)
    shared = min(len(their_bytes), len(our_bytes))
    if their_bytes[:shared] != our_bytes[:shared]:
        report.refused.append(Problem(there.name, None, "differs from the segment of that name here"))
    elif len(their_bytes) > len(our_bytes):
        _copy(theirs, here, report, erased, known=ours.offset, events=events - known)


def _scanned(path: Path) -> tuple[Scan, int]:
    """A segment, read through, and the number of its events."""
    scan, events = Scan(path), 0
    try:
        events = sum(len(batch.lines) for batch in scan.advance())
    except OSError as error:
        scan.problem = Problem(path.name, None, f"cannot be read: {error}")
    return scan, events


def _bytes(scan: Scan, erased: set[str]) -> bytes:
    """The verified bytes of a segment, without what either store has erased."""
    content = read_span(scan.path, 0, scan.offset)
    return without(content, erased) if erased else content


def _copy(theirs: Scan, here: Path, report: PullReport, erased: set[str], *, known: int, events: int) -> None:
    layout.make_store(here.parent.parent)
    layout.replace_durably(here, _bytes(theirs, erased))
    skip = theirs.path.with_suffix(".skip")
    if skip.exists():
        layout.replace_durably(here.with_suffix(".skip"), skip.read_bytes())
    report.segments += 1
    report.bytes += theirs.offset - known
    report.events += events


def _pull_blobs(there: Path, here: Path) -> None:
    if not there.is_dir() or not here.parent.is_dir():
        return
    here.mkdir(exist_ok=True)
    for blob in there.iterdir():
        if blob.is_file() and not blob.is_symlink() and not (here / blob.name).exists():
            draft = here / f"{blob.name}.tmp"
            shutil.copyfile(blob, draft)
            draft.replace(here / blob.name)
