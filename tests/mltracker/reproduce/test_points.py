"""Points in columns: which are the same point, and which values are the same."""

from __future__ import annotations

import math
import struct
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltracker.reproduce.points import Points, aligned, close, same

numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats())
places = st.tuples(st.one_of(st.none(), st.integers(-2, 2)), st.one_of(st.none(), st.integers(0, 1)))


def made(rows: list[tuple[tuple[int | None, int | None], float]], writer: int = 0) -> Points:
    points = Points()
    for seq, ((step, epoch), value) in enumerate(rows):
        data = {name: place for name, place in (("step", step), ("epoch", epoch)) if place is not None}
        points.add(value, data, writer, seq, 1000 + seq)
    return points


def bits(value: float) -> object:
    if isinstance(value, int) or value != value:
        return type(value), str(value)
    return float, struct.pack("<d", value)


@given(numbers, numbers)
def test_same_is_the_same_type_and_bits(one: float, other: float) -> None:
    assert same(one, other) == (bits(one) == bits(other))
    assert same(one, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.0, -0.0), (1, 1.0), (0, -0.0), (math.inf, -math.inf), (1.0, math.nextafter(1.0, 2)), (2**53, 2**53 + 1)],
)
def test_what_is_nearly_the_same_is_not(one: float, other: float) -> None:
    assert not same(one, other)
    assert not same(other, one)


def test_closeness_is_absolute_below_one_and_relative_above() -> None:
    assert close(0.0, 1e-6, 1e-6)
    assert not close(0.0, 1.1e-6, 1e-6)
    assert close(1e9, 1e9 + 999, 1e-6)
    assert not close(1e9, 1e9 + 1002, 1e-6)
    assert close(1, 1.0, 0.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_close_to_itself_only(value: float) -> None:
    assert close(value, value, 0.0)
    for other in (0.0, 1e308, math.nan, math.inf, -math.inf):
        if not same(value, other):
            assert not close(value, other, 1e300)
            assert not close(other, value, 1e300)


@given(st.lists(places, max_size=12), st.lists(places, max_size=12))
def test_aligned_pairs_the_nth_with_the_nth(
    one: list[tuple[int | None, int | None]], other: list[tuple[int | None, int | None]]
) -> None:
    mine, its = made([(place, 0.0) for place in one]), made([(place, 0.0) for place in other])
    pairs = list(aligned(mine, its))
    assert sorted(row for row, _ in pairs if row is not None) == list(range(len(one)))
    assert sorted(row for _, row in pairs if row is not None) == list(range(len(other)))
    both = [(left, right) for left, right in pairs if left is not None and right is not None]
    assert all(one[left] == other[right] for left, right in both)
    assert Counter(one[left] for left, _ in both) == Counter(one) & Counter(other)
    for place in set(one):
        rows = [pair for pair in both if one[pair[0]] == place]
        assert all(left < after and right < later for (left, right), (after, later) in pairwise(rows))


def test_a_point_without_a_place_is_not_one_at_zero() -> None:
    assert list(aligned(made([((None, None), 1.0)]), made([((0, None), 1.0)]))) == [(0, None), (None, 0)]


def test_settle_sorts_by_stamp_and_keeps_rows_together() -> None:
    points = Points()
    for writer, base in ((0, 100), (1, 50)):
        for seq in range(3):
            points.add(float(base + seq), {"step": base + seq}, writer, seq, base + seq)
    points.settle()
    assert points.values == [50.0, 51.0, 52.0, 100.0, 101.0, 102.0]
    assert points.steps.tolist() == [50, 51, 52, 100, 101, 102]
    assert points.writers.tolist() == [1, 1, 1, 0, 0, 0]


def test_a_recorded_series_is_spread_out() -> None:
    points = Points()
    assert (
        points.extend({"values": [1, "NaN", "-Infinity"], "steps": {"start": 5, "step": -2}, "epoch": 3}, 0, 9, 77) == 3
    )
    assert [points.place(row) for row in range(3)] == [(5, 3, None), (3, 3, None), (1, 3, None)]
    assert points.values[0] == 1
    assert math.isnan(points.values[1])
    assert points.values[2] == -math.inf
    assert points.indexes.tolist() == [0, 1, 2]
