"""A store, and a small training to record in it and repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mltracker
from mltracker import Dataset, Module, TrackedAggregate, Tracker
from tests.mltracker.reproduce.scratch import TRAIN, Scratch

Train = Callable[..., TrackedAggregate]


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    with mltracker.open("memory:", projection="memory") as opened:
        yield opened


def trained(
    aggregate: TrackedAggregate, *, lr: float = 0.1, steps: int = 4, data: str = "d1", epochs: int = 2
) -> TrackedAggregate:
    """Two epochs of two phases, in blocks."""
    with aggregate.training():
        for epoch in range(epochs):
            for phase in ("train", "validation"):
                optimizer = Module("optimizer", f"sgd-{lr}", "SGD", {"lr": lr})
                fed = {"batch_size": 32}
                dataset = Dataset(data, "digits")
                with aggregate.iteration(phase, epoch, dataset, fed, [optimizer]) as iteration:
                    for step in iteration.track(range(steps)):
                        iteration.log({"loss": lr / (1 + step + epoch), "hits": step}, step=step)
    return aggregate


@pytest.fixture
def record(tracker: Tracker) -> Train:
    """Records a training as an aggregate "1" of the named experiment, with a model and a config."""

    def make(
        experiment: str, *, size: int = 3, config: dict[str, object] | None = None, **options: object
    ) -> TrackedAggregate:
        model = Module("model", f"net-{size}", "Net", {"size": size, "act": {"slope": 0.5}})
        aggregate = tracker.experiment(experiment).aggregate("1", [model], config or {"data": {"seed": 7}})
        return trained(aggregate, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    """A git repository with one commit, and a place of its own for what reproductions need."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    made = Scratch(tmp_path / "repository", tmp_path / "store")
    made.root.mkdir()
    made.git("init", "-q", "-b", "main")
    made.write("train.py", TRAIN)
    made.write("settings.py", "scale = 2.0\n")
    made.write(".gitignore", "__pycache__/\n*.npy\ndata/\n")
    made.commit()
    monkeypatch.chdir(made.root)
    return made
