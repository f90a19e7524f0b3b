from __future__ import annotations

from array import array
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltracker.projections.columns import Heading, Rows, Runs, Table, Tail
from mltracker.series import NO_STEP

HEADING = Heading("w:2", "w", "train", ("loss", "acc"), "d", None)
numbers = st.one_of(st.integers(-3, 3), st.sampled_from([NO_STEP, NO_STEP + 1, 2**63 - 1]))
progressions = st.builds(
    lambda first, slope, count: [first + slope * i for i in range(count)], *[st.integers(-9, 9)] * 2, st.integers(1, 30)
)
columns = st.lists(st.one_of(st.lists(numbers, min_size=1, max_size=12), progressions), min_size=1, max_size=6)


def runs_of(parts: list[list[int]], *, one_by_one: bool) -> Runs:
    runs = Runs()
    for part in parts:
        if one_by_one:
            for value in part:
                runs.append(value)
        else:
            runs.extend(array("q", part))
    return runs


@given(columns, st.booleans())
def test_runs_give_back_what_was_put_in(parts: list[list[int]], one_by_one: bool) -> None:
    values = [*chain(*parts)]
    runs = runs_of(parts, one_by_one=one_by_one)
    assert (runs.expand().tolist(), runs.rows, runs.last(), runs.top) == (values, len(values), values[-1], max(values))


@given(columns, st.integers(0, 99), st.integers(0, 99))
def test_parts_of_runs(parts: list[list[int]], start: int, length: int) -> None:
    values = [*chain(*parts)]
    start %= len(values)
    stop = min(start + 1 + length, len(values))
    runs = runs_of(parts, one_by_one=False)
    part = runs.part(start, stop)
    assert part.expand().tolist() == values[start:stop]
    assert runs.highest(start, stop) == part.top == max(values[start:stop])


@given(columns, columns)
def test_runs_go_on_after_having_been_stored(first: list[list[int]], then: list[list[int]]) -> None:
    runs = runs_of(first, one_by_one=False)
    again = Runs(runs.rows, array("q", runs.triples))
    for part in then:
        again.extend(array("q", part))
    assert again.expand().tolist() == [*chain(*first, *then)]
    assert again.top == max([*chain(*first, *then)])


def test_a_regular_column_is_one_run() -> None:
    runs = Runs()
    for start in range(0, 1000, 100):
        runs.extend(array("q", range(start, start + 100)))
    assert len(runs.triples) == 3
    runs = Runs(1000)
    assert runs.expand().tolist() == [NO_STEP] * 1000


def test_rows_with_an_end_of_an_epoch_are_few_runs() -> None:
    runs = Runs()
    runs.extend(array("q", [7] * 500 + [8] * 500))
    runs.extend(array("q", [*range(500), *range(500)]))
    assert len(runs.triples) <= 30


def rows(count: int, first: int, **columns: Any) -> Rows:
    span = range(first, first + count)
    empty: dict[str, Any] = {"walls": None, "epochs": None, "batches": None, "indexes": None}
    return Rows(
        seqs=array("q", span),
        ats=array("q", [10 * seq for seq in span]),
        steps=array("q", [seq % 3 for seq in span]),
        values=array("d", [float(seq) for seq in span for _ in HEADING.names]),
        **{**empty, **columns},
    )


def filled() -> Table:
    table = Table(HEADING)
    table.extend(rows(3, 0))
    table.extend(rows(2, 3, epochs=array("q", [4, 5]), walls=array("q", [1, 2])))
    table.append(5, 50, 2, None, None, 9, [5.0, 5.5])
    table.append(6, 60, NO_STEP, 7, 1, None, [6.0, 6.5])
    return table


def dump(table: Table) -> dict[str, list[float]]:
    names = ("seqs", "ats", "steps", "walls", "epochs", "batches", "indexes")
    return {
        **{name: table.column(name).tolist() for name in names},
        "0": table.numbers(0).tolist(),
        "1": table.numbers(1).tolist(),
    }


def test_a_table_fills_what_was_not_said() -> None:
    none = NO_STEP
    assert dump(filled()) == {
        "seqs": [0, 1, 2, 3, 4, 5, 6],
        "ats": [0, 10, 20, 30, 40, 50, 60],
        "steps": [0, 1, 2, 0, 1, 2, none],
        "walls": [0, 10, 20, 1, 2, 50, 7],
        "epochs": [none, none, none, 4, 5, none, 1],
        "batches": [none, none, none, none, none, 9, none],
        "indexes": [none] * 7,
        "0": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "1": [0.0, 1.0, 2.0, 3.0, 4.0, 5.5, 6.5],
    }


def test_the_tail_of_a_table() -> None:
    tail = filled().tail
    assert tail == Tail(7, 0, 6, 60, NO_STEP, 5, (6.0, 6.5))
    assert Tail.loaded(tail.dumped()) == tail
    assert filled().highest_epoch(5, 7) == 1
    assert filled().highest_epoch(0, 3) is None


@pytest.mark.parametrize(("start", "stop"), [(0, 7), (0, 4), (2, 6), (6, 7)])
def test_parts_put_together_make_the_whole(start: int, stop: int) -> None:
    table = filled()
    whole = Table(HEADING)
    for begin, end in [(0, start), (start, stop), (stop, 7)]:
        if begin < end:
            whole.extend(table.part(begin, end).rows())
    assert dump(whole) == dump(table)
    assert whole.tail == table.tail


def test_bytes_and_back() -> None:
    table = filled()
    again = Table.from_bytes(HEADING, table.to_bytes(), table.values.tobytes())
    assert dump(again) == dump(table)
    again.append(7, 70, 0, None, 1, None, [7.0, 7.0])
    assert again.column("epochs").tolist() == [*table.column("epochs").tolist(), 1]
    with pytest.raises(ValueError, match="unequal"):
        Table.from_bytes(HEADING, table.to_bytes(), table.values.tobytes()[:-8])


def test_a_point_takes_forty_bytes_and_a_series_a_thousand() -> None:
    table = Table(Heading("w:2", "w", None, ("loss",), "d", None))
    for start in range(0, 100_000, 1000):
        span = range(start, start + 1000)
        empty = array("q", [start // 1000]) * 1000
        table.extend(
            Rows(
                array("q", span),
                array("q", span),
                array("q", span),
                None,
                empty,
                array("q", range(1000)),
                None,
                array("d", span),
            )
        )
    held = [table.seqs, table.ats, table.steps, table.values, table.epochs.triples, table.batches.triples]  # type: ignore[union-attr]
    assert sum(column.__sizeof__() for column in held) / 100_000 < 40
