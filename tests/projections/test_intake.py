"""Many lines at once make the same tables as one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltracker.events.envelope import format_time, parse_time
from mltracker.events.log import Batch
from mltracker.projections.intake import Clock
from mltracker.projections.memory import MemoryReadModel
from tests.contracts.answers import all_answers
from tests.contracts.scribe import START, Scribe

values = st.dictionaries(st.sampled_from("ab"), st.sampled_from([0.5, -0.0, 1, "NaN"]), max_size=2)
place = st.fixed_dictionaries(
    {},
    optional={
        "step": st.integers(0, 3),
        "epoch": st.integers(0, 2),
        "batch": st.integers(0, 9),
        "phase": st.sampled_from("xy"),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(values, place, st.booleans(), st.integers(1, 12)), min_size=1, max_size=12))
def test_one_by_one_or_all_at_once(parts: list[tuple[dict[str, Any], dict[str, Any], bool, int]]) -> None:
    a = Scribe()
    key = a.aggregate(a.experiment())
    for numbers, where, behind, times in parts:
        for _ in range(times):
            data = {**where, "values": numbers}
            a.write("MetricsRecorded", key, wall=START - len(a.lines) if behind else None, **data)
    together, singly = MemoryReadModel(), MemoryReadModel()
    together.apply(a.batch)
    for batch in a.singly():
        singly.apply(batch)
    assert all_answers(together) == all_answers(singly)


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=40))
def test_times_are_read_exactly(distances: list[int]) -> None:
    times = [START + sum(distances[:index]) for index in range(len(distances))]
    clock = Clock()
    assert clock.read_all([format_time(time) for time in times]).tolist() == times
    assert [clock.read(format_time(time)) for time in times] == times


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T12:00:00Z",
        "2026-11-24T12:00:00.5Z",
        "2026-11-24T12:00:00.000001+02:00",
        "1969-12-31T23:59:59.999999Z",
    ],
)
def test_other_times_of_rfc_3339(text: str) -> None:
    clock = Clock()
    assert clock.read(text) == parse_time(text)
    assert clock.read_all([text] * 20).tolist() == [parse_time(text)] * 20


def test_what_is_no_time_is_refused() -> None:
    for texts in (["yesterday"] * 20, ["2026-11-24T12:00:00.00000xZ"] * 20, ["yesterday"]):
        with pytest.raises(ValueError, match="isoformat"):
            Clock().read_all(texts)


def test_the_clock_forgets_in_time() -> None:
    clock = Clock()
    for second in range(5000):
        clock.read(format_time(START + second * 1_000_000))
    assert len(clock) <= 4097


def test_a_batch_may_end_in_the_middle_of_an_epoch() -> None:
    a = Scribe()
    key = a.aggregate(a.experiment())
    for step in range(100):
        a.metrics(key, {"loss": step / 7}, step=step, epoch=step // 30, batch=step % 30)
    model = MemoryReadModel()
    for start in range(0, len(a.lines), 37):
        model.apply(Batch(a.writer, a.lines[start : start + 37]))
    points = model.metrics([key]).list()
    assert [(p.step, p.epoch, p.batch, p.value) for p in points] == [(s, s // 30, s % 30, s / 7) for s in range(100)]


def test_mixed_events_keep_the_order_of_names_and_rows() -> None:
    a = Scribe()
    key = a.aggregate(a.experiment())
    recorded: list[dict[str, Any]] = [
        {"a": 1, "b": 0.5, "c": 2},
        {"a": 0.5, "b": 1, "c": 2},
        {"a": 1},
        {"c": 0.5, "a": 3},
    ] * 9
    for numbers in recorded:
        a.metrics(key, numbers)
    model = MemoryReadModel()
    model.apply(a.batch)
    points = [(point.name, point.value) for point in model.metrics([key]).list()]
    assert points == [item for numbers in recorded for item in numbers.items()]
    assert model.metrics([key]).series("a").values.tolist() == [numbers["a"] for numbers in recorded]
    assert model.aggregates([f"{a.writer}:1"]).read("1").last == {(None, "a"): 3, (None, "b"): 1, (None, "c"): 0.5}
