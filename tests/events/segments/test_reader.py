"""Cursors: every event once, in whatever files it lies, and from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from mltracker.errors import InvalidValue
from mltracker.events.envelope import encode, format_time, initial_crc, kind
from mltracker.events.log import LostEvents, Reader
from mltracker.events.segments import SegmentLog, compact, layout, pull

Write = Callable[[SegmentLog, int], str]


def drain(reader: Reader) -> list[str]:
    return [f"{batch.writer}:{line['seq']}" for batch in reader.poll() for line in batch.lines]


def test_only_what_is_new(log: SegmentLog, write: Write) -> None:
    reader = log.reader()
    write(log, 5)
    assert len(drain(reader)) == 8
    assert drain(reader) == []
    write(log, 5)
    assert len(drain(reader)) == 7


def test_other_writers_are_seen(log: SegmentLog, store: Path, write: Write) -> None:
    reader = log.reader()
    for _ in range(3):
        other = SegmentLog(store)
        write(other, 2)
        assert len(drain(reader)) == 5
        other.close()
        assert len(drain(reader)) == 1
    assert len(reader.position) == 3


def test_own_events_alone(log: SegmentLog, store: Path, write: Write) -> None:
    reader = log.reader()
    other = SegmentLog(store)
    write(other, 2)
    write(log, 2)
    assert sum(len(batch.lines) for batch in reader.poll(own_only=True)) == 5
    assert sum(len(batch.lines) for batch in reader.poll()) == 5
    other.close()


def test_a_checkpoint_goes_on_where_it_stood(log: SegmentLog, store: Path, write: Write) -> None:
    sealed = SegmentLog(store)
    write(sealed, 3)
    sealed.close()
    write(log, 3)
    reader = log.reader()
    drain(reader)
    checkpoint = orjson.loads(orjson.dumps(reader.checkpoint()))
    write(log, 1)
    other = SegmentLog(store)
    write(other, 1)
    assert len(drain(log.reader(checkpoint))) == 3 + 4
    other.close()


def test_a_checkpoint_ahead_of_the_log_is_refused(store: Path, sealed: Path) -> None:
    reader = SegmentLog(store).reader()
    drain(reader)
    checkpoint = reader.checkpoint()
    sealed.write_bytes(sealed.read_bytes()[:5000])
    with pytest.raises(LostEvents):
        drain(SegmentLog(store).reader({**checkpoint, "files": _as_live(checkpoint["files"])}))
    sealed.unlink()
    with pytest.raises(LostEvents):
        drain(SegmentLog(store).reader(checkpoint))


def _as_live(files: dict[str, list[object]]) -> dict[str, list[object]]:
    return {name: [False, *state[1:]] for name, state in files.items()}


def test_merging_is_a_union_in_either_order(tmp_path: Path, write: Write) -> None:
    for name in ("a", "b"):
        for _ in range(2):
            log = SegmentLog(tmp_path / name)
            write(log, 20)
            log.close()
    pull(tmp_path / "a", tmp_path / "ab")
    first = pull(tmp_path / "b", tmp_path / "ab")
    again = pull(tmp_path / "b", tmp_path / "ab")
    pull(tmp_path / "b", tmp_path / "ba")
    pull(tmp_path / "a", tmp_path / "ba")
    assert (first.segments, first.events, again.segments, again.events) == (2, 48, 0, 0)
    histories = [[event.id for event in SegmentLog(tmp_path / name).history()] for name in ("ab", "ba")]
    assert histories[0] == histories[1] and len(set(histories[0])) == 96


def test_a_longer_copy_replaces_a_shorter_one_never_the_other_way(tmp_path: Path, write: Write) -> None:
    log = SegmentLog(tmp_path / "there")
    write(log, 10)
    log.sync()
    pull(tmp_path / "there", tmp_path / "here")
    reader = SegmentLog(tmp_path / "here").reader()
    assert len(drain(reader)) == 13
    write(log, 10)
    log.sync()
    assert pull(tmp_path / "there", tmp_path / "here").events == 12
    assert len(drain(reader)) == 12
    log.close()
    pull(tmp_path / "there", tmp_path / "here")
    assert len(drain(reader)) == 1
    assert pull(tmp_path / "here", tmp_path / "there").segments == 0


def test_a_diverged_copy_is_refused_and_named(tmp_path: Path, write: Write) -> None:
    log = SegmentLog(tmp_path / "there")
    write(log, 10)
    log.close()
    pull(tmp_path / "there", tmp_path / "here")
    path = next((tmp_path / "there" / "events").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"loss":', b'"LOSS":', 1))
    report = pull(tmp_path / "there", tmp_path / "here")
    assert [problem.file for problem in report.refused] == [path.name]


def test_an_intact_copy_mends_a_damaged_one(tmp_path: Path, write: Write) -> None:
    log = SegmentLog(tmp_path / "there")
    write(log, 10)
    log.close()
    pull(tmp_path / "there", tmp_path / "here")
    path = next((tmp_path / "here" / "events").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"loss":', b'"LOSS":', 1))
    reader = SegmentLog(tmp_path / "here").reader()
    before = len(drain(reader))
    assert before < 14 and reader.notices
    pull(tmp_path / "there", tmp_path / "here")
    assert before + len(drain(reader)) == 14 and not reader.notices


def write_part(store: Path, part: int, first: int, names: list[str], state: int) -> int:
    """A part of writer 0...0 by hand, one ExperimentCreated per name; the CRC state after its second event."""
    layout.make_store(store)
    writer = "0" * 32
    content = layout.Header(writer, part, first, state, "", "", "", 1, False).encode()
    after = state
    for index, name in enumerate(names):
        at = format_time(1_800_000_000_000_000 + first + index).encode()
        stream = f"{writer}:{first + index}".encode()
        line, state = encode(
            first + index, at, kind("ExperimentCreated", 1), stream, b'{"name":"%b"}' % name.encode(), state
        )
        content += line
        after = state if index == 1 else after
    layout.segment_path(store, writer, part).write_bytes(content)
    return after


def test_where_parts_differ_the_higher_holds_and_verify_names_it(store: Path) -> None:
    after_two = write_part(store, 0, 0, ["a", "b", "c", "d"], initial_crc("0" * 32))
    early = SegmentLog(store).reader()
    assert len(drain(early)) == 4
    write_part(store, 1, 2, ["C", "D", "E"], after_two)
    with pytest.raises(LostEvents, match="other bytes"):
        drain(early)
    lines = [line for batch in SegmentLog(store).reader().poll() for line in batch.lines]
    assert [line["data"]["name"] for line in lines] == ["a", "b", "C", "D", "E"]
    assert [event.data["name"] for event in SegmentLog(store).history()] == ["a", "b", "C", "D", "E"]
    report = SegmentLog(store).verify()
    assert not report.ok and report.events == 5


def test_packing_keeps_every_event_once_under_a_running_reader(store: Path, write: Write) -> None:
    early = SegmentLog(store).reader()
    for index in range(20):
        log = SegmentLog(store)
        write(log, 5)
        log.close()
        if index == 9:
            assert len(drain(early)) == 90
    expected = [event.id for event in SegmentLog(store).history()]
    checkpoint = SegmentLog(store).reader()
    drain(checkpoint)
    assert compact(store, grace=3600).packed == 20
    assert SegmentLog(store).verify().events == len(expected)
    assert [event.id for event in SegmentLog(store).history()] == expected
    report = compact(store, grace=0)
    assert (report.packed, report.removed) == (0, 20)
    assert len(list((store / "events").glob("*.jsonl"))) == 1
    assert [event.id for event in SegmentLog(store).history()] == expected
    assert len(drain(early)) == 90 and drain(checkpoint) == []
    assert drain(SegmentLog(store).reader(checkpoint.checkpoint())) == []
    assert SegmentLog(store).verify().ok


def test_pulling_a_store_into_itself_or_nothing_but_damage(store: Path, sealed: Path) -> None:
    with pytest.raises(InvalidValue):
        pull(store, store)
    sealed.write_bytes(b"\xff" + sealed.read_bytes()[1:])
    assert len(pull(store, store.with_name("new")).refused) == 1
    assert not store.with_name("new").exists()


def test_a_live_writer_is_never_packed(log: SegmentLog, store: Path, write: Write) -> None:
    write(log, 1)
    for _ in range(2):
        other = SegmentLog(store)
        write(other, 1)
        other.close()
    assert compact(store).packed == 2
