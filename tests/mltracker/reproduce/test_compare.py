"""Comparing two aggregates: every promise of a verdict, broken on purpose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

import mltracker
from mltracker import Dataset, InvalidValue, Iteration, Module, NotFound, TrackedAggregate, Tracker, Verdict
from mltracker.events.catalogue import MetricsRecorded
from mltracker.reproduce.compare import compare

Train = Callable[..., TrackedAggregate]
Points = Sequence[tuple[str, float, dict[str, Any]]]


def logged(tracker: Tracker, experiment: str, points: Points) -> TrackedAggregate:
    aggregate = tracker.experiment(experiment).aggregate("1")
    for name, value, where in points:
        aggregate.metrics.log({name: value}, **where)
    return aggregate


def verdict_on(tracker: Tracker, one: Points, other: Points, **asked: Any) -> Verdict:
    return compare(tracker, logged(tracker, "one", one), logged(tracker, "other", other), **asked)


def test_the_same_is_identical(tracker: Tracker, record: Train) -> None:
    verdict = compare(tracker, record("a"), record("b"))
    assert verdict.verdict == "identical"
    assert verdict.exit_code == 0
    assert verdict.first is None
    assert (verdict.differences, verdict.environment, verdict.corrections, verdict.notes) == ([], [], [], [])
    assert verdict.compared.model_dump() == {"series": 4, "points": 32, "iterations": 4, "modules": 1}
    assert verdict.of == "a/1"


@pytest.mark.parametrize(
    ("expected", "found"),
    [(0.0, -0.0), (1, 1.0), (0.1, math.nextafter(0.1, 1)), (math.nan, 1.0), (math.inf, -math.inf)],
)
def test_one_bit_more_or_less_is_diverged(tracker: Tracker, expected: float, found: float) -> None:
    verdict = verdict_on(tracker, [("x", expected, {"step": 3})], [("x", found, {"step": 3})])
    assert (verdict.verdict, verdict.exit_code) == ("diverged", 4)
    assert verdict.first is not None
    assert (verdict.first.metric, verdict.first.step) == ("x", 3)
    assert repr((verdict.first.expected, verdict.first.found)) == repr((expected, found))
    assert "x at step 3" in verdict.reason


def test_nan_is_nan(tracker: Tracker) -> None:
    points = [("x", math.nan, {"step": 1}), ("x", math.inf, {"step": 2}), ("x", -0.0, {"step": 3})]
    assert verdict_on(tracker, points, points).verdict == "identical"


def test_within_a_tolerance(tracker: Tracker) -> None:
    one = [("x", 1.0, {"step": 0}), ("big", 1e9, {"step": 0})]
    other = [("x", 1.0 + 1e-7, {"step": 0}), ("big", 1e9 + 100, {"step": 0})]
    verdict = verdict_on(tracker, one, other, tolerance=1e-6)
    assert (verdict.verdict, verdict.exit_code) == ("within tolerance", 0)
    assert verdict.largest == pytest.approx(100)
    assert verdict_on(tracker, one, other).verdict == "diverged"


def test_beyond_a_tolerance_is_diverged(tracker: Tracker) -> None:
    verdict = verdict_on(tracker, [("x", 1.0, {})], [("x", 1.1, {})], tolerance=1e-3)
    assert verdict.verdict == "diverged"


def test_identical_needs_no_tolerance(tracker: Tracker) -> None:
    assert verdict_on(tracker, [("x", 1.0, {})], [("x", 1.0, {})], tolerance=1e-3).verdict == "identical"


@pytest.mark.parametrize("tolerance", [-1, math.nan, math.inf, "1e-6", True])
def test_a_tolerance_that_is_none_is_refused(tracker: Tracker, tolerance: Any) -> None:
    with pytest.raises(InvalidValue, match="tolerance"):
        verdict_on(tracker, [("x", 1.0, {})], [("x", 1.0, {})], tolerance=tolerance)


def test_the_first_difference_is_first_in_the_order_of_the_original(tracker: Tracker) -> None:
    one = [("late", 1.0, {"step": 9}), ("b", 1.0, {"step": 5}), ("b", 1.0, {"step": 1}), ("a", 1.0, {"step": 0})]
    other = [(name, value + (name != "late"), where) for name, value, where in reversed(one)]
    verdict = verdict_on(tracker, one, other)
    assert verdict.first is not None
    assert (verdict.first.metric, verdict.first.step) == ("b", 5)


def test_the_first_difference_may_be_of_a_series_that_began_later(tracker: Tracker) -> None:
    one = [("a", 1.0, {"step": 0}), ("b", 1.0, {"step": 1}), ("a", 1.0, {"step": 2})]
    verdict = verdict_on(tracker, one, [one[0], ("b", 9.0, {"step": 1}), ("a", 9.0, {"step": 2})])
    assert verdict.first is not None
    assert (verdict.first.metric, verdict.first.step) == ("b", 1)


@pytest.mark.parametrize("more", [{"step": 8}, {"epoch": 1}, {"batch": 2}, {"phase": "train"}, {}])
def test_points_missing_or_too_many_are_incomplete(tracker: Tracker, more: dict[str, Any]) -> None:
    one, other = logged(tracker, "one", [("x", 1.0, {}), ("x", 2.0, more)]), logged(tracker, "other", [("x", 1.0, {})])
    missing, extra = compare(tracker, one, other), compare(tracker, other, one)
    assert (missing.verdict, extra.verdict) == ("incomplete", "incomplete")
    assert missing.exit_code == 5
    assert "1 points are missing" in missing.reason
    assert "1 points are too many" in extra.reason


def test_a_place_is_part_of_a_point(tracker: Tracker) -> None:
    for number, where in enumerate([{"step": 2}, {"epoch": 2}, {"batch": 2}, {"phase": "p"}]):
        one = logged(tracker, f"one {number}", [("x", 1.0, {})])
        assert compare(tracker, one, logged(tracker, f"other {number}", [("x", 1.0, where)])).verdict == "incomplete"


def test_the_nth_of_a_place_is_compared_with_the_nth(tracker: Tracker) -> None:
    one = [("x", 1.0, {"step": 1}), ("x", 2.0, {"step": 1})]
    assert verdict_on(tracker, one, one).verdict == "identical"
    swapped = compare(tracker, logged(tracker, "one", []), logged(tracker, "third", one[::-1]))
    assert swapped.verdict == "diverged"


def test_a_different_value_counts_more_than_a_missing_one(tracker: Tracker) -> None:
    verdict = verdict_on(tracker, [("x", 1.0, {"step": 1}), ("x", 1.0, {"step": 2})], [("x", 5.0, {"step": 1})])
    assert verdict.verdict == "diverged"


def test_log_and_log_series_record_the_same_points(tracker: Tracker) -> None:
    one = logged(tracker, "one", [("x", float(step), {"step": step, "epoch": 1}) for step in range(5)])
    other = tracker.experiment("other").aggregate("1")
    other.metrics.log_series("x", [0.0, 1.0, 2.0, 3.0, 4.0], range(5), epoch=1)
    assert compare(tracker, one, other).verdict == "identical"


def test_only_the_metrics_asked_for(tracker: Tracker) -> None:
    one = [("x", 1.0, {"phase": "a"}), ("x", 1.0, {"phase": "b"}), ("y", 1.0, {})]
    other = [("x", 1.0, {"phase": "a"}), ("x", 9.0, {"phase": "b"}), ("y", 9.0, {})]
    a, b = logged(tracker, "one", one), logged(tracker, "other", other)
    assert compare(tracker, a, b, metrics=["a/x"]).verdict == "identical"
    assert compare(tracker, a, b, metrics=["x"]).verdict == "diverged"
    with pytest.raises(NotFound, match=r"no metric 'z'.*It has a/x, b/x, y"):
        compare(tracker, a, b, metrics=["x", "z"])
    for wrong in ([], "x"):
        with pytest.raises(InvalidValue, match="metrics"):
            compare(tracker, a, b, metrics=wrong)


def test_voided_points_are_left_out_on_both_sides(tracker: Tracker) -> None:
    one = logged(tracker, "one", [("x", 1.0, {"step": 0}), ("x", math.inf, {"step": 1}), ("x", 3.0, {"step": 2})])
    one.metrics.void(one.metrics.list("x")[1], why="the sensor broke")
    without = logged(tracker, "without", [("x", 1.0, {"step": 0}), ("x", 3.0, {"step": 2})])
    other = logged(tracker, "other", [("x", 1.0, {"step": 0}), ("x", 2.0, {"step": 1}), ("x", 3.0, {"step": 2})])
    for verdict in (compare(tracker, one, without), compare(tracker, one, other)):
        assert verdict.verdict == "identical"
        assert verdict.compared.points == 2
        assert len(verdict.corrections) == 1
        assert "the sensor broke" in verdict.corrections[0]
        assert one.keys[0][:8] in verdict.corrections[0]
        assert "left out on both sides" in verdict.notes[0]
    one.metrics.unvoid(one.metrics.list("x", voided=True)[0])
    assert compare(tracker, one, other).verdict == "diverged"


def test_voiding_one_of_two_points_of_a_place_takes_its_pair_out(tracker: Tracker) -> None:
    points = [("x", 1.0, {"step": 0}), ("x", 2.0, {"step": 0})]
    one = logged(tracker, "one", points)
    one.metrics.void(one.metrics.list("x")[0])
    assert compare(tracker, one, logged(tracker, "other", points)).verdict == "identical"
    assert (
        compare(tracker, one, logged(tracker, "third", [("x", 1.0, {"step": 0}), ("x", 9.0, {"step": 0})])).verdict
        == "diverged"
    )


def test_a_point_of_a_series_can_be_voided(tracker: Tracker) -> None:
    one, other = tracker.experiment("one").aggregate("1"), tracker.experiment("other").aggregate("1")
    one.metrics.log_series("x", [1.0, 9.0, 3.0], range(3))
    other.metrics.log_series("x", [1.0, 2.0, 3.0], range(3))
    one.metrics.void(one.metrics.list("x")[1])
    assert compare(tracker, one, other).verdict == "identical"


def test_nothing_left_is_never_identical(tracker: Tracker) -> None:
    one = logged(tracker, "one", [("x", 1.0, {})])
    one.metrics.void(one.metrics.list("x")[0])
    verdict = compare(tracker, one, logged(tracker, "other", [("x", 1.0, {})]))
    assert verdict.verdict == "incomplete"
    assert "nothing to compare" in verdict.reason


def test_renames_and_clears_are_noted_and_change_nothing(tracker: Tracker) -> None:
    one = logged(tracker, "one", [("x", 1.0, {"step": 0})])
    one.metrics.rename("x", "y", why="a better name")
    one.metrics.clear(why="again")
    verdict = compare(tracker, one, logged(tracker, "other", [("x", 1.0, {"step": 0})]))
    assert verdict.verdict == "identical"
    assert [line.partition(" by ")[0] for line in verdict.corrections] == ["x was renamed to y", "metrics were cleared"]
    assert verdict.corrections[0].endswith(": a better name")


def test_corrections_name_on_whose_behalf(tracker: Tracker) -> None:
    from mltracker.events.catalogue import MetricsCleared

    one = logged(tracker, "one", [("x", 1.0, {})])
    tracker.append(MetricsCleared(stream=one.keys[0], position={}, why="tidy", by="ada"))
    assert "by ada (session" in compare(tracker, one, logged(tracker, "other", [("x", 1.0, {})])).corrections[0]


MEANS = {
    "a module's parameter": ({"size": 4}, "module model Net.size: 3 became 4"),
    "a config": ({"config": {"data": {"seed": 8}}}, "config data.seed: 7 became 8"),
    "a config of another type": ({"config": {"data": {"seed": 7.0}}}, "config data.seed: 7 became 7.0"),
    "a dataset": ({"data": "d2"}, "dataset digits in iteration 1 (train, epoch 0): d1 became d2"),
}


@pytest.mark.parametrize(("change", "named"), MEANS.values(), ids=MEANS)
def test_the_same_numbers_by_other_means_are_diverged(
    tracker: Tracker, record: Train, change: dict[str, Any], named: str
) -> None:
    verdict = compare(tracker, record("a"), record("b", **change))
    assert verdict.verdict == "diverged"
    assert verdict.first is None
    assert verdict.reason.startswith(f"same numbers by other means: {named}")
    assert compare(tracker, record("a2"), record("b2", **change), tolerance=1.0).verdict == "diverged"


def test_causes_are_named_before_effects(tracker: Tracker, record: Train) -> None:
    reason = compare(tracker, record("a"), record("b", lr=0.2)).reason
    assert reason.index("optimizer SGD.lr: 0.1 became 0.2") < reason.index("train/loss at step 0, epoch 0")


@pytest.mark.parametrize(
    "change",
    [
        {"hash": "other"}, {"phase": "test"}, {"epoch": 2}, {"parameters": {"batch": -0.0}}, {"dataset": None},
        {"dataset": Dataset("e", "digits")}, {"modules": ()},
        {"modules": [Module("loss", "m", "Huber", {"delta": 2})]},
        {"modules": [Module("loss", "n", "Huber", {"delta": 1})]},
        {"modules": [Module("loss", "m", "L1", {"delta": 1})]},
    ],
)  # fmt: skip
def test_every_part_of_an_iteration_is_compared(tracker: Tracker, change: dict[str, Any]) -> None:
    whole: dict[str, Any] = {
        "hash": "h", "phase": "train", "epoch": 1, "dataset": Dataset("d", "digits"), "parameters": {"batch": 0.0},
        "modules": [Module("loss", "m", "Huber", {"delta": 1})],
    }  # fmt: skip
    one, same, other = (logged(tracker, name, [("x", 1.0, {})]) for name in ("one", "same", "other"))
    one.iterations.add(Iteration(**whole))
    same.iterations.add(Iteration(**whole))
    other.iterations.add(Iteration(**(whole | change)))
    assert compare(tracker, one, same).verdict == "identical"
    verdict = compare(tracker, one, other)
    assert verdict.verdict == "diverged"
    assert verdict.reason.startswith("same numbers by other means")


def test_the_order_of_iterations_is_compared(tracker: Tracker) -> None:
    one, other = logged(tracker, "one", [("x", 1.0, {})]), logged(tracker, "other", [("x", 1.0, {})])
    for epoch in (1, 2):
        one.iterations.add(Iteration("h", "train", epoch))
        other.iterations.add(Iteration("h", "train", 3 - epoch))
    assert "order at 1: train, epoch 1 became train, epoch 2" in compare(tracker, one, other).reason


def test_iterations_missing_are_incomplete(tracker: Tracker) -> None:
    one, other = logged(tracker, "one", [("x", 1.0, {})]), logged(tracker, "other", [("x", 1.0, {})])
    one.iterations.add(Iteration("h", "train", 1))
    assert compare(tracker, one, other).verdict == "incomplete"
    assert compare(tracker, other, one).verdict == "incomplete"


def test_final_metrics_of_iterations_are_compared(tracker: Tracker) -> None:
    one, same, other = (tracker.experiment(name).aggregate("1") for name in ("one", "same", "other"))
    for aggregate, value in ((one, 1.0), (same, 1.0), (other, 1.5)):
        aggregate.iterations.add(Iteration("h", "train", 1, metrics={"loss": value}))
    assert compare(tracker, one, same).verdict == "identical"
    assert compare(tracker, one, other).verdict == "diverged"
    assert compare(tracker, one, other, tolerance=0.5).verdict == "within tolerance"


def test_the_number_of_batches_is_compared(tracker: Tracker) -> None:
    one, other = (tracker.experiment(name).aggregate("1") for name in ("one", "other"))
    for aggregate, batches in ((one, 3), (other, 4)):
        with aggregate.iteration("train", 1) as iteration:
            for _ in iteration.track(range(batches)):
                pass
            iteration.log({"x": 1.0})
    assert "batches: 3 became 4" in compare(tracker, one, other).reason


def test_an_empty_original_is_not_runnable(tracker: Tracker) -> None:
    verdict = compare(tracker, logged(tracker, "one", []), logged(tracker, "other", [("x", 1.0, {})]))
    assert (verdict.verdict, verdict.exit_code) == ("not runnable", 6)
    assert verdict.reason == "it recorded nothing to compare"


def test_two_that_recorded_nothing_are_not_identical(tracker: Tracker) -> None:
    one, other = logged(tracker, "one", []), logged(tracker, "other", [])
    one.iterations.add(Iteration("h"))
    other.iterations.add(Iteration("h"))
    assert compare(tracker, one, other).verdict == "not runnable"


def test_a_reproduction_that_never_logged_is_incomplete(tracker: Tracker) -> None:
    verdict = compare(tracker, logged(tracker, "one", [("x", 1.0, {})]), logged(tracker, "other", []))
    assert verdict.verdict == "incomplete"
    assert "no metrics" in verdict.reason


def crashed(tracker: Tracker, experiment: str, error: Exception | None, steps: int = 3) -> TrackedAggregate:
    aggregate = tracker.experiment(experiment).aggregate("1")
    try:
        with aggregate.training(), aggregate.iteration("train", 1) as iteration:
            for step in range(steps):
                iteration.log({"x": float(step)}, step=step)
            if error is not None:
                raise error
    except (ValueError, KeyError) as raised:
        assert raised is error
    return aggregate


def test_the_same_failure_at_the_same_place_is_identical_and_noted(tracker: Tracker) -> None:
    one, other = crashed(tracker, "one", ValueError("in /a")), crashed(tracker, "other", ValueError("in /b"))
    verdict = compare(tracker, one, other)
    assert verdict.verdict == "identical"
    assert verdict.notes == ["training 1 failed in both, with ValueError: in /a"]


def test_a_failure_of_the_reproduction_alone_is_incomplete(tracker: Tracker) -> None:
    for steps in (1, 3):
        other = crashed(tracker, f"other {steps}", ValueError("no memory"), steps)
        verdict = compare(tracker, crashed(tracker, f"one {steps}", None), other)
        assert verdict.verdict == "incomplete"
        assert "failed with ValueError: no memory" in verdict.reason


def test_another_failure_or_none_is_never_identical(tracker: Tracker) -> None:
    one = crashed(tracker, "one", ValueError("x"))
    assert compare(tracker, one, crashed(tracker, "other", KeyError("x"))).verdict == "incomplete"
    assert compare(tracker, one, crashed(tracker, "third", None)).verdict == "incomplete"


@pytest.mark.parametrize("endings", [[False], [True, True], [True, False, True]])
def test_trainings_that_end_otherwise_are_never_identical(tracker: Tracker, endings: list[bool]) -> None:
    """The original completed a training and failed in another; every point is the same."""
    one, other = logged(tracker, "one", [("x", 1.0, {})]), logged(tracker, "other", [("x", 1.0, {})])
    for aggregate, ends in ((one, [True, False]), (other, endings)):
        for completes in ends:
            with suppress(ValueError), aggregate.training():
                if not completes:
                    raise ValueError
    verdict = compare(tracker, one, other)
    assert verdict.verdict == "incomplete"
    assert any(difference.kind == "outcome" for difference in verdict.differences)


def test_a_crash_is_not_called_divergence_for_what_was_not_reached(tracker: Tracker) -> None:
    one = crashed(tracker, "one", None)
    one.modules.add(Module("late", "h", "Late"))
    one.config["late"] = True
    assert compare(tracker, one, crashed(tracker, "other", ValueError("x"), 1)).verdict == "incomplete"


def test_a_failure_outside_of_trainings(tracker: Tracker) -> None:
    one, other = logged(tracker, "one", [("x", 1.0, {})]), logged(tracker, "other", [("x", 1.0, {})])
    verdict = compare(tracker, one, other, failure="OSError: gone")
    assert verdict.verdict == "incomplete"
    assert "OSError: gone" in verdict.reason
    failed = crashed(tracker, "failed", ValueError("x"), 1)
    again = tracker.experiment("again").aggregate("1")
    with pytest.raises(ValueError), again.iteration("train", 1) as iteration:
        iteration.log({"x": 0.0}, step=0)
        raise ValueError("x")
    assert compare(tracker, failed, again, failure="ValueError: x").verdict == "identical"
    assert compare(tracker, failed, again, failure="KeyError: x").verdict == "incomplete"


def test_a_failure_is_not_excused_by_another_in_a_training(tracker: Tracker) -> None:
    one, other = crashed(tracker, "one", ValueError("x")), crashed(tracker, "other", ValueError("x"))
    for failure in ("OSError: gone", "Killed: SIGKILL"):
        assert compare(tracker, one, other, failure=failure).verdict == "incomplete"
    for failure in ("builtins.ValueError: x", "SystemExit: 1"):
        assert compare(tracker, one, other, failure=failure).verdict == "identical"


def test_events_of_a_later_release_make_it_incomplete(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = logged(tracker, "one", [("x", 1.0, {})]), logged(tracker, "other", [("x", 1.0, {})])
    monkeypatch.setattr(MetricsRecorded, "version", 99)
    tracker.append(MetricsRecorded(stream=one.keys[0], values={"x": 2.0}))
    verdict = compare(tracker, one, other)
    assert verdict.verdict == "incomplete"
    assert "cannot be read" in verdict.reason
    assert verdict.notes == ["1 events MetricsRecorded v99 of the original cannot be read"]


def test_damage_is_noted(tmp_path: Any) -> None:
    with mltracker.open(tmp_path, projection="memory") as tracker:
        logged(tracker, "one", [("x", float(step), {"step": step}) for step in range(9)])
    segment = next((tmp_path / "events").glob("*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[-3] = b"garbage\n"
    segment.write_bytes(b"".join(lines))
    with pytest.warns(mltracker.Notice), mltracker.open(tmp_path, projection="memory") as tracker:
        one = tracker.experiment("one").aggregate("1")
        other = logged(tracker, "other", [("x", float(step), {"step": step}) for step in range(9)])
        verdict = compare(tracker, one, other)
    assert verdict.verdict == "incomplete"
    assert verdict.notes[0].startswith("both may lack something: ")


def test_points_of_several_keys_and_writers_are_one_history(tmp_path: Any) -> None:
    with (
        mltracker.open(tmp_path, projection="memory") as first,
        mltracker.open(tmp_path, projection="memory") as second,
    ):
        one = first.experiment("one").aggregate("1")
        again = second.experiment("one").aggregate("1")
        for step in range(6):  # the writers take turns
            (one if step % 2 else again).metrics.log({"x": 1.0 / (1 + step)}, step=0)
        other = logged(first, "other", [("x", 1.0 / (1 + step), {"step": 0}) for step in range(6)])
        assert compare(first, one, other).verdict == "identical"
        wrong = logged(first, "wrong", [("x", 1.0 / (1 + step), {"step": 0}) for step in (1, 0, 2, 3, 4, 5)])
        verdict = compare(first, one, wrong)
        assert verdict.first is not None
        assert (verdict.first.expected, verdict.first.found) == (1.0, 0.5)


def test_sessions_are_compared_too(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mltracker.events.catalogue import SessionDescribed

    described: list[dict[str, Any]] = [
        {"seeds": [{"seed": 7}], "packages": {"torch": "2.1", "a.b": "1"}, "code": {"commit": "a" * 40}},
        {"seeds": [{"seed": 8}], "packages": {"torch": "2.2", "a.b": "1"}, "code": {"commit": "b" * 40}},
    ]
    for name, environment, value in zip("ab", described, (1.0, 2.0), strict=True):
        with mltracker.open(tmp_path, projection="memory") as tracker:
            logged(tracker, name, [("x", value, {})])
            tracker.append(SessionDescribed(environment=environment))
    with mltracker.open(tmp_path, projection="memory") as tracker:
        one, other = (tracker.experiment(name).aggregate("1") for name in "ab")
        verdict = compare(tracker, one, other)
        same = logged(tracker, "same", [("x", 1.0, {})])
        explained = compare(tracker, one, same)
    assert verdict.reason.startswith(
        f"code commit: {'a' * 40} became {'b' * 40}, seeds recorded: [7] became [8]; first"
    )
    assert [str(each) for each in verdict.environment] == ["package torch: 2.1 became 2.2"]
    assert explained.verdict == "identical"  # where the numbers agree, neither code nor seeds decide; they are told
    assert "seeds" in explained.reason
