"""Packing many small finished segments into few files, so that a store of ten thousand runs opens fast."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import orjson

from mltracker.events.segments import layout
from mltracker.events.segments.life import proven_dead
from mltracker.events.segments.scan import Scan, read_span

SMALL = 1 << 20
PACK_SIZE = 64 << 20
GRACE_SECONDS = 3600.0
"""Readers that listed the folder before may still open a source for this long."""


@dataclass(slots=True)
class CompactReport:
    """`packed` segments went into `packs` files; `removed` sources of earlier packs are gone."""

    packed: int = 0
    packs: int = 0
    removed: int = 0


def compact(folder: Path, *, grace: float = GRACE_SECONDS) -> CompactReport:
    """Pack segments under 1 MiB that are sealed or whose writer is proven dead; remove sources packed `grace` s ago.

    Raises OSError; killed at any moment, every event is still there, once.
    """
    events = folder / "events"
    report = CompactReport()
    packed = _remove_sources(events, grace, report)
    for group in _groups(events, packed):
        if len(group) > 1:
            _write_pack(events, group)
            report.packed += len(group)
            report.packs += 1
    if grace <= 0:
        _remove_sources(events, grace, report)
    return report


def _remove_sources(events: Path, grace: float, report: CompactReport) -> set[str]:
    """Remove what was packed long enough ago; answers the names that are in a pack already."""
    packed: set[str] = set()
    for sidecar in sorted(events.glob("*.packed")):
        listed = orjson.loads(sidecar.read_bytes())
        if not sidecar.with_suffix(layout.SUFFIX).exists():
            continue
        for name, digest in listed["sources"].items():
            path = events / name
            if not path.exists() or sha256(path.read_bytes()).hexdigest() != digest:
                continue
            if time.time() - listed["at"] >= grace:
                path.unlink()
                report.removed += 1
            else:
                packed.add(name)
    if report.removed:
        layout.sync_folder(events)
    return packed


def _groups(events: Path, packed: set[str]) -> Iterator[list[tuple[Path, bytes, bytes]]]:
    """(path, bytes on disk, bytes for the pack) of the segments that may be packed, a pack's worth at a time."""
    group: list[tuple[Path, bytes, bytes]] = []
    size = 0
    for name in layout.segment_names(events):
        path = events / name
        if name in packed or path.stat().st_size > SMALL or path.with_suffix(".skip").exists():
            continue
        content = finished(path)
        if content is None:
            continue
        group.append((path, *content))
        size += len(content[1])
        if size >= PACK_SIZE:
            yield group
            group, size = [], 0
    yield group


def finished(path: Path) -> tuple[bytes, bytes] | None:
    """A segment's bytes as they are and as they go into a pack, sealed; None if its writer may go on."""
    scan = Scan(path)
    for _ in scan.advance():
        pass
    if scan.problem is not None or scan.header is None or scan.next == 0:
        return None
    if scan.seal is not None:
        content = read_span(path, 0, scan.offset)
        return content, content
    if not proven_dead(path, scan.header):
        return None
    original = path.read_bytes()
    scan.adopt_tail()
    content = original[: scan.offset]
    content += b"" if content.endswith(b"\n") else b"\n"
    count = scan.next - scan.header.first
    seal = layout.Seal(scan.header.writer, count, scan.next - 1, sha256(content).hexdigest())
    return original, content + seal.encode()


def _write_pack(events: Path, group: list[tuple[Path, bytes, bytes]]) -> None:
    path = events / f"pack-{secrets.token_hex(8)}{layout.SUFFIX}"
    sources = {source.name: sha256(original).hexdigest() for source, original, _ in group}
    layout.replace_durably(path, b"".join(content for _, _, content in group))
    layout.replace_durably(path.with_suffix(".packed"), orjson.dumps({"at": time.time(), "sources": sources}))
