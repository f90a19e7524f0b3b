"""Every line that a user is promised, as written, on each projection, and read back by another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mltracker
from mltracker import (
    Aggregate,
    AlreadyExists,
    Dataset,
    Experiment,
    Iteration,
    Metric,
    Module,
    get_aggregates_collection,
    get_experiment,
    get_experiments_collection,
)
from mltracker.events import MetricsRecorded
from mltracker.projections import Projection, on
from mltracker.tracker import default
from tests.mltracker.conftest import OpenTracker

READ_BACK = """
import json, sys
import mltracker

def told(tracker):
    for experiment in tracker.experiments.list():
        for aggregate in experiment.aggregates.list():
            yield {
                "experiment": experiment.name, "id": aggregate.id, "keys": aggregate.keys, "tags": aggregate.tags,
                "note": aggregate.note, "status": aggregate.status, "epoch": aggregate.epoch,
                "parameters": aggregate.parameters, "config": dict(aggregate.config),
                "modules": [repr(module) for module in aggregate.modules],
                "metrics": [[repr(point), point.id, point.at, point.session] for point in aggregate.metrics.list()],
                "series": [[phase, name, *(column.tolist() for column in aggregate.metrics.series(name, phase))]
                           for phase, name in aggregate.metrics.names()],
                "iterations": [[repr(one), one.id, one.at] for one in aggregate.iterations.list()],
            }

if __name__ == "__main__":
    with mltracker.open(sys.argv[1], projection=sys.argv[2]) as tracker:
        print(json.dumps(list(told(tracker))))
"""


def read_back(store: Path, projection: str) -> Any:
    """What another process answers."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ_BACK, store, projection], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def told_here(tracker: mltracker.Tracker) -> Any:
    names: dict[str, Any] = {"__name__": "read_back"}
    exec(READ_BACK, names)
    return json.loads(json.dumps(list(names["told"](tracker))))


@pytest.fixture
def default_store(store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLTRACKER_URI", str(store))
    return store


@pytest.fixture(autouse=True)
def _own_default_trackers(monkeypatch: pytest.MonkeyPatch) -> Any:
    trackers: dict[str, mltracker.Tracker] = {}
    monkeypatch.setattr(default, "_trackers", trackers)
    yield
    for tracker in trackers.values():
        tracker.close()


def test_experiments(default_store: Path) -> None:
    experiment = get_experiment("mnist")
    assert isinstance(experiment, Experiment) and get_experiment("mnist").keys == experiment.keys
    experiments = get_experiments_collection()
    experiment = experiments.create("cifar")
    with pytest.raises(AlreadyExists, match="'cifar'"):
        experiments.create("cifar")
    experiment.name = "cifar-10"
    experiments.update(experiment)
    read = experiments.read("cifar-10")
    assert read is not None and read.keys == experiment.keys
    assert experiments.read("nothing") is None
    experiments.delete("cifar-10")
    assert [experiment.name for experiment in experiments.list()] == ["mnist"]


def test_aggregates(default_store: Path) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.linspace(1, 0, 1000)
    aggregates = get_aggregates_collection()
    assert repr(aggregates) == "<aggregates of Experiment('default')>"
    assert get_aggregates_collection("mnist").list() == []
    aggregate = aggregates.create(
        id="1",
        modules=[
            Module(type="model", hash="1234", name="Perceptron", parameters={"input_size": 784, "output_size": 10})
        ],
    )
    assert isinstance(aggregate, Aggregate)
    aggregate.metrics.add(Metric(name="accuracy", value=0.98, epoch=1, phase="train"))
    aggregate.metrics.log({"loss": 0.1, "accuracy": 0.98}, step=100, epoch=1, phase="train")
    aggregate.metrics.log_series("loss", steps=range(1000), values=array, phase="train")
    assert len(aggregate.metrics.list()) == 1003
    assert len(aggregate.metrics.list(name="loss", phase="train")) == 1001
    steps, values = aggregate.metrics.series("loss", phase="train")
    assert steps.tolist() == sorted([*range(1000), 100]) and values[0] == 1.0
    assert list(aggregate.metrics.series("loss", phase="train").to_pandas().columns) == ["step", "value"]
    assert aggregate.metrics.series("loss", phase="train").to_polars().shape == (1001, 2)
    aggregate.iterations.add(
        Iteration(
            hash="d" * 64,
            phase="train",
            epoch=1,
            dataset=Dataset(hash="abc", name="mnist", parameters={"train": True}),
            parameters={"batch_size": 32, "shuffle": True},
            modules=[Module("criterion", "c", "CrossEntropy")],
        )
    )
    read = aggregates.read("1")
    assert read is not None and read.keys == aggregate.keys
    aggregate.tags["kept"] = True
    aggregates.update(aggregate)
    aggregate.modules.add(Module("optimizer", "5678", "Adam", {"lr": 0.001}))
    assert (aggregate.epoch, aggregate.tags) == (1, {"kept": True})
    aggregates.create("2")
    aggregates.delete("2")
    assert [aggregate.id for aggregate in aggregates.list()] == ["1"]
    [told] = read_back(default_store, "sqlite")
    assert (told["id"], told["epoch"], told["tags"]) == ("1", 1, {"kept": True})
    assert len(told["modules"]) == 2 and len(told["metrics"]) == 1003 and len(told["iterations"]) == 1


class BestLoss(Projection):
    """The lowest loss of each aggregate."""

    name, version = "best_loss", 1

    @on(MetricsRecorded)
    def lowest(self, event: Any) -> None:
        loss = event.data["values"].get("loss")
        if loss is not None:
            self.state[event.stream] = min(loss, self.state.get(event.stream, loss))

    def best(self, aggregate: Aggregate) -> float | None:
        return self.state.get(aggregate.keys[0])


def test_a_tracker_of_ones_own(projection: Any, store: Path) -> None:
    modules = [Module("model", "1", "Perceptron", {"input_size": 784})]
    with mltracker.open(f"{store}/", projection=projection, durability="interval") as tracker:
        experiment = tracker.experiment("mnist")
        aggregate = tracker.experiment("mnist").aggregate("1", modules=modules, config={"lr": 0.1})
        assert aggregate.status == "created"
        with aggregate.training():
            assert aggregate.status == "running"
            aggregate.metrics.log({"loss": 0.3, "los": 0.2}, step=1)
            aggregate.metrics.log({"loss": 0.1}, step=2)
        assert aggregate.status == "completed"
        with pytest.raises(ZeroDivisionError), aggregate.training():
            raise ZeroDivisionError("by zero")
        assert aggregate.status == "failed" and aggregate.trainings[-1].error is not None
        aggregate.config.update({"batch": {"size": 32}})
        assert aggregate.parameters == {"lr": 0.1, "batch.size": 32, "model.input_size": 784}
        before = aggregate.trainings[-1].ended_at

        metric = aggregate.metrics.list("loss")[0]
        aggregate.metrics.void(metric, why="a spike")
        assert [metric.value for metric in aggregate.metrics.list("loss")] == [0.1]
        aggregate.metrics.unvoid(metric)
        undo = aggregate.metrics.rename("los", "loss", why="a typo")
        assert len(aggregate.metrics.list("loss")) == 3
        undo()
        assert len(aggregate.metrics.list("loss")) == 2
        aggregate.iterations.add(Iteration("1", "train", 1))
        assert len(aggregate.iterations.list()) == 1
        aggregate.iterations.clear()
        assert aggregate.iterations.list() == []

        experiment.aggregates.delete("1")
        assert experiment.aggregates.restore("1").keys == aggregate.keys
        tracker.experiments.delete("mnist")
        assert tracker.experiments.restore("mnist").keys == experiment.keys

        tracker.append(MetricsRecorded(stream=aggregate.keys[0], values={"loss": 0.05}, step=3))
        assert [metric.value for metric in aggregate.metrics.list("loss")] == [0.3, 0.1, 0.05]
        events = list(tracker.history(stream=aggregate.keys[0], types=MetricsRecorded, since=metric.id[:34]))
        assert [event.event.values for event in events] == [{"loss": 0.1}, {"loss": 0.05}]
        then = tracker.as_of(before).experiment("mnist").aggregate("1")
        assert then.config == {"lr": 0.1} and len(then.metrics.list()) == 3
        assert tracker.view(BestLoss).best(aggregate) == 0.05

        told = told_here(tracker)
        tracker.rebuild(projection)
        assert told_here(tracker) == told
        report = tracker.verify()
        assert report.ok and report.events == len(list(tracker.history()))
        aggregate.metrics.clear()
        assert aggregate.metrics.list() == []
        told = told_here(tracker)
    for other in ("tinydb", "sqlite", "memory"):
        assert read_back(store, other) == told


def test_metrics_answer_what_was_logged_and_more(open_tracker: OpenTracker, projection: str) -> None:
    aggregate = open_tracker(projection=projection).experiment("a").aggregate("1")
    aggregate.metrics.log({"loss": 0.5}, step=1, epoch=2, batch=3, phase="train")
    [metric] = aggregate.metrics.list()
    assert metric == Metric("loss", 0.5, 1, 2, 3, "train")
    [event] = open_tracker().history(types="MetricsRecorded")
    assert (metric.id, metric.at, metric.session) == (f"{event.id}:loss", event.at, event.session)


def test_in_memory() -> None:
    with mltracker.open("memory:", projection="memory") as tracker:
        tracker.experiment("a").aggregate("1").metrics.log({"loss": 0.5})
        assert tracker.view(BestLoss).best(tracker.experiment("a").aggregate("1")) == 0.5
        assert len(tracker.sessions()) == 1 and tracker.sessions()[0].pid == os.getpid()
