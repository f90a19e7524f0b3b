"""Verdicts: exit codes, what people read, what the event keeps."""

from __future__ import annotations

import math

import pytest

from mltracker import InvalidValue, Verdict
from mltracker.reproduce.verdict import EXIT_CODES, KEPT, Compared, Difference, FirstDifference, not_runnable


def diverged(**more: object) -> Verdict:
    first = FirstDifference(metric="loss", phase="train", step=3, expected=math.nan, found=-0.0)
    differences = [Difference(kind="config", name=f"c{number}", expected=1, found=math.inf) for number in range(30)]
    return Verdict(verdict="diverged", reason="r", first=first, differences=differences, **more)


def test_exit_codes() -> None:
    assert EXIT_CODES == {"identical": 0, "within tolerance": 0, "diverged": 4, "incomplete": 5, "not runnable": 6}
    assert diverged().exit_code == 4
    assert not diverged().reproduced


def test_json_brings_back_every_bit() -> None:
    verdict = diverged(seconds=1.5, metrics=["loss"])
    again = Verdict.load(verdict.to_json())
    assert again.to_json() == verdict.to_json()
    assert again.first is not None
    assert math.isnan(again.first.expected)
    assert math.copysign(1, again.first.found) == -1


def test_the_summary_is_for_people() -> None:
    lines = diverged().summary
    assert lines[0] == "diverged: r"
    assert "first difference: train/loss at step 3: expected nan, found -0.0" in lines
    assert "differs: config c0: 1 became inf" in lines


def test_the_event_keeps_the_first_differences() -> None:
    compact = diverged().compact()
    assert len(compact["differences"]) == KEPT
    assert compact["more_differences"] == 10
    assert "corrections" not in compact


@pytest.mark.parametrize(
    ("difference", "told"),
    [
        (Difference(kind="config", name="a", expected=1, found=2), "config a: 1 became 2"),
        (Difference(kind="config", name="a", expected=1), "config a: 1 is missing"),
        (Difference(kind="config", name="a", found=2), "config a: 2 is new"),
        (Difference(kind="config", name="a", expected="x" * 200, found=False), f"config a: {'x' * 77}... became False"),
    ],
)
def test_differences_tell_what_changed(difference: Difference, told: str) -> None:
    assert str(difference) == told


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"Verdict\.verdict"):
        Verdict(verdict="fine", reason="")


def test_not_runnable_names_why() -> None:
    assert not_runnable("mnist/1", "k", "no git").summary[0] == "not runnable: no git"


def test_one_is_no_plural() -> None:
    one = Compared(series=1, points=1, iterations=1, modules=1)
    assert "compared 1 point of 1 series, 1 iteration, 1 module" in diverged(compared=one).summary
    more = Compared(series=2, points=1000, iterations=2, modules=0)
    assert "compared 1,000 points of 2 series, 2 iterations, 0 modules" in diverged(compared=more).summary
