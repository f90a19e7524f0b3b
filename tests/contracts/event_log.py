"""What every EventLog must do. Subclass `EventLogContract` and give it the fixture `open_log`."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from collections.abc import Callable
from itertools import pairwise
from zlib import crc32

import pytest

from mltracker.errors import Closed, InvalidValue, UnreadableEvent
from mltracker.events import (
    Event,
    EventLog,
    ExperimentCreated,
    ExperimentRenamed,
    MetricsRecorded,
    NoteChanged,
    SessionDescribed,
    SessionEnded,
    SessionStarted,
)
from mltracker.events.envelope import CRC_TAIL, initial_crc, kind, parse_time
from mltracker.events.log import Line, LostEvents, Reader

STREAM = "0123456789abcdef0123456789abcdef:1"
METRICS = kind("MetricsRecorded", 1)
OpenLog = Callable[..., EventLog]


def drain(reader: Reader, *, own_only: bool = False) -> list[tuple[str, int]]:
    """What a poll delivers, as (writer, seq)."""
    return [(batch.writer, line["seq"]) for batch in reader.poll(own_only=own_only) for line in batch.lines]


def lines_of(log: EventLog) -> list[Line]:
    return [line for batch in log.reader().poll() for line in batch.lines]


def note(text: str) -> NoteChanged:
    return NoteChanged(stream=STREAM, text=text)


def record(log: EventLog, value: int) -> None:
    log.append_data(METRICS, STREAM.encode(), b'{"values":{"loss":%d}}' % value)


class Weighed(Event):
    """An event of a user's own."""

    creates = True
    kilograms: float


class EventLogContract:
    """`open_log(**options)` opens the same, at first empty, log each time within one test."""

    @pytest.fixture
    def open_log(self) -> OpenLog:
        raise NotImplementedError

    @pytest.fixture
    def log(self, open_log: OpenLog) -> EventLog:
        return open_log()

    # Appending -------------------------------------------------------------------------------------------------------

    def test_a_log_without_appends_is_empty(self, log: EventLog) -> None:
        assert log.writer is None
        assert list(log.history()) == []
        assert drain(log.reader()) == []
        assert log.verify().ok

    def test_the_first_append_begins_the_session(self, log: EventLog) -> None:
        receipt = log.append(ExperimentCreated(name="mnist"))
        assert receipt.writer == log.writer
        assert receipt.id == f"{log.writer}:1"
        started, created = log.history()
        assert (started.type, started.seq, started.stream) == ("SessionStarted", 0, f"{log.writer}:0")
        assert created.session == started.id

    def test_opening_and_closing_events_are_the_callers(self, open_log: OpenLog) -> None:
        log = open_log(opening=lambda: SessionStarted(host="here"), closing=lambda: SessionEnded(dropped=3))
        log.append(ExperimentCreated(name="mnist"))
        log.close()
        events = [event.data for event in log.history()]
        assert events[0]["host"] == "here"
        assert events[-1] == {"dropped": 3}

    def test_an_event_that_creates_stands_on_a_stream_of_its_own(self, log: EventLog) -> None:
        key = log.append(ExperimentCreated(name="mnist")).id
        log.append(ExperimentRenamed(stream=key, name="digits"))
        assert [event.stream for event in log.history()][1:] == [key, key]

    def test_an_event_of_the_session_stands_on_its_stream(self, log: EventLog) -> None:
        log.append(SessionDescribed(environment={"python": "3.13"}))
        assert list(log.history())[-1].stream == f"{log.writer}:0"

    def test_an_event_without_the_stream_it_needs_is_refused(self, log: EventLog) -> None:
        log.append(note("before"))
        with pytest.raises(InvalidValue, match="stream: NoteChanged needs"):
            log.append(NoteChanged(text="whose?"))
        assert log.append(note("after")).seq == 2

    def test_stamps_grow_strictly_and_receipts_tell_them(self, log: EventLog) -> None:
        receipts = [log.append(MetricsRecorded(stream=STREAM, values={"loss": step})) for step in range(50)]
        assert [receipt.at for receipt in receipts] == [parse_time(line["at"]) for line in lines_of(log)][1:]
        assert all(earlier.at < later.at for earlier, later in pairwise(receipts))

    def test_append_data_is_append_without_the_model(self, log: EventLog) -> None:
        log.append(MetricsRecorded(stream=STREAM, values={"loss": 1}))
        record(log, 1)
        _, slow, fast = log.history()
        assert (slow.seq, fast.seq) == (1, 2)
        assert (slow.type, slow.version, slow.stream, slow.data) == (fast.type, fast.version, fast.stream, fast.data)

    def test_lines_are_those_of_the_format(self, log: EventLog) -> None:
        log.append(note("one"))
        record(log, 2)
        state = initial_crc(log.writer or "")
        for line in lines_of(log):
            assert [key for key in line if key != "wall"] == ["seq", "at", "type", "v", "stream", "data", "crc"]
            body = json.dumps({key: line[key] for key in line if key != "crc"}, separators=(",", ":"))
            before = crc32(body[:-1].encode(), state)
            assert line["crc"] == f"{before:08x}"
            state = crc32(CRC_TAIL % before, before)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 2**63 - 1])
    def test_numbers_come_back_as_they_were(self, log: EventLog, value: float) -> None:
        log.append(MetricsRecorded(stream=STREAM, values={"loss": value}))
        event = list(log.history())[-1].event
        assert isinstance(event, MetricsRecorded)
        assert repr(event.values["loss"]) == repr(value)

    def test_threads_do_not_lose_events(self, log: EventLog) -> None:
        threads = [threading.Thread(target=lambda: [record(log, i) for i in range(100)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = lines_of(log)
        assert [line["seq"] for line in lines] == list(range(801))
        assert all(earlier["at"] < later["at"] for earlier, later in pairwise(lines))
        assert log.verify().ok

    def test_a_signal_handler_may_log(self, log: EventLog) -> None:
        calls = 0

        def handle(signum: int, frame: object) -> None:
            nonlocal calls
            calls += 1
            record(log, calls)
            signal.setitimer(signal.ITIMER_REAL, 0.0005)  # not before: slow handlers would pile up

        before = signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        try:
            for step in range(5000):
                record(log, step)
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        log.sync()
        assert calls > 0
        assert [line["seq"] for line in lines_of(log)] == list(range(1 + 5000 + calls))
        assert log.verify().ok

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_after_a_fork_the_child_is_another_writer(self, log: EventLog) -> None:
        log.append(note("parent"))
        parent = log.writer
        child = os.fork()
        if child == 0:
            try:
                receipt = log.append(note("child"))
                is_new = receipt.seq == 1 and receipt.writer == log.writer != parent
                started = next(event for event in log.history() if event.writer == log.writer).type
                log.close()
                os._exit(0 if is_new and started == "SessionStarted" else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert log.append(note("parent again")).seq == 2
        assert log.verify().ok

    # Reading ---------------------------------------------------------------------------------------------------------

    def test_a_reader_delivers_each_event_once(self, log: EventLog) -> None:
        reader = log.reader()
        assert drain(reader) == []
        record(log, 1)
        assert drain(reader) == [(log.writer, 0), (log.writer, 1)]
        assert drain(reader) == []
        record(log, 2)
        assert drain(reader, own_only=True) == [(log.writer, 2)]
        assert drain(reader) == []
        assert reader.position == {log.writer: 2}
        assert reader.notices == []

    def test_a_reader_resumes_from_its_checkpoint(self, log: EventLog) -> None:
        record(log, 1)
        reader = log.reader()
        drain(reader)
        checkpoint = json.loads(json.dumps(reader.checkpoint()))
        record(log, 2)
        resumed = log.reader(checkpoint)
        assert resumed.position == {log.writer: 1}
        assert drain(resumed) == [(log.writer, 2)]

    def test_what_a_reader_delivers_is_the_receivers_own(self, log: EventLog) -> None:
        record(log, 1)
        for line in lines_of(log):
            line["data"].clear()
        assert lines_of(log)[1]["data"] == {"values": {"loss": 1}}

    def test_a_checkpoint_ahead_of_the_log_is_noticed(self, log: EventLog) -> None:
        record(log, 1)
        reader = log.reader()
        drain(reader)
        ahead = json.loads(json.dumps(reader.checkpoint()).replace(str(log.writer), "f" * 32))
        with pytest.raises(LostEvents):
            drain(log.reader(ahead))

    def test_history_ends_at_a_stamp(self, log: EventLog) -> None:
        receipts = [log.append(note(text)) for text in "abc"]
        stamp = (receipts[1].at, receipts[1].writer, receipts[1].seq)
        assert [event.data.get("text") for event in log.history(stamp)] == [None, "a", "b"]

    def test_history_is_upcast_and_typed(self, log: EventLog) -> None:
        log.append_data(kind("TrainingFailed", 1), STREAM.encode(), b'{"training":"x","error":"ValueError: no"}')
        failed = list(log.history())[-1]
        assert (failed.version, failed.data["error_type"]) == (2, "ValueError")
        assert failed.event.type == "TrainingFailed"

    def test_unknown_types_are_kept(self, log: EventLog) -> None:
        log.append_data(kind("FromTheFuture", 7), STREAM.encode(), b'{"x":1}')
        stranger = list(log.history())[-1]
        assert (stranger.type, stranger.version, stranger.data) == ("FromTheFuture", 7, {"x": 1})
        with pytest.raises(UnreadableEvent, match="FromTheFuture v7"):
            _ = stranger.event

    def test_users_events_are_events(self, log: EventLog) -> None:
        receipt = log.append(Weighed(kilograms=72.5))
        assert list(log.history())[-1].event == Weighed(stream=receipt.id, kilograms=72.5)

    # Life and end ----------------------------------------------------------------------------------------------------

    def test_a_writer_lives_until_it_is_closed(self, log: EventLog) -> None:
        record(log, 1)
        writer = log.writer or ""
        assert log.alive(writer)
        assert not log.alive("f" * 32)
        log.close()
        assert not log.alive(writer)

    def test_verify_counts_events(self, log: EventLog) -> None:
        for step in range(10):
            record(log, step)
        log.sync()
        report = log.verify()
        assert (report.ok, report.segments, report.events) == (True, 1, 11)

    def test_close_ends_the_session_once(self, log: EventLog) -> None:
        record(log, 1)
        log.close()
        log.close()
        assert [event.type for event in log.history()] == ["SessionStarted", "MetricsRecorded", "SessionEnded"]
        assert log.verify().ok

    def test_a_closed_log_takes_nothing(self, log: EventLog) -> None:
        record(log, 1)
        log.close()
        with pytest.raises(Closed):
            record(log, 2)
        with pytest.raises(Closed):
            log.append(note("late"))

    def test_closing_an_unused_log_records_nothing(self, log: EventLog) -> None:
        log.close()
        assert list(log.history()) == []
        with pytest.raises(Closed):
            record(log, 1)

    def test_readers_go_on_while_a_session_ends(self, log: EventLog) -> None:
        reader = log.reader()
        record(log, 1)
        drain(reader)
        writer = log.writer
        log.close()
        assert drain(reader) == [(writer, 2)]
