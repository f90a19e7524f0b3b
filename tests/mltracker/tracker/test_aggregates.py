"""What the tracker's aggregates do beyond the port's contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mltracker import Aggregate, Iteration, Metric, Module, NotFound, Tracker
from mltracker.events import AggregateCreated, ExperimentCreated
from mltracker.ports import Aggregates, Metrics
from mltracker.tracker.aggregates import TrackedAggregate

MODEL = Module("model", "1", "Perceptron", {"size": 1})
SGD = Module("optimizer", "2", "SGD", {"lr": 0.1})


@pytest.fixture
def aggregate(tracker: Tracker) -> TrackedAggregate:
    return tracker.experiment("mnist").aggregate("1")


def count(tracker: Tracker) -> int:
    return len(list(tracker.history()))


def test_get_or_create_writes_only_what_differs(tracker: Tracker) -> None:
    experiment = tracker.experiment("mnist")
    first = experiment.aggregate("1", modules=[MODEL], config={"lr": 0.1, "batch": {"size": 32}})
    before = count(tracker)
    again = experiment.aggregate("1", modules=iter([MODEL]), config={"lr": 0.1, "batch.size": 32})
    assert again.keys == first.keys and count(tracker) == before
    experiment.aggregate("1", modules=[MODEL, SGD], config={"lr": 0.2})
    assert count(tracker) == before + 2
    assert list(first.modules) == [MODEL, SGD] and first.config == {"lr": 0.2, "batch.size": 32}
    experiment.aggregate("1", modules=[Module("model", "1", "Perceptron", {"size": 2})])
    assert count(tracker) == before + 3


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0.0, -0.0), ([1], [1.0])])
def test_what_looks_equal_may_differ(tracker: Tracker, old: Any, new: Any) -> None:
    experiment = tracker.experiment("mnist")
    aggregate = experiment.aggregate("1", config={"a": old})
    experiment.aggregate("1", config={"a": new})
    assert repr(aggregate.config["a"]) == repr(new)


def test_config(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    aggregate.config.update({"batch": {"size": 32, "shuffle": True}, "lr": float("nan")})
    assert list(aggregate.config) and aggregate.config["batch.size"] == 32 and "lr" in aggregate.config
    before = count(tracker)
    aggregate.config.update({"batch.size": 32, "lr": float("nan")})
    assert count(tracker) == before
    aggregate.config.update({"batch": 1}, seed=7)
    assert {key: aggregate.config[key] for key in aggregate.config if key != "lr"} == {"batch": 1, "seed": 7}
    aggregate.config.update({"batch": {"size": 64}})
    assert "batch" not in aggregate.config and aggregate.config["batch.size"] == 64
    aggregate.config.remove("batch", "seed", "lr")
    assert dict(aggregate.config) == {} and len(aggregate.config) == 0
    with pytest.raises(NotFound, match="'seed'"):
        aggregate.config.remove("seed")


def test_epoch(aggregate: TrackedAggregate) -> None:
    assert aggregate.epoch is None
    aggregate.metrics.log({"loss": 0.5}, epoch=3)
    assert aggregate.epoch == 3
    aggregate.iterations.add(Iteration("1", epoch=2))
    assert aggregate.epoch == 2
    aggregate.iterations.clear()
    assert aggregate.epoch == 3
    aggregate.metrics.clear()
    assert aggregate.epoch is None


def test_parameters(tracker: Tracker) -> None:
    modules = [
        MODEL,
        SGD,
        Module("model", "3", "Other", {"size": 5, "deep": {"a": {"b": 1}}}),
        Module("loss", "4", "L"),
    ]
    aggregate = tracker.experiment("mnist").aggregate("1", modules, {"optimizer": {"lr": 0.5}, "seed": 1})
    assert aggregate.parameters == {"model.size": 5, "model.deep.a.b": 1, "optimizer.lr": 0.5, "seed": 1}


def test_a_deleted_aggregate_says_so(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    tracker.experiment("mnist").aggregates.delete("1")
    for use in (
        lambda: aggregate.status,
        lambda: aggregate.epoch,
        lambda: dict(aggregate.config),
        lambda: aggregate.config.update({"a": 1}),
        lambda: aggregate.parameters,
    ):
        with pytest.raises(NotFound, match=r"'1'.*deleted.*restore"):
            use()
    assert repr(aggregate) == "Aggregate('1', experiment='mnist')"
    assert aggregate.metrics.list() == [] and len(aggregate.iterations) == 0
    assert "<caption>Aggregate</caption>" in (html := aggregate._repr_html_()) and "was deleted" in html
    tracker.experiment("mnist").aggregates.create("1")
    with pytest.raises(NotFound, match="'1'"):
        aggregate.status  # noqa: B018
    tracker.experiments.delete("mnist")
    with pytest.raises(NotFound, match="'mnist'"):
        tracker.experiments.delete("mnist")


def test_nothing_is_created_below_a_deleted_experiment(tracker: Tracker) -> None:
    experiment = tracker.experiment("mnist")
    tracker.experiments.delete("mnist")
    with pytest.raises(NotFound, match="'mnist'"):
        experiment.aggregates.create("1")


def test_a_renamed_experiment_goes_on(tracker: Tracker) -> None:
    experiment, other = tracker.experiment("mnist"), tracker.experiment("mnist")
    other.name = "renamed"
    tracker.experiments.update(other)
    assert experiment.aggregate("1").id == "1"
    assert [aggregate.id for aggregate in other.aggregates.list()] == ["1"]


def test_several_keys_are_one(tracker: Tracker) -> None:
    first = tracker.experiment("mnist").aggregate("1").keys[0]
    other = tracker.append(ExperimentCreated(name="mnist")).id
    second = tracker.append(AggregateCreated(experiment=other, id="1")).id
    [experiment] = tracker.experiments.list()
    assert len(experiment.keys) == 2
    aggregate = experiment.aggregate("1")
    assert aggregate.keys == (first, second)
    aggregate.metrics.log({"loss": 0.5})
    aggregate.tags["a"] = 1
    experiment.aggregates.update(aggregate)
    aggregate.metrics.clear()
    experiment.aggregates.delete("1")
    streams: dict[str, list[str]] = {}
    for event in tracker.history():
        streams.setdefault(event.type, []).append(event.stream)
    assert streams["MetricsRecorded"] == [first]
    for kind in ("TagsChanged", "MetricsCleared", "AggregateDeleted"):
        assert streams[kind] == [first, second]
    assert experiment.aggregates.restore("1").keys == (first, second)


def test_reading_an_aggregate_loads_no_points(aggregate: TrackedAggregate, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(*args: object, **options: object) -> None:
        raise AssertionError("points were read")

    aggregate.metrics.log({"loss": 0.5})
    model = type(aggregate._access.ask(lambda model: model))
    monkeypatch.setattr(model, "metrics", loaded)
    monkeypatch.setattr(model, "iterations", loaded)
    assert aggregate._access.ask(lambda model: model.experiments.list())


# Collections of a user's own -----------------------------------------------------------------------------------------


class MyMetrics(Metrics):
    """Metrics in a list."""

    def __init__(self) -> None:
        self.kept: list[Metric] = []

    def add(self, metric: Metric) -> None:
        self.kept.append(metric)

    def list(self, *args: Any, **options: Any) -> list[Metric]:
        return self.kept

    def series(self, *args: Any, **options: Any) -> Any:
        return ()

    def names(self) -> Any:
        return []

    def void(self, metric: Any, why: str = "") -> None: ...

    def unvoid(self, metric: Any, why: str = "") -> None: ...

    def rename(self, old: str, new: str, why: str = "") -> Callable[[], None]:
        return lambda: None

    def clear(self, why: str = "") -> None: ...


def test_a_collection_of_ones_own() -> None:
    aggregate = Aggregate("1", metrics=MyMetrics())
    assert aggregate.metrics is not None
    aggregate.metrics.log({"loss": 0.5, "accuracy": 1}, step=3)
    aggregate.metrics.log_series("loss", [1.0, 2.0])
    assert aggregate.metrics.list()[0] == Metric("loss", 0.5, step=3)
    assert len(aggregate.metrics.list()) == 4


def test_an_incomplete_one_fails_at_once() -> None:
    class Incomplete(Aggregates):
        def list(self) -> list[Aggregate]:  # type: ignore[override]
            return []

    with pytest.raises(TypeError, match=r"create.*delete.*read.*restore.*update"):
        Incomplete()  # type: ignore[abstract]


def test_the_store_is_where_it_was_said(tracker: Tracker, store: Path) -> None:
    assert repr(tracker) == f"Tracker({str(store)!r})"
