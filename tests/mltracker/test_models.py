"""What people hold in their hands, before it is connected to a store."""

from __future__ import annotations

from typing import Any

import pytest

from mltracker import Aggregate, Experiment, InvalidValue, Iteration, Metric, NotFound, Tracker
from mltracker.ports import Iterations, Metrics
from tests.mltracker.conftest import OpenTracker


class Own(Iterations):
    """A collection of a user's own."""

    def __init__(self) -> None:
        self.held: list[Iteration] = []

    def list(self, phase: str | None = None, epoch: int | None = None) -> Any:
        return self.held

    def add(self, iteration: Iteration) -> None:
        self.held.append(iteration)

    def clear(self, why: str = "") -> None:
        self.held.clear()


@pytest.fixture
def tracker(open_tracker: OpenTracker) -> Tracker:
    return open_tracker("memory:", projection="memory")


def test_what_is_not_connected_says_so() -> None:
    for use in (
        lambda: Aggregate("1").metrics.log({"loss": 0.5}),
        lambda: Aggregate("1").iterations.list(),
        lambda: Experiment("a").aggregates.list(),
    ):
        with pytest.raises(NotFound, match=r"is not connected to a store.*from a tracker"):
            use()


def test_collections_of_ones_own() -> None:
    own = Own()
    aggregate = Aggregate("1", iterations=own)
    aggregate.iterations.add(Iteration("1"))
    assert aggregate.iterations is own and len(own) == 1 and list(own) == [Iteration("1")]
    aggregate = Aggregate("1")
    aggregate.iterations = own
    assert aggregate.iterations is own


def test_what_is_no_collection_is_refused() -> None:
    for make in (
        lambda: Aggregate("1", metrics=3),  # type: ignore[arg-type]
        lambda: Aggregate("1", metrics=Own()),  # type: ignore[arg-type]
        lambda: setattr(Aggregate("1"), "metrics", 3),
    ):
        with pytest.raises(InvalidValue, match=r"metrics: must be .*mltracker\.ports\.Metrics"):
            make()
    with pytest.raises(InvalidValue, match=r"aggregates: must be .*Aggregates"):
        Experiment("a", aggregates=[])  # type: ignore[arg-type]


def test_an_incomplete_collection_names_what_is_missing() -> None:
    class Incomplete(Metrics):
        def add(self, metric: Metric) -> None: ...

    with pytest.raises(TypeError, match="void"):
        Incomplete()  # type: ignore[abstract]


def test_collections_are_walked_counted_and_asked(tracker: Tracker) -> None:
    experiment = tracker.experiment("a")
    aggregate = experiment.aggregate("1")
    tracker.experiment("b").aggregate("2")
    assert [one.name for one in tracker.experiments] == ["a", "b"] and len(tracker.experiments) == 2
    assert "a" in tracker.experiments and experiment in tracker.experiments and Experiment("a") in tracker.experiments
    assert "c" not in tracker.experiments and 7 not in tracker.experiments and "" not in tracker.experiments
    assert [one.id for one in experiment.aggregates] == ["1"] and len(experiment.aggregates) == 1
    assert "1" in experiment.aggregates and aggregate in experiment.aggregates
    assert "2" not in experiment.aggregates and 1 not in experiment.aggregates
    aggregate.iterations.add(Iteration("1", "train"))
    assert [one.hash for one in aggregate.iterations] == ["1"] and len(aggregate.iterations) == 1
    experiment.aggregates.delete("1")
    assert "1" not in experiment.aggregates and len(experiment.aggregates) == 0
