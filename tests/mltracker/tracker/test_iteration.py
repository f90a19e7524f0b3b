"""The block of an iteration: what it records, however it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import UserDict
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltracker
from mltracker import Closed, Dataset, InvalidMetric, InvalidName, InvalidValue, Module, ReadOnly, Tracker
from mltracker.errors import AppendFailed, InvalidParameters
from mltracker.events import IterationCompleted, IterationFailed, IterationStarted
from mltracker.tracker.aggregates import TrackedAggregate
from mltracker.tracker.iteration import described, role, samples
from tests.mltracker.conftest import OpenTracker

DIGITS = Dataset("d1", "digits")
SGD = Module("optimizer", "o1", "SGD", {"lr": 0.1})
LOSS = Module("criterion", "c1", "CrossEntropy")


@pytest.fixture
def aggregate(tracker: Tracker) -> TrackedAggregate:
    return tracker.experiment("mnist").aggregate("1")


def types(tracker: Tracker, aggregate: TrackedAggregate) -> list[str]:
    return [event.type for event in tracker.history(aggregate)]


def test_a_whole_iteration(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    batches = [(np.zeros((32, 8, 8)), np.zeros(32))] * 3 + [(np.zeros((4, 8, 8)), np.zeros(4))]
    with aggregate.iteration("train", 3, DIGITS, {"batch_size": 32}, [LOSS, SGD]) as it:
        [running] = aggregate.iterations.list()
        assert (running.status, running.id) == ("running", it.id)
        for step, _ in enumerate(it.track(batches)):
            it.log({"loss": 1 / (step + 1), "seen": it.samples}, step=step)
        time.sleep(0.01)
        it.log({"accuracy": np.float32(0.5)}, batch=7)
    [done] = aggregate.iterations.list()
    assert (done.phase, done.epoch, done.dataset, done.parameters) == ("train", 3, DIGITS, {"batch_size": 32})
    assert list(done.modules) == [LOSS, SGD]
    assert (done.status, done.error, done.batches, done.samples) == ("completed", None, 4, 100)
    assert done.duration is not None and 0.01 <= done.duration < 10
    assert done.metrics == {"loss": 0.25, "seen": 100, "accuracy": 0.5}
    assert {(point.phase, point.epoch) for point in aggregate.metrics.list()} == {("train", 3)}
    assert [(p.step, p.batch) for p in aggregate.metrics.list("accuracy")] == [(None, 7)]
    assert aggregate.epoch == 3
    assert types(tracker, aggregate)[1] == "IterationStarted" and types(tracker, aggregate)[-1] == "IterationCompleted"


def test_the_least(aggregate: TrackedAggregate) -> None:
    with aggregate.iteration():
        pass
    [done] = aggregate.iterations.list()
    assert (done.phase, done.epoch, done.dataset, done.metrics) == (None, None, None, {})
    assert (done.status, done.batches, done.samples) == ("completed", None, None)


def test_an_error_is_recorded_and_goes_on_its_way(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    error = ValueError("bad \ud800 batch")
    with pytest.raises(ValueError, match="bad") as raised, aggregate.iteration("train", 1) as it:
        it.log({"loss": 0.5})
        raise error
    assert raised.value is error
    [failed] = aggregate.iterations.list()
    assert (failed.status, failed.error) == ("failed", "ValueError: bad \\ud800 batch")
    assert types(tracker, aggregate)[-1] == "IterationFailed"


def test_an_error_of_ours_does_not_hide_the_users(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    with pytest.raises(ZeroDivisionError) as raised, aggregate.iteration():
        tracker.close()
        1 / 0  # noqa: B018
    assert "that the iteration failed was not recorded" in raised.value.__notes__[0]


def test_a_closed_generator_leaves_no_end(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    def train() -> Iterator[int]:
        with aggregate.iteration("train", 1) as it:
            yield from it.track(range(3))

    training = train()
    next(training)
    training.close()
    dropped = aggregate.iteration("train", 2)
    dropped.__enter__()
    del dropped
    assert types(tracker, aggregate)[1:] == ["IterationStarted"] * 2


def test_a_forked_child_leaves_no_end(tmp_path: Path) -> None:
    code = f"""
import os, time, mltracker
tracker = mltracker.open({str(tmp_path / "store")!r})
aggregate = tracker.experiment("a").aggregate("1")
with aggregate.iteration("train", 1) as it:
    if os.fork() == 0:
        it.log({{"loss": 0.5}})
        raise SystemExit(0)
    os.wait()
    if os.fork() == 0:
        class Stop(Exception): pass
        try:
            with aggregate.iteration("train", 2):
                raise Stop
        except Stop:
            os._exit(0)
    os.wait()
    pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
time.sleep(0.2)  # what others wrote is seen within 100 ms
print([(one.epoch, one.status) for one in aggregate.iterations.list()])
print([event.type for event in tracker.history(aggregate) if event.type.startswith("Iteration")])
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "[(1, 'completed'), (2, 'failed')]",
        "['IterationStarted', 'IterationStarted', 'IterationFailed', 'IterationCompleted']",
    ], done.stderr


def test_phase_and_epoch_are_the_blocks(aggregate: TrackedAggregate) -> None:
    with aggregate.iteration("train", 3) as it:
        for place in ({"phase": "test"}, {"epoch": 4}, {"epoch": 3}):
            with pytest.raises(InvalidValue, match=r"(phase|epoch): is the iteration's: ('train'|3)"):
                it.log({"loss": 0.5}, **place)
        with pytest.raises(TypeError, match="'stage'"):
            it.log({"loss": 0.5}, stage=1)
    assert aggregate.metrics.list() == []


def test_after_the_block_nothing_is_logged(aggregate: TrackedAggregate) -> None:
    with aggregate.iteration("train", 3) as it:
        it.log({"loss": 0.5})
    with pytest.raises(Closed, match="has ended"):
        it.log({"loss": 0.25})
    assert len(aggregate.metrics.list()) == 1


def test_what_is_no_metric_is_refused_and_leaves_nothing(aggregate: TrackedAggregate) -> None:
    with aggregate.iteration("train", 1) as it:
        for values, error in (({"loss": "low"}, InvalidMetric), ({"": 1.0}, InvalidName), ({"b": True}, InvalidMetric)):
            with pytest.raises(error):
                it.log({"good": 1.0, **values})
        with pytest.raises(InvalidValue, match="must be a mapping"):
            it.log([1.0])  # type: ignore[arg-type]
        it.log({"nan": float("nan"), "big": 2**63 - 1})
    assert set(aggregate.iterations.list()[0].metrics) == {"nan", "big"}


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"phase": ""}, InvalidName, "phase"),
        ({"epoch": 1.5}, InvalidValue, "epoch"),
        ({"parameters": {"f": print}}, InvalidParameters, r"parameters\.f"),
        ({"hash": ""}, InvalidName, "hash"),
        ({"modules": "SGD"}, InvalidValue, "modules: must be a list of modules, not str"),
        ({"modules": 3}, InvalidValue, "not int"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    aggregate: TrackedAggregate, tracker: Tracker, given: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        aggregate.iteration(**given)
    assert types(tracker, aggregate) == ["AggregateCreated"]


def test_live_objects_are_described(aggregate: TrackedAggregate) -> None:
    from sklearn.linear_model import SGDClassifier

    @mltracker.register
    class Smoothing:
        def __init__(self, window: int) -> None:
            self.window = window

    data, model = np.arange(6.0), SGDClassifier(alpha=0.5)
    with aggregate.iteration("train", 1, data, modules=[model, SGD, Smoothing(3)]):
        pass
    [done] = aggregate.iterations.list()
    assert done.dataset is not None and done.dataset.hash == Dataset.of(data).hash
    assert [(one.type, one.name) for one in done.modules] == [
        ("model", "SGDClassifier"),
        ("optimizer", "SGD"),
        ("module", "Smoothing"),
    ]
    assert done.modules[0] == Module.of(model, "model")


def test_what_torch_objects_are_in_a_training() -> None:
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    roles = {
        "model": net,
        "optimizer": optimizer,
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1),
        "criterion": torch.nn.CrossEntropyLoss(),
        "loader": torch.utils.data.DataLoader([1, 2]),
        "module": object(),
    }
    assert {name: role(thing) for name, thing in roles.items()} == {name: name for name in roles}


# The hash ------------------------------------------------------------------------------------------------------------


def hash_of(**given: Any) -> str:
    whole = {"phase": "train", "epoch": 1, "dataset": DIGITS, "parameters": {"a": 1, "b": 0.5}, "modules": [LOSS, SGD]}
    whole |= given
    return described("0" * 32 + ":1", hash=None, **whole).hash  # type: ignore[arg-type]


def test_the_hash_is_pinned() -> None:
    text = '{"dataset":"d1","modules":["c1","o1"],"parameters":{"a":1,"b":0.5},"phase":"train"}'
    assert hash_of() == sha256(text.encode()).hexdigest()


def test_the_hash_is_that_of_what_is_done() -> None:
    same = [
        {"epoch": 2},
        {"parameters": {"b": 0.5, "a": 1}},
        {"modules": [SGD, LOSS]},
        {"dataset": Dataset("d1", "other name", {"n": 1})},
    ]
    assert {hash_of(**given) for given in same} == {hash_of()}
    different = [
        {"phase": "test"},
        {"phase": None},
        {"dataset": None},
        {"dataset": Dataset("d2", "digits")},
        {"parameters": {"a": 1.0, "b": 0.5}},
        {"parameters": None},
        {"modules": [SGD]},
        {"modules": [SGD, LOSS, LOSS]},
    ]
    assert len({hash_of(), *(hash_of(**given) for given in different)}) == len(different) + 1


def test_equal_iterations_replace_each_other(aggregate: TrackedAggregate) -> None:
    for attempt in range(2):
        with aggregate.iteration("train", 1, DIGITS) as it:
            it.log({"attempt": attempt})
    with aggregate.iteration("train", 1, DIGITS, hash="mine"):
        pass
    assert [one.metrics for one in aggregate.iterations] == [{"attempt": 1}, {}]


# Counting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "count"),
    [
        (np.zeros((5, 2)), 5),
        ((np.zeros((5, 2)), np.zeros(3)), 5),
        ([np.zeros((5, 2)), np.zeros(3)], 5),
        ({"name": "x", "image": np.zeros(4), "label": np.zeros(2)}, 4),
        (UserDict({"image": np.zeros(4)}), 4),
        ((("x", np.zeros(6)), np.zeros(2)), 6),
        ([1, 2, 3], 3),
        ([(1, "a"), (2, "b")], 2),
        ((["a", "b", "c"], [0, 1, 0]), 3),
        ([], 0),
        ((), None),
        (3, None),
        ("text", None),
        (np.float64(1.0), None),
        ((np.float64(1.0), [1, 2]), 2),
    ],
    ids=repr,
)
def test_samples_of_a_batch(batch: object, count: int | None) -> None:
    assert samples(batch) == count


def test_track_is_lazy_and_counts_what_was_handed_out(aggregate: TrackedAggregate) -> None:
    with aggregate.iteration() as it:
        endless = iter(lambda: [1, 2], None)
        for _ in it.track(endless):
            if it.batches == 3:
                break
        for _ in it.track([[1], [2]]):
            pass
    [done] = aggregate.iterations.list()
    assert (done.batches, done.samples) == (5, 8)


def test_tracking_costs_next_to_nothing(aggregate: TrackedAggregate) -> None:
    batches = [(np.zeros((4, 2)), np.zeros(4))] * 1000
    costs = []
    with aggregate.iteration() as it:
        for _ in range(50):
            begun = time.perf_counter()
            for _ in it.track(batches):
                pass
            costs.append((time.perf_counter() - begun) / len(batches))
    assert min(costs) < 5e-6  # measured: 0.6 us


# Checkpoints ---------------------------------------------------------------------------------------------------------


def test_a_checkpoint_names_its_iteration(aggregate: TrackedAggregate, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights")
    with aggregate.iteration("train", 1) as it:
        it.checkpoint(tmp_path / "model.pt")
        made = it.checkpoint(b"better", name="best")
    aggregate.checkpoints.add(b"outside")
    assert [(one.name, one.iteration) for one in aggregate.checkpoints] == [
        ("model.pt", it.id),
        ("best", it.id),
        ("checkpoint", None),
    ]
    assert made is not None and aggregate.checkpoints.load(made) == b"better"


def test_the_states_of_random_number_generators(aggregate: TrackedAggregate) -> None:
    import random

    from mltracker.capture.seeds import rng_states

    random.seed(7)
    before = rng_states()
    with aggregate.iteration("train", 1, rng=True) as it:
        random.random()
    with aggregate.iteration("train", 2):
        pass
    [kept] = aggregate.checkpoints.list()
    assert (kept.name, kept.iteration) == ("rng", it.id)
    assert aggregate.checkpoints.load("rng") == before and json.loads(before)["random"]


# Where nothing can be written ----------------------------------------------------------------------------------------


def test_the_past_takes_no_iteration(aggregate: TrackedAggregate, tracker: Tracker, tmp_path: Path) -> None:
    with aggregate.iteration("train", 1) as it:
        it.checkpoint(b"one")
    moment = list(tracker.history())[-1].id
    aggregate.checkpoints.add(b"two")
    past = tracker.as_of(moment).experiment("mnist").aggregates.read("1")
    assert past is not None
    assert [past.checkpoints.load(one) for one in past.checkpoints] == [b"one"]
    with pytest.raises(ReadOnly, match="as of"), past.iteration("train", 2):
        pass
    with pytest.raises(ReadOnly, match="as of"):
        past.checkpoints.add(b"three")
    assert sha256(b"three").hexdigest() not in tracker.blobs
    assert len(aggregate.checkpoints) == 2


def test_a_store_that_cannot_be_written_warns_where_asked(
    open_tracker: OpenTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = open_tracker("memory:", projection="memory", on_error="warn")
    aggregate = tracker.experiment("mnist").aggregate("1")

    def refuse(*_: object) -> None:
        raise AppendFailed("disk full")

    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="disk full"):
        patch.setattr(tracker._access.log, "append", refuse)
        with aggregate.iteration("train", 1) as it:
            assert it.id is None
            it.log({"loss": 0.5})
            assert it.checkpoint(b"weights") is None
        with pytest.raises(ZeroDivisionError), aggregate.iteration("train", 1):
            1 / 0  # noqa: B018
    assert len(aggregate.metrics.list()) == 1 and aggregate.iterations.list() == []
    with pytest.warns(UserWarning, match="events were not recorded"):
        tracker.close()


def test_counts_stand_in_the_parameters_of_the_completion(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    with aggregate.iteration(parameters={"batch_size": 2}) as it:
        list(it.track([[1, 2], [3]]))
    started, completed = tracker.history(types=[IterationStarted, IterationCompleted, IterationFailed])
    assert started.data["parameters"] == {"batch_size": 2}
    assert completed.data["parameters"] == {"batches": 2, "samples": 3}
    assert completed.data["iteration"] == started.id
    assert os.getpid() == tracker.sessions()[0].pid
