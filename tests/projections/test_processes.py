"""The real read models under processes that write, ask, rebuild and die at once."""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mltracker.events import AggregateCreated, ExperimentCreated, MetricsRecorded
from mltracker.events.segments import SegmentLog
from mltracker.projections import Runner
from mltracker.projections.memory import MemoryReadModel
from mltracker.projections.sqlite import SQLiteReadModel
from mltracker.projections.tinydb import TinyDBReadModel


@pytest.fixture(params=[TinyDBReadModel, SQLiteReadModel])
def model(request: pytest.FixtureRequest) -> Any:
    return request.param


def forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    return pid


def train(store: Path, folder: Path, model: Any, steps: int) -> None:
    """One aggregate, asked for after every few steps."""
    warnings.simplefilter("error")
    log = SegmentLog(store, durability="os")
    runner = Runner(log, model, folder)
    experiment = log.append(ExperimentCreated(name=str(os.getpid()))).id
    key = log.append(AggregateCreated(experiment=experiment, id="1")).id
    for step in range(steps):
        log.append(MetricsRecorded(stream=key, values={"loss": step / 7, "gain": -step}, step=step, phase="train"))
        if step % 3 == 0:
            answers = runner.fresh(everyone=step % 2 == 0)
            steps_seen, values = answers.metrics([key]).series("loss", "train")
            assert list(steps_seen) == list(range(step + 1))
            assert list(values) == [seen / 7 for seen in range(step + 1)]
            for other in answers.experiments.list():
                for aggregate in answers.aggregates(other.keys).list():
                    points = answers.metrics(aggregate.keys).list(name="gain")
                    assert [point.step for point in points] == list(range(len(points)))
            runner.release()
    runner.close()
    log.close()


def digest(store: Path, folder: Path | None, model: Any) -> list[Any]:
    """All that a fresh runner answers about points."""
    runner = Runner(SegmentLog(store), model, folder)
    answers = runner.fresh(everyone=True)
    found: list[Any] = []
    for experiment in answers.experiments.list():
        for aggregate in answers.aggregates(experiment.keys).list():
            points = answers.metrics(aggregate.keys).list()
            found.append((experiment.name, aggregate.id, aggregate.last, [(p.id, p.value, p.step) for p in points]))
    runner.close()
    return found


def test_trainings_at_once(model: Any, tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "projections"

    def rebuild() -> None:
        runner = Runner(SegmentLog(store), model, folder)
        for _ in range(5):
            runner.rebuild()
        runner.close()

    pids = [forked(lambda: train(store, folder, model, 100)) for _ in range(4)]
    pids.append(forked(rebuild))
    codes = [os.waitpid(pid, 0)[1] for pid in pids]
    assert codes == [0] * 5
    assert digest(store, folder, model) == digest(store, None, MemoryReadModel)


def test_trainings_killed_at_any_moment(model: Any, tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "projections"
    seed = random.Random(3)
    for _ in range(10):
        pids = [forked(lambda: train(store, folder, model, 10_000)) for _ in range(2)]
        time.sleep(0.05 + seed.random() * 0.2)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)
        assert digest(store, folder, model) == digest(store, None, MemoryReadModel)
