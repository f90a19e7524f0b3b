"""Parts put in order, with NumPy and without."""

from __future__ import annotations

import random
from array import array
from typing import Any

import pytest

from mltracker import series
from mltracker.series import NO_STEP, Part, Series, Stamps, arranged


@pytest.fixture(params=["numpy", "arrays"], autouse=True)
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "arrays":
        monkeypatch.setattr(series, "numpy", lambda: None)


def part(steps: list[int], values: list[float], kind: str = "d") -> Part:
    return Part(array("q", steps), array(kind, values))


def stamps(*rows: tuple[int, int, int, int]) -> Any:
    columns = list(zip(*rows, strict=True))
    return lambda: Stamps(*(array("q", column) for column in columns))


def unasked() -> Stamps:
    raise AssertionError("stamps are not needed")


def lists(answer: Series) -> tuple[list[int], list[float]]:
    return answer.steps.tolist(), answer.values.tolist()


def test_nothing() -> None:
    assert lists(arranged([], unasked)) == ([], [])


def test_sorted_parts_are_only_joined() -> None:
    parts = [part([1, 2, 2], [0.1, 0.2, 0.3])]
    assert lists(arranged(parts, unasked)) == ([1, 2, 2], [0.1, 0.2, 0.3])
    parts = [part([1, 2], [0.1, 0.2]), part([3], [0.3])]
    assert lists(arranged(parts, unasked, last=True)) == ([1, 2, 3], [0.1, 0.2, 0.3])


def test_ints_stay_ints_unless_there_is_a_float() -> None:
    answer = arranged([part([1], [2**63 - 1], "q")], unasked)
    assert lists(answer) == ([1], [2**63 - 1])
    answer = arranged([part([1], [3], "q"), part([2], [0.5])], unasked)
    assert [type(value) for value in answer.values.tolist()] == [float, float]


def test_step_then_stamp() -> None:
    parts = [part([NO_STEP, 5, -1], [1.0, 2.0, 3.0]), part([5, NO_STEP], [4.0, 5.0])]
    places = stamps((10, 1, 0, 0), (20, 1, 1, 0), (30, 1, 2, 0), (15, 0, 0, 0), (5, 0, 1, 0))
    assert lists(arranged(parts, places)) == ([-1, 5, 5, NO_STEP, NO_STEP], [3.0, 4.0, 2.0, 5.0, 1.0])
    assert lists(arranged(parts, places, last=True)) == ([-1, 5, NO_STEP, NO_STEP], [3.0, 2.0, 5.0, 1.0])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("last", [False, True])
def test_random_points(seed: int, last: bool) -> None:
    chance = random.Random(seed)
    rows = [
        (
            chance.choice([NO_STEP, -(2**63) + 1, 0, 1, 2**63 - 1]),
            chance.randrange(3),
            chance.randrange(2),
            seq,
            0,
            float(seq),
        )
        for seq in range(60)
    ]
    parts = [
        part([row[0] for row in rows[:20]], [row[5] for row in rows[:20]]),
        part([row[0] for row in rows[20:]], [row[5] for row in rows[20:]]),
    ]
    answer = lists(arranged(parts, stamps(*(row[1:5] for row in rows)), last=last))
    ordered = sorted(rows, key=lambda row: (row[0] == NO_STEP, *row[:5]))
    if last:
        ordered = [
            row
            for row, after in zip(ordered, [*ordered[1:], None], strict=True)
            if row[0] == NO_STEP or after is None or row[0] != after[0]
        ]
    assert answer == ([row[0] for row in ordered], [row[5] for row in ordered])


def test_data_frames() -> None:
    answer = arranged([part([1, 2], [0.5, 1.5])], unasked)
    assert answer.to_pandas()["value"].tolist() == [0.5, 1.5]
    assert answer.to_polars()["step"].to_list() == [1, 2]
