"""Reproducing by calling a function."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import mltracker
from mltracker import InvalidValue, Module, NotFound, Recipe, TrackedAggregate, Tracker
from mltracker.capture.registry import Registry
from mltracker.events.catalogue import SessionDescribed
from tests.mltracker.reproduce.conftest import trained

Train = Callable[..., TrackedAggregate]


def verdicts(aggregate: TrackedAggregate) -> list[tuple[str, str]]:
    return [(one.verdict, one.reproduction) for one in aggregate.reproductions]


def test_the_same_function_is_identical_and_recorded(tracker: Tracker, record: Train) -> None:
    original = record("mnist")
    verdict = tracker.reproduce(original, trained)
    assert verdict.verdict == "identical"
    assert verdict.reproduction is not None
    assert verdicts(original) == [("identical", verdict.reproduction)]
    assert original.reproductions[0].details["compared"]["points"] == 32
    (again,) = [one for one in tracker.experiments.list() if one.name.startswith("mnist~")]
    assert again.tags == {"reproduction_of": "mnist/1"}
    assert [one.keys[0] for one in again.aggregates.list()] == [verdict.reproduction]
    assert verdict.seconds is not None
    assert len(original.metrics.list()) == 32


def test_another_hyperparameter_is_diverged_naming_it(tracker: Tracker, record: Train) -> None:
    original = record("mnist")
    verdict = tracker.reproduce(original, partial(trained, lr=0.2))
    assert verdict.verdict == "diverged"
    assert "optimizer SGD.lr: 0.1 became 0.2" in verdict.reason
    assert verdicts(original)[0][0] == "diverged"


def test_a_module_or_config_of_its_own_is_noticed(tracker: Tracker, record: Train) -> None:
    def other_model(aggregate: TrackedAggregate) -> None:
        aggregate.modules.add(Module("model", "net-4", "Net", {"size": 4, "act": {"slope": 0.5}}))
        trained(aggregate)

    def other_config(aggregate: TrackedAggregate) -> None:
        aggregate.config["data.seed"] = 8
        trained(aggregate)

    original = record("mnist")
    assert "Net.size: 3 became 4" in tracker.reproduce(original, other_model).reason
    assert "config data.seed: 7 became 8" in tracker.reproduce(original, other_config).reason


def test_a_tolerance_and_metrics_are_passed_on(tracker: Tracker) -> None:
    original = tracker.experiment("e").aggregate("1")
    original.metrics.log({"x": 1.0, "y": 1.0})

    def near(aggregate: TrackedAggregate) -> None:
        aggregate.metrics.log({"x": 1.0 + 1e-9, "y": 5.0})

    assert tracker.reproduce(original, near, tolerance=1e-6, metrics=["x"]).verdict == "within tolerance"
    assert tracker.reproduce(original, near, tolerance=1e-6).verdict == "diverged"


def test_it_is_called_with_what_it_takes(tracker: Tracker) -> None:
    registry = Registry()

    @registry.register
    class Net:
        def __init__(self, size: int) -> None:
            self.size = size

    original = tracker.experiment("e").aggregate("1", [Module.of(Net(3))], {"lr": 0.1})
    original.metrics.log({"x": 3.0})
    calls: list[tuple[Any, ...]] = []

    def one(aggregate: TrackedAggregate) -> None:
        calls.append((aggregate.config["lr"],))
        aggregate.metrics.log({"x": 3.0})

    def two(aggregate: TrackedAggregate, recipe: Recipe) -> None:
        calls.append((recipe.id,))
        one(aggregate)

    def three(aggregate: TrackedAggregate, recipe: Recipe, *, modules: dict[str, Any]) -> None:
        calls.append((modules["model"].size,))
        two(aggregate, recipe)

    def four(aggregate: TrackedAggregate, modules: dict[str, Any], lr: float = 0.5) -> None:
        calls.append((modules["model"].size, lr))
        one(aggregate)

    def any_number(*given: Any) -> None:
        one(*given)

    for function in (one, two, three, four, any_number, lambda aggregate: one(aggregate)):
        assert tracker.reproduce(original, function, registry=registry).verdict == "identical"
    assert calls[:3] == [(0.1,), ("e/1",), (0.1,)]
    assert calls[3:6] == [(3,), ("e/1",), (0.1,)]
    assert calls[6:8] == [(3, 0.5), (0.1,)]
    with pytest.raises(NotFound, match="not registered"):
        tracker.reproduce(original, three, registry=Registry())


async def later(aggregate: Any) -> None: ...


def generator(aggregate: Any) -> Any:
    yield


@pytest.mark.parametrize(
    "function", [3, lambda: None, lambda a, b, c: None, later, generator, lambda a, *, lr: None], ids=list("abcdef")
)
def test_a_function_that_cannot_be_called_is_refused_before_anything(
    tracker: Tracker, record: Train, function: Any
) -> None:
    original = record("mnist")
    with pytest.raises(InvalidValue, match="train_function"):
        tracker.reproduce(original, function)
    assert verdicts(original) == []
    assert len(tracker.experiments.list()) == 1


def test_what_it_raises_makes_it_incomplete(tracker: Tracker, record: Train) -> None:
    def broken(aggregate: TrackedAggregate) -> None:
        trained(aggregate)
        raise RuntimeError("out of memory")

    def broken_amid(aggregate: TrackedAggregate) -> None:
        with aggregate.training():
            raise RuntimeError("out of memory")

    original = record("mnist")
    for function in (broken, broken_amid):
        verdict = tracker.reproduce(original, function)
        assert verdict.verdict == "incomplete"
        assert "RuntimeError: out of memory" in verdict.reason
    assert [one for one, _ in verdicts(original)] == ["incomplete", "incomplete"]


def test_failing_as_the_original_did_is_identical(tracker: Tracker) -> None:
    def failing(aggregate: TrackedAggregate) -> None:
        aggregate.metrics.log({"x": 1.0})
        raise ValueError("no")

    original = tracker.experiment("e").aggregate("1")
    with pytest.raises(ValueError, match="no"), original.training():
        failing(original)
    verdict = tracker.reproduce(original, failing)
    assert verdict.verdict == "identical"
    assert verdict.notes == ["both failed with ValueError: no"]


def test_ctrl_c_goes_on_its_way_and_records_no_verdict(tracker: Tracker, record: Train) -> None:
    def interrupted(aggregate: TrackedAggregate) -> None:
        trained(aggregate)
        raise KeyboardInterrupt

    original = record("mnist")
    with pytest.raises(KeyboardInterrupt):
        tracker.reproduce(original, interrupted)
    assert verdicts(original) == []
    assert tracker.reproduce(original, trained).verdict == "identical"


def test_a_function_that_never_logs_is_incomplete(tracker: Tracker, record: Train) -> None:
    assert tracker.reproduce(record("mnist"), lambda aggregate: None).verdict == "incomplete"


def test_an_empty_original_is_not_runnable(tracker: Tracker) -> None:
    original = tracker.experiment("e").aggregate("1")
    called = []
    verdict = tracker.reproduce(original, called.append)
    assert (verdict.verdict, verdict.reason) == ("not runnable", "it recorded nothing to compare")
    assert called == []
    assert verdicts(original) == [("not runnable", "")]


def test_the_last_recorded_seed_is_set_before(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[tuple[int, bool]] = []
    fake = ModuleType("mltracker.capture.seeds")
    fake.seed_everything = lambda seed, *, deterministic: seeded.append((seed, deterministic))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mltracker.capture.seeds", fake)
    original = tracker.experiment("e").aggregate("1")
    original.metrics.log({"x": 1.0})
    tracker.append(
        SessionDescribed(environment={"seeds": [{"seed": 7}, {"seed": 9, "flags": {"deterministic": False}}]})
    )
    order: list[list[tuple[int, bool]]] = []

    def train(aggregate: TrackedAggregate) -> None:
        order.append(list(seeded))
        aggregate.metrics.log({"x": 1.0})

    assert tracker.reproduce(original, train).verdict == "identical"
    assert order == [[(9, False)]]


def test_a_training_that_draws_is_the_same_after_seeding(tmp_path: Path) -> None:
    def train(aggregate: TrackedAggregate) -> None:
        aggregate.metrics.log_series("x", [random.random() for _ in range(5)])

    with mltracker.open(tmp_path, projection="memory", capture="full") as tracker:
        mltracker.seed_everything(5)
        original = tracker.experiment("e").aggregate("1")
        train(original)
    with mltracker.open(tmp_path, projection="memory") as tracker:
        found = tracker.experiment("e").aggregate("1")
        assert tracker.reproduce(found, train).verdict == "identical"


def test_an_aggregate_that_was_not_read_is_refused(tracker: Tracker) -> None:
    with pytest.raises(InvalidValue, match="not read from a store"):
        tracker.reproduce(mltracker.Aggregate("1"), trained)  # type: ignore[arg-type]


def test_a_long_name_still_has_room(tracker: Tracker) -> None:
    original = tracker.experiment("x" * 256).aggregate("1")
    original.metrics.log({"x": 1.0})
    assert tracker.reproduce(original, lambda aggregate: aggregate.metrics.log({"x": 1.0})).verdict == "identical"


def test_a_name_is_no_aggregate(tracker: Tracker) -> None:
    with pytest.raises(InvalidValue, match=r"not 'mnist/1'.*tracker\.experiment"):
        tracker.reproduce("mnist/1", trained)  # type: ignore[arg-type]
