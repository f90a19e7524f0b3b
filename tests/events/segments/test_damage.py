"""What happens to bytes: torn, flipped, missing, doubled, swapped, renamed, copied, foreign."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mltracker.errors import NotAStore
from mltracker.events.log import Line
from mltracker.events.segments import SegmentLog, compact, pull, repair


def read(store: Path) -> tuple[list[Line], list[str]]:
    reader = SegmentLog(store).reader()
    found = [line for batch in reader.poll() for line in batch.lines]
    return found, [f"{notice.file}:{notice.line}" for notice in reader.notices]


def test_a_sound_store_verifies(store: Path, sealed: Path) -> None:
    report = SegmentLog(store).verify()
    assert (report.ok, report.problems, report.events, report.segments) == (True, [], 200, 1)


@pytest.mark.parametrize("quarter", range(4))
def test_every_single_byte_flip_is_detected(store: Path, sealed: Path, quarter: int) -> None:
    sound = sealed.read_bytes()
    missed = []
    for offset in range(quarter, len(sound), 4):
        sealed.write_bytes(sound[:offset] + bytes([sound[offset] ^ (1 << offset % 8)]) + sound[offset + 1 :])
        if SegmentLog(store).verify().ok:
            missed.append(offset)
    assert missed == []


def test_truncation_at_every_byte_of_the_last_three_records_keeps_all_earlier_ones(store: Path, sealed: Path) -> None:
    sound = sealed.read_bytes()
    ends = [index + 1 for index, byte in enumerate(sound) if byte == 0x0A]
    for size in range(ends[-5], len(sound)):
        sealed.write_bytes(sound[:size])
        found, notices = read(store)
        whole = sum(end <= size for end in ends) - 1  # without the header
        assert [line["seq"] for line in found][:whole] == list(range(min(whole, 200)))
        assert notices == []
        assert SegmentLog(store).verify().ok


def test_a_dead_writers_last_line_counts_without_its_newline(store: Path, sealed: Path) -> None:
    sound = sealed.read_bytes()
    unsealed = sound[: sound.rfind(b"\n", 0, -1)]
    sealed.write_bytes(unsealed)
    os.utime(sealed, (0, 0))
    found, _ = read(store)
    assert len(found) == 200
    problems = SegmentLog(store).verify().problems
    assert [(problem.line, problem.harmless) for problem in problems] == [(201, True)]
    assert sealed.read_bytes() == unsealed


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: lines[:100] + lines[101:],
        lambda lines: [*lines[:100], lines[100], *lines[100:]],
        lambda lines: [*lines[:100], lines[101], lines[100], *lines[102:]],
        lambda lines: [*lines[:100], b"rubbish\n", *lines[100:]],
        lambda lines: [*lines[:100], b"\0" * 4096 + b"\n", *lines[100:]],
    ],
    ids=["missing", "doubled", "swapped", "rubbish", "nul"],
)
def test_spoiled_lines_quarantine_the_rest_and_are_named(store: Path, sealed: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    lines = sealed.read_bytes().splitlines(keepends=True)
    sealed.write_bytes(b"".join(spoil(lines)))
    found, notices = read(store)
    line = notices[0]
    assert line.startswith(sealed.name) and int(line.rpartition(":")[2]) in (101, 102)
    assert [event["seq"] for event in found] == list(range(len(found))) and 99 <= len(found) <= 100
    report = SegmentLog(store).verify()
    assert not report.ok and report.problems[0].file == sealed.name and report.problems[0].line in (101, 102)


def test_other_segments_answer_beside_a_damaged_one(store: Path, sealed: Path) -> None:
    sealed.write_bytes(b"\xff" + sealed.read_bytes()[1:])
    other = SegmentLog(store)
    other.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1.5},"step":1}')
    other.close()
    found, notices = read(store)
    assert [line["type"] for line in found] == ["SessionStarted", "MetricsRecorded", "SessionEnded"]
    assert notices == [f"{sealed.name}:1"]


def test_a_renamed_segment_is_read_and_a_copy_counts_once(store: Path, sealed: Path) -> None:
    shutil.copy(sealed, sealed.with_name("copy-of-a-run.jsonl"))
    assert len(read(store)[0]) == 200
    sealed.unlink()
    assert len(read(store)[0]) == 200
    assert SegmentLog(store).verify().ok


def test_a_copy_that_differs_is_named(store: Path, sealed: Path) -> None:
    other = SegmentLog(store.with_name("other"))
    other.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1.5},"step":1}')
    other.close()
    content = next((other.folder / "events").iterdir()).read_bytes()
    sealed.with_name("zz.jsonl").write_bytes(content.replace(b'"a":1.5', b'"a":2.5'))
    assert not SegmentLog(store).verify().ok


@pytest.mark.parametrize("name", ["notes.txt", "foreign.jsonl", "pipe.jsonl", "link.jsonl"])
def test_foreign_files_do_no_harm(store: Path, sealed: Path, name: str) -> None:
    path = sealed.with_name(name)
    if name.startswith("pipe"):
        os.mkfifo(path)
    elif name.startswith("link"):
        path.symlink_to("/etc/hostname")
    else:
        path.write_bytes(b"hello\nworld\n")
    found, notices = read(store)
    assert len(found) == 200
    assert [notice.partition(":")[0] for notice in notices] == ([] if name == "notes.txt" else [name])
    problems = SegmentLog(store).verify().problems
    assert [problem.file for problem in problems] == [name]


def test_repair_passes_over_the_damage_and_nothing_else(store: Path, sealed: Path) -> None:
    sound = sealed.read_bytes()
    spoiled = bytearray(sound)
    for step in (b'"step":100', b'"step":150'):
        spoiled[sound.index(step) + 9] ^= 1
    sealed.write_bytes(spoiled)
    assert len(read(store)[0]) == 103
    passed = repair(store)
    assert [problem.line for problem in passed] == [105, 155]
    found, notices = read(store)
    assert len(found) == 198
    assert notices == [f"{sealed.name.partition('.')[0]}.*:None"] * 2
    assert not SegmentLog(store).verify().ok
    assert sealed.read_bytes() == bytes(spoiled)
    assert repair(store) == []


def test_a_skip_that_names_other_bytes_is_void(store: Path, sealed: Path) -> None:
    spoiled = bytearray(sealed.read_bytes())
    place = spoiled.index(b'"step":100') + 9
    spoiled[place] ^= 1
    sealed.write_bytes(spoiled)
    repair(store)
    spoiled[place] ^= 2
    sealed.write_bytes(spoiled)
    assert len(read(store)[0]) == 103


def test_a_running_reader_goes_on_after_repair(store: Path, sealed: Path) -> None:
    spoiled = bytearray(sealed.read_bytes())
    spoiled[spoiled.index(b'"step":100') + 9] ^= 1
    sealed.write_bytes(spoiled)
    reader = SegmentLog(store).reader()
    before = sum(len(batch.lines) for batch in reader.poll())
    assert reader.notices[0].line == 105
    repair(store)
    after = sum(len(batch.lines) for batch in reader.poll())
    assert before + after == 199


@pytest.mark.parametrize("repaired_first", [True, False])
def test_an_intact_copy_in_a_pack_stands_in_for_a_repaired_segment(store: Path, write, repaired_first: bool) -> None:  # type: ignore[no-untyped-def]
    for _ in range(2):
        log = SegmentLog(store)
        write(log, 50)
        log.close()
    expected = [event.id for event in SegmentLog(store).history()]
    paths = sorted((store / "events").glob("*.jsonl"))
    if not repaired_first:
        compact(store)
    running = SegmentLog(store).reader()
    for _ in running.poll():
        pass
    sound = paths[0].read_bytes()
    paths[0].write_bytes(sound.replace(b'"step":20}', b'"step":99}', 1))
    repair(store)
    if repaired_first:
        other = store.with_name("other")
        shutil.copytree(store, other)
        (other / "events" / paths[0].name).write_bytes(sound)
        (other / "events" / paths[0].name).with_suffix(".skip").unlink()
        compact(other)
        pull(other, store)
    found, notices = read(store)
    assert sorted(f"{line['seq']}" for line in found) == sorted(ident.partition(":")[2] for ident in expected)
    assert notices == []
    assert SegmentLog(store).verify().events == len(expected)


def test_pull_heals_what_repair_passed_over(store: Path, sealed: Path) -> None:
    other = store.with_name("other")
    shutil.copytree(store, other)
    sealed.write_bytes(sealed.read_bytes().replace(b'"step":20}', b'"step":99}', 1))
    repair(store)
    assert len(read(store)[0]) == 199
    assert pull(other, store).events == 1
    assert len(read(store)[0]) == 200
    assert SegmentLog(store).verify().ok


def test_an_unreadable_store_json_stops_writing_not_reading(store: Path, sealed: Path) -> None:
    (store / "store.json").write_text("rubbish")
    assert len(read(store)[0]) == 200
    with pytest.raises(NotAStore, match=r"store\.json is unreadable"):
        SegmentLog(store).append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b"{}")
