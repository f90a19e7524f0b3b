"""What every Modules collection must do. Subclass `ModulesContract` and give it the fixture `modules`."""

from __future__ import annotations

from typing import Any

import pytest

from mltracker.errors import InvalidName, InvalidParameters, InvalidValue, NotFound
from mltracker.models import Module
from mltracker.ports import Modules
from tests.contracts.aggregates import BAD_PARAMETERS
from tests.contracts.experiments import BAD_NAMES

MODEL = Module("model", "1", "Perceptron", {"size": 1})
OPTIMIZER = Module("optimizer", "2", "SGD", {"lr": 0.1})


class ModulesContract:
    """`modules` is the empty collection of an aggregate."""

    @pytest.fixture
    def modules(self) -> Modules:
        raise NotImplementedError

    def test_there_are_none_at_first(self, modules: Modules) -> None:
        assert modules.list() == [] and list(modules) == [] and len(modules) == 0

    def test_in_the_order_in_which_they_were_attached(self, modules: Modules) -> None:
        modules.add(OPTIMIZER)
        modules.add(MODEL)
        assert modules.list() == list(modules) == [OPTIMIZER, MODEL]
        assert modules.list("model") == [MODEL] and modules.list(type="loss") == []
        assert modules[0] == OPTIMIZER and modules[-1] == MODEL

    def test_what_was_attached_last_holds(self, modules: Modules) -> None:
        modules.add(MODEL)
        modules.add(OPTIMIZER)
        changed = Module("model", "1", "Other", {"size": 2})
        modules.add(changed)
        assert sorted(modules.list(), key=lambda module: module.type) == [changed, OPTIMIZER]

    def test_remove(self, modules: Modules) -> None:
        modules.add(MODEL)
        modules.add(OPTIMIZER)
        modules.remove(MODEL)
        assert modules.list() == [OPTIMIZER]
        with pytest.raises(NotFound, match="'Perceptron'"):
            modules.remove(MODEL)
        modules.add(MODEL)
        assert modules.list() == [OPTIMIZER, MODEL]

    @pytest.mark.parametrize("field", ["type", "hash", "name"])
    @pytest.mark.parametrize("value", BAD_NAMES, ids=repr)
    def test_bad_names_are_refused(self, modules: Modules, field: str, value: str) -> None:
        with pytest.raises(InvalidName, match=field):
            modules.add(Module(**{"type": "model", "hash": "1", "name": "a", field: value}))
        assert modules.list() == []

    @pytest.mark.parametrize(("parameters", "message"), BAD_PARAMETERS)
    def test_bad_parameters_are_refused(self, modules: Modules, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidParameters, match=message):
            modules.add(Module("model", "1", "a", parameters))
        assert modules.list() == []

    def test_only_modules_are_modules(self, modules: Modules) -> None:
        with pytest.raises(InvalidValue, match="must be a Module, not str"):
            modules.add("model")  # type: ignore[arg-type]
