"""FORMAT.md says what is so: its examples verify, and the code writes the very same bytes."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any
from zlib import crc32

import orjson
import pytest

from mltracker.events import values
from mltracker.events.catalogue import load
from mltracker.events.envelope import CRC_TAIL, encode, initial_crc, kind

TEXT = (Path(__file__).parents[2] / "events" / "FORMAT.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


SEGMENT = [line.encode() for line in blocks("jsonl")[0].splitlines(keepends=True)]
SKIP, ERASED = (orjson.loads(block) for block in blocks("json"))
HEADER, *EVENTS, SEAL = (orjson.loads(line) for line in SEGMENT)


def test_the_way_to_verify_works() -> None:
    exec(blocks("python")[0], {"lines": SEGMENT})


def test_the_way_to_verify_finds_a_changed_byte() -> None:
    damaged = [line.replace(b"mnist", b"mnisT") for line in SEGMENT]
    with pytest.raises(AssertionError):
        exec(blocks("python")[0], {"lines": damaged})


def test_events_are_encoded_as_shown() -> None:
    state = initial_crc(HEADER["writer"])
    assert HEADER["state"] == f"{state:08x}"
    for event, shown in zip(EVENTS, SEGMENT[1:-1], strict=True):
        at = event["at"] + (f'","wall":"{event["wall"]}' if "wall" in event else "")
        data, stream = orjson.dumps(event["data"]), event["stream"].encode()
        line, state = encode(event["seq"], at.encode(), kind(event["type"], event["v"]), stream, data, state)
        assert line == shown


def test_events_are_readable() -> None:
    for event in EVENTS:
        assert load(event["type"], event["v"], event["stream"], event["data"]).data() == event["data"]


@pytest.mark.parametrize("line", [SEGMENT[0], SEGMENT[-1]], ids=["header", "seal"])
def test_header_and_seal_carry_a_checksum_of_their_own(line: bytes) -> None:
    body = line[: line.rindex(b',"crc":"')]
    assert line == body + CRC_TAIL % crc32(body)


def test_the_seal_covers_what_is_before_it() -> None:
    assert SEAL["sha256"] == sha256(b"".join(SEGMENT[:-1])).hexdigest()
    assert (SEAL["count"], SEAL["last"], SEAL["writer"]) == (len(EVENTS), EVENTS[-1]["seq"], HEADER["writer"])


def test_the_skip_names_the_damaged_bytes() -> None:
    damaged = b"".join(SEGMENT).replace(b"mnist", b"mnisT")[SKIP["from"] : SKIP["to"]]
    assert SKIP["sha256"] == sha256(damaged).hexdigest()
    assert damaged.endswith(b"\n")


def test_an_erased_line_keeps_what_identifies_it() -> None:
    original = EVENTS[ERASED["seq"]]
    assert {**original, "type": "Erased", "v": 1, "data": {}} == ERASED


@pytest.mark.parametrize("row", re.findall(r"^\| `(\{.*)` \| `(\{.*)` \|$", TEXT, re.MULTILINE))
def test_parameters_are_written_as_the_table_says(row: tuple[str, str]) -> None:
    python, written = row
    value: Any = eval(python, {"PurePath": PurePath})
    assert orjson.dumps(values.encode(value)) == written.encode()


def test_the_segment_log_writes_such_headers_and_seals() -> None:
    from mltracker.events.segments import layout

    header, seal = layout.decode_header(SEGMENT[0]), layout.decode_seal(SEGMENT[-1])
    assert header is not None and header.encode() == SEGMENT[0]
    assert seal is not None and seal.encode() == SEGMENT[-1]
