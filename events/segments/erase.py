"""Erasing payloads for good: secrets and personal data happen. The one exception to "never edited", on record."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import orjson

from mltracker.errors import InvalidValue, NotFound
from mltracker.events.catalogue import EventErased
from mltracker.events.envelope import CRC_TAIL_LENGTH
from mltracker.events.segments import layout
from mltracker.events.segments.compact import finished
from mltracker.events.segments.log import SegmentLog
from mltracker.events.segments.scan import Scan, split_lines


def erase(folder: Path, events: Iterable[str], *, who: str, why: str) -> int:
    """Erase the payloads of these events (`writer:seq`) in every segment that holds them; how many files that were.

    First the erasure itself is recorded, durably; killed after that, the same call finishes it. Read models in the
    store are removed. Raises NotFound for an event that is not there, InvalidValue where its writer has not ended or
    where it is an erasure itself, OSError.
    """
    names = list(dict.fromkeys(events))
    found = _holders(folder / "events", set(names), again=True)
    missing = set(names) - {name for _, held in found.values() for name in held}
    if missing or not names:
        raise NotFound(f"there is no event {min(missing, default='')} in {folder}")
    log = SegmentLog(folder)
    try:
        log.append(EventErased(events=names, who=who, why=why))
    finally:
        log.close()
    _rewrite(folder, found)
    return len(found)


def erasures(folder: Path) -> set[str]:
    """The events that this store has on record as erased."""
    named: set[str] = set()
    for name in layout.segment_names(folder / "events"):
        path = folder / "events" / name
        if b'"type":"EventErased"' in path.read_bytes():
            lines = [line for batch in Scan(path).advance() for line in batch.lines]
            named.update(*(line["data"]["events"] for line in lines if line["type"] == EventErased.type))
    return named


def obey(folder: Path, names: set[str]) -> None:
    """Erase what another store has erased, where it is here too. Raises InvalidValue as `erase` does, OSError."""
    found = _holders(folder / "events", names, again=False)
    if found:
        _rewrite(folder, found)


def _rewrite(folder: Path, found: dict[Path, tuple[bytes, set[str]]]) -> None:
    for path, (content, held) in found.items():
        layout.replace_durably(path, without(content, held))
    _drop_read_models(folder / "projections")


def _holders(events: Path, names: set[str], *, again: bool) -> dict[Path, tuple[bytes, set[str]]]:
    """The files that hold these events, with their sealed bytes and the names. Raises InvalidValue.

    `again`: those that are erased already too, to finish what was begun.
    """
    found: dict[Path, tuple[bytes, set[str]]] = {}
    for name in layout.segment_names(events):
        path = events / name
        held: set[str] = set()
        for batch in Scan(path).advance():
            for line in batch.lines:
                if (ident := f"{batch.writer}:{line['seq']}") in names and (again or line["type"] != "Erased"):
                    if line["type"] == EventErased.type:
                        raise InvalidValue("event", f"{ident} records an erasure, and stays")
                    held.add(ident)
        if held:
            content = finished(path)
            if content is None:
                raise InvalidValue(
                    "event", f"{min(held)} lies in {name}, whose writer has not ended or which is damaged",
                    hint="Close what writes to it, or repair it, and try again",
                )  # fmt: skip
            found[path] = (content[1], held)
    return found


def without(content: bytes, names: set[str]) -> bytes:
    """A segment or pack with these payloads erased and each seal made anew."""
    done: list[bytes] = []
    writer, digest = "", sha256()
    for raw in split_lines(content):
        header, seal = layout.decode_header(raw), layout.decode_seal(raw)
        line = raw
        if header is not None:
            writer, digest = header.writer, sha256()
        elif seal is not None:
            line = layout.Seal(seal.writer, seal.count, seal.last, digest.hexdigest()).encode()
        elif f"{writer}:{int(raw[7 : raw.index(b',')])}" in names:
            line = _erased(raw)
        digest.update(line)
        done.append(line)
    return b"".join(done)


def _erased(raw: bytes) -> bytes:
    line = orjson.loads(raw)
    fields = {key: line[key] for key in ("seq", "at", "wall", "type", "v", "stream", "data") if key in line}
    return orjson.dumps({**fields, "type": "Erased", "v": 1, "data": {}})[:-1] + raw[-CRC_TAIL_LENGTH:]


def _drop_read_models(folder: Path) -> None:
    """They hold what was erased; the next question builds them anew."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.is_file() and path.suffix != ".lock":
                path.unlink(missing_ok=True)
        layout.sync_folder(folder)
