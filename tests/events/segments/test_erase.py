"""Erasure: the payload is gone for good, the chain holds, and it is on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from mltracker.errors import InvalidValue, NotFound
from mltracker.events.log import LostEvents, Reader
from mltracker.events.segments import SegmentLog, compact, erase, pull


def read(reader: Reader) -> list[str]:
    return [line["type"] for batch in reader.poll() for line in batch.lines]


def everything(store: Path) -> bytes:
    return b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())


@pytest.mark.parametrize("packed", [False, True])
def test_the_payload_is_gone_and_the_rest_verifies(store: Path, sealed: Path, packed: bool) -> None:
    writer = sealed.name.partition(".")[0]
    if packed:
        other = SegmentLog(store)
        other.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1.5}}')
        other.close()
        compact(store)
    (store / "projections").mkdir()
    (store / "projections" / "tinydb-v1.json").write_text("mnist")
    assert b"mnist" in everything(store)
    assert erase(store, [f"{writer}:1"], who="me", why="a secret") == 1 + packed
    assert b"mnist" not in everything(store)
    report = SegmentLog(store).verify()
    assert report.problems == []
    events = {event.id: event for event in SegmentLog(store).history()}
    assert (events[f"{writer}:1"].type, events[f"{writer}:1"].data) == ("Erased", {})
    (record,) = [event for event in events.values() if event.type == "EventErased"]
    assert record.data == {"events": [f"{writer}:1"], "who": "me", "why": "a secret"}
    assert read(SegmentLog(store).reader()).count("MetricsRecorded") == 196 + packed


def test_what_was_read_before_is_to_be_read_anew(store: Path, sealed: Path) -> None:
    reader = SegmentLog(store).reader()
    read(reader)
    checkpoint = reader.checkpoint()
    erase(store, [f"{sealed.name.partition('.')[0]}:5"], who="me", why="a secret")
    for earlier in (reader, SegmentLog(store).reader(checkpoint)):
        with pytest.raises(LostEvents, match="erased"):
            read(earlier)
    assert "Erased" in read(SegmentLog(store).reader())


def test_a_line_that_only_looks_erased_is_named(store: Path, sealed: Path) -> None:
    erase(store, [f"{sealed.name.partition('.')[0]}:5"], who="me", why="a secret")
    for path in (store / "events").iterdir():
        if path != sealed:
            path.unlink()
    assert [problem.reason for problem in SegmentLog(store).verify().problems] == [
        f"event {sealed.name.partition('.')[0]}:5 looks erased, but no EventErased names it"
    ]


def test_what_cannot_be_erased(store: Path, sealed: Path) -> None:
    writer = sealed.name.partition(".")[0]
    before = everything(store)
    with pytest.raises(NotFound):
        erase(store, [f"{writer}:1", f"{writer}:999"], who="me", why="a secret")
    assert everything(store) == before
    log = SegmentLog(store)
    log.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1.5}}')
    with pytest.raises(InvalidValue, match="has not ended"):
        erase(store, [f"{log.writer}:1"], who="me", why="a secret")
    log.close()


def test_an_erasure_stays(store: Path, sealed: Path) -> None:
    erase(store, [f"{sealed.name.partition('.')[0]}:5"], who="me", why="a secret")
    (record,) = [event.id for event in SegmentLog(store).history() if event.type == "EventErased"]
    with pytest.raises(InvalidValue, match="stays"):
        erase(store, [record], who="me", why="to hide it")


def test_other_stores_obey(store: Path, sealed: Path) -> None:
    early, late = store.with_name("early"), store.with_name("late")
    pull(store, early)
    name = f"{sealed.name.partition('.')[0]}:1"
    erase(store, [name], who="me", why="a secret")
    pull(store, late)
    assert pull(store, early).refused == []
    assert pull(early, store).segments == 0
    for one in (early, late):
        assert b"mnist" not in everything(one)
        assert SegmentLog(one).verify().problems == []
        assert len(list(SegmentLog(one).history())) == 203


def test_an_erased_store_takes_nothing_back(store: Path, sealed: Path) -> None:
    early = store.with_name("early")
    pull(store, early)
    erase(store, [f"{sealed.name.partition('.')[0]}:1"], who="me", why="a secret")
    assert (pull(early, store).segments, b"mnist" in everything(store)) == (0, False)
    sealed.unlink()
    pull(early, store)
    assert b"mnist" not in everything(store)
