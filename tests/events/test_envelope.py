"""Times, lines and checksums, to the byte."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from zlib import crc32

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltracker.errors import UnreadableEvent
from mltracker.events.catalogue import NoteChanged
from mltracker.events.envelope import (
    CRC_TAIL,
    CRC_TAIL_LENGTH,
    Recorded,
    encode,
    format_time,
    initial_crc,
    kind,
    parse_time,
    recorded,
)

A = "a" * 32
micros = st.integers(min_value=0, max_value=253_402_300_799_999_999)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (1_764_000_000_000_000, "2025-11-24T16:00:00.000000Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_written_in_full(moment: int, text: str) -> None:
    assert format_time(moment) == text
    assert parse_time(text) == moment


@given(micros)
def test_times_come_back(moment: int) -> None:
    assert parse_time(format_time(moment)) == moment


@given(micros, micros)
def test_times_sort_as_text(one: int, other: int) -> None:
    assert (one < other) == (format_time(one) < format_time(other))


@given(st.datetimes(timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=-9, minutes=-30))])))
def test_any_offset_is_understood(moment: datetime) -> None:
    expected = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
    assert parse_time(moment.isoformat()) == expected


@pytest.mark.parametrize("text", ["", "noon", "2026-11-24T25:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


def test_a_line_to_the_byte() -> None:
    state = initial_crc(A)
    line, after = encode(7, b"2026-11-24T12:00:00.000000Z", kind("NoteChanged", 1), b"s", b'{"text":"x"}', state)
    body, crc = line[:-CRC_TAIL_LENGTH], line[-CRC_TAIL_LENGTH:]
    assert body == (
        b'{"seq":7,"at":"2026-11-24T12:00:00.000000Z","type":"NoteChanged","v":1,"stream":"s","data":{"text":"x"}'
    )
    assert re.fullmatch(rb',"crc":"[0-9a-f]{8}"\}\n', crc)
    assert crc == CRC_TAIL % crc32(A.encode() + body)
    assert after == crc32(A.encode() + line)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3), max_size=5))
def test_the_checksum_runs_over_all_lines(payloads: list[dict[str, str]]) -> None:
    state, written = initial_crc(A), A.encode()
    for seq, payload in enumerate(payloads):
        line, state = encode(seq, b"t", kind("T", 1), b"s", orjson.dumps(payload), state)
        written += line
        assert line.count(b"\n") == 1
        assert orjson.loads(line)["data"] == payload
    assert state == crc32(written)


def test_a_line_as_recorded() -> None:
    line = {
        "seq": 3,
        "at": format_time(20),
        "wall": format_time(10),
        "type": "NoteChanged",
        "v": 1,
        "stream": f"{A}:1",
        "data": {"text": "x"},
    }
    event = recorded(A, line)
    assert event == Recorded(A, 3, 20, 10, "NoteChanged", 1, f"{A}:1", {"text": "x"})
    assert (event.id, event.session, event.stamp) == (f"{A}:3", f"{A}:0", (20, A, 3))
    assert event.event == NoteChanged(stream=f"{A}:1", text="x")
    del line["wall"]
    assert recorded(A, line).wall == 20


def test_an_event_that_does_not_fit_says_so_when_asked() -> None:
    event = Recorded(A, 3, 20, 20, "NoteChanged", 1, f"{A}:1", {"text": 7})
    with pytest.raises(UnreadableEvent, match=f"NoteChanged v1 on {A}:1 does not fit its schema"):
        _ = event.event
