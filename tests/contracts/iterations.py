"""What every Iterations collection must do. Subclass `IterationsContract` and give it the fixture `iterations`."""

from __future__ import annotations

from typing import Any

import pytest

from mltracker.errors import InvalidMetric, InvalidName, InvalidParameters, InvalidValue
from mltracker.models import Dataset, Iteration, Module
from mltracker.ports import Iterations
from tests.contracts.experiments import BAD_NAMES


def iteration(**changes: Any) -> Iteration:
    given = {
        "hash": "1",
        "phase": "train",
        "epoch": 1,
        "dataset": Dataset("d", "mnist", {"normalize": True}),
        "parameters": {"batch_size": 32, "shuffle": True},
        "modules": [Module("criterion", "c", "CrossEntropy", {"weight": [1, 2]})],
    }
    return Iteration(**{**given, **changes})


def plain(found: list[Iteration]) -> list[Iteration]:
    """With lists for modules, whatever sequence was answered."""
    return [Iteration(one.hash, one.phase, one.epoch, one.dataset, one.parameters, list(one.modules)) for one in found]


class IterationsContract:
    """`iterations` is the empty collection of an aggregate."""

    @pytest.fixture
    def iterations(self) -> Iterations:
        raise NotImplementedError

    def test_there_are_none_at_first(self, iterations: Iterations) -> None:
        assert iterations.list() == []
        iterations.clear()

    def test_add_and_list(self, iterations: Iterations) -> None:
        iterations.add(iteration(duration=1.5, metrics={"loss": 0.5, "count": 3}))
        [found] = iterations.list()
        assert plain([found]) == [iteration()]
        assert (found.status, found.error, found.duration) == ("completed", None, 1.5)
        assert dict(found.metrics) == {"loss": 0.5, "count": 3}
        assert found.id and found.at and found.session

    def test_least(self, iterations: Iterations) -> None:
        iterations.add(Iteration(hash="x"))
        assert plain(iterations.list()) == [Iteration(hash="x", modules=[])]

    def test_by_phase_and_epoch(self, iterations: Iterations) -> None:
        given = [iteration(phase=phase, epoch=epoch) for epoch in (1, 2) for phase in ("train", "test")]
        for one in given:
            iterations.add(one)
        assert plain(iterations.list()) == given
        assert plain(iterations.list("train")) == [given[0], given[2]]
        assert plain(iterations.list(epoch=2)) == given[2:]
        assert plain(iterations.list(phase="test", epoch=1)) == [given[1]]
        assert iterations.list("validation") == [] and iterations.list(epoch=3) == []

    def test_the_last_of_equal_hash_phase_and_epoch_wins(self, iterations: Iterations) -> None:
        iterations.add(iteration())
        iterations.add(iteration(hash="2"))
        iterations.add(iteration(parameters={"batch_size": 64}))
        assert plain(iterations.list()) == [iteration(hash="2"), iteration(parameters={"batch_size": 64})]

    def test_clear(self, iterations: Iterations) -> None:
        iterations.add(iteration())
        iterations.clear("wrong data")
        assert iterations.list() == []
        iterations.add(iteration(epoch=2))
        assert plain(iterations.list()) == [iteration(epoch=2)]

    @pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
    def test_bad_names_are_refused(self, iterations: Iterations, name: str) -> None:
        with pytest.raises(InvalidName, match="hash"):
            iterations.add(iteration(hash=name))
        with pytest.raises(InvalidName, match=r"dataset\.name"):
            iterations.add(iteration(dataset=Dataset("1", name)))
        if name is not None:
            with pytest.raises(InvalidName, match="phase"):
                iterations.add(iteration(phase=name))
        assert iterations.list() == []

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"epoch": True}, InvalidValue, "epoch.*bool"),
            ({"epoch": 1.0}, InvalidValue, "epoch.*int"),
            ({"epoch": 2**63}, InvalidValue, "epoch.*64 bits"),
            ({"epoch": -(2**63)}, InvalidValue, "epoch.*64 bits"),
            ({"parameters": {"f": print}}, InvalidParameters, r"parameters\.f"),
            ({"parameters": None}, InvalidParameters, "mapping"),
            ({"dataset": "mnist"}, InvalidValue, "must be a Dataset"),
            ({"dataset": Dataset("1", "a", {"f": [print]})}, InvalidParameters, r"dataset\.parameters\.f\[0\]"),
            ({"modules": ["sgd"]}, InvalidValue, r"modules\[0\].*must be a Module"),
            ({"modules": 3}, InvalidValue, "modules"),
            ({"metrics": {"loss": "low"}}, InvalidMetric, "'loss'"),
            ({"duration": "long"}, InvalidMetric, "'duration'"),
        ],
    )
    def test_bad_input_is_refused(
        self, iterations: Iterations, change: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            iterations.add(iteration(**change))
        with pytest.raises(InvalidValue, match="must be an Iteration"):
            iterations.add({"hash": "1"})  # type: ignore[arg-type]
        assert iterations.list() == []
