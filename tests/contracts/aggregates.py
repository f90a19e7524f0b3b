"""What every Aggregates collection must do. Subclass `AggregatesContract` and give it the fixture `aggregates`."""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from typing import Any

import pytest

from mltracker.errors import AlreadyExists, InvalidName, InvalidParameters, InvalidValue, NotFound
from mltracker.models import Aggregate, Module
from mltracker.ports import Aggregates
from tests.contracts.experiments import BAD_PATH_NAMES, GOOD_NAMES


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BAD_PARAMETERS = [
    ({"a": {"b": print}}, r"parameters\.a\.b"),
    ({"a": [1, object()]}, r"parameters\.a\[1\]"),
    ({"a": deep(70)}, r"parameters\.a.*nesting beyond 64"),
    ({"a": 2**70}, r"parameters\.a.*64 bits"),
    ({"a": -(2**63) - 1}, r"parameters\.a.*64 bits"),
    ({"a": "\ud800"}, r"parameters\.a.*surrogate"),
    ({"\udfff": 1}, r"parameters.*surrogate"),
    ({"a": {1: 2}}, r"parameters\.a.*must be a string"),
    ({"a": 1j}, r"parameters\.a"),
    ("text", "parameters.*mapping"),
]
GOOD_PARAMETERS = [
    {"a": None, "b": True, "c": [1, 2.5, "x", [], {}], "d": {"e": {"f": -0.0}}},
    {"nan": math.nan, "inf": math.inf, "list": [-math.inf]},
    {"$float": "NaN", "$": 1, "$$x": {"$float": 2}},
    {"large": 2**63 - 1, "small": -(2**63), "tiny": 5e-324, "huge": 1.7976931348623157e308},
    {"": "an empty key", "a.b": 1, "quote\"'": "\n\t\x00", "🙂": "é"},
]


def module(**changes: Any) -> Module:
    return Module(**{"type": "model", "hash": "1234", "name": "Perceptron", "parameters": {"size": 784}, **changes})


def same(one: object, other: object) -> bool:
    """Equal to the bit: NaN is NaN, 1 is not 1.0, 0.0 is not -0.0."""
    return repr(one) == repr(other)


class AggregatesContract:
    """`aggregates` is the empty collection of one experiment, `others` that of another."""

    @pytest.fixture
    def aggregates(self) -> Aggregates:
        raise NotImplementedError

    @pytest.fixture
    def others(self) -> Aggregates:
        raise NotImplementedError

    def test_there_are_none_at_first(self, aggregates: Aggregates) -> None:
        assert aggregates.list() == []
        assert aggregates.read("1") is None

    def test_create_read_list(self, aggregates: Aggregates) -> None:
        made = aggregates.create("1", modules=[module()], config={"lr": 0.1})
        assert list(made.modules) == [module()]
        read = aggregates.read("1")
        assert read is not None and (read.id, read.keys, read.epoch) == ("1", made.keys, None)
        assert dict(read.config) == {"lr": 0.1}
        aggregates.create(id="2")
        assert [aggregate.id for aggregate in aggregates.list()] == ["1", "2"]

    def test_ids_are_of_one_experiment(self, aggregates: Aggregates, others: Aggregates) -> None:
        aggregates.create("1")
        assert others.read("1") is None and others.list() == []
        others.create("1")
        aggregates.delete("1")
        assert [aggregate.id for aggregate in others.list()] == ["1"]

    @pytest.mark.parametrize("id", GOOD_NAMES)
    def test_any_id_that_keeps_the_rules(self, aggregates: Aggregates, id: str) -> None:
        aggregates.create(id)
        read = aggregates.read(id)
        assert read is not None and read.id == id

    @pytest.mark.parametrize("id", BAD_PATH_NAMES, ids=repr)
    def test_a_bad_id_is_refused_and_named(self, aggregates: Aggregates, id: str) -> None:
        with pytest.raises(InvalidName, match="aggregate id: must "):
            aggregates.create(id)
        assert aggregates.list() == []

    def test_a_second_create_names_the_first(self, aggregates: Aggregates) -> None:
        aggregates.create("1")
        with pytest.raises(AlreadyExists, match="'1' exists already"):
            aggregates.create("1")
        assert len(aggregates.list()) == 1

    @pytest.mark.parametrize("parameters", GOOD_PARAMETERS)
    def test_parameters_come_back_exactly(self, aggregates: Aggregates, parameters: dict[str, Any]) -> None:
        aggregates.create("1", [module(parameters=parameters)])
        read = aggregates.read("1")
        assert read is not None
        assert same([dict(found.parameters) for found in read.modules], [parameters])

    def test_json_forms(self, aggregates: Aggregates) -> None:
        numpy = pytest.importorskip("numpy")
        given = {"path": PurePosixPath("a/b"), "pair": (1, 2), "one": numpy.float64(0.5), "many": numpy.arange(3)}
        aggregates.create("1", [module(parameters=given)])
        read = aggregates.read("1")
        assert read is not None
        found = [dict(found.parameters) for found in read.modules]
        assert same(found, [{"path": "a/b", "pair": [1, 2], "one": 0.5, "many": [0, 1, 2]}])

    @pytest.mark.parametrize(("parameters", "message"), BAD_PARAMETERS)
    def test_bad_parameters_are_refused_with_their_path(
        self, aggregates: Aggregates, parameters: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InvalidParameters, match=message):
            aggregates.create("1", [module(), module(hash="2", parameters=parameters)])
        with pytest.raises(InvalidParameters, match=message.replace("parameters", "config")):
            aggregates.create("1", config=parameters)
        assert aggregates.list() == []

    @pytest.mark.parametrize("field", ["type", "hash", "name"])
    def test_bad_modules_are_refused(self, aggregates: Aggregates, field: str) -> None:
        with pytest.raises(InvalidName, match=rf"modules\[1\]\.{field}"):
            aggregates.create("1", [module(), module(**{field: ""})])
        with pytest.raises(InvalidValue, match="must be a Module, not dict"):
            aggregates.create("1", [{"type": "model"}])  # type: ignore[list-item]
        assert aggregates.list() == []

    def test_tags_and_note(self, aggregates: Aggregates) -> None:
        aggregate = aggregates.create("1")
        aggregate.tags["best"] = True
        aggregate.note = "a note"
        aggregates.update(aggregate)
        read = aggregates.read("1")
        assert read is not None and (read.tags, read.note) == ({"best": True}, "a note")

    def test_update_writes_only_what_the_caller_changed(self, aggregates: Aggregates) -> None:
        mine, theirs = aggregates.create("1"), aggregates.read("1")
        assert theirs is not None
        theirs.tags["theirs"] = 1
        aggregates.update(theirs)
        mine.note = "mine"
        aggregates.update(mine)
        read = aggregates.read("1")
        assert read is not None and (read.tags, read.note) == ({"theirs": 1}, "mine")

    def test_an_id_never_changes(self, aggregates: Aggregates) -> None:
        aggregate = aggregates.create("1")
        aggregate.id = "2"
        with pytest.raises(InvalidValue, match="never changes"):
            aggregates.update(aggregate)

    def test_delete_and_restore(self, aggregates: Aggregates) -> None:
        made = aggregates.create("1", [module()], {"a": 1})
        aggregates.delete("1")
        assert aggregates.read("1") is None and aggregates.list() == []
        restored = aggregates.restore("1")
        assert restored.keys == made.keys and list(restored.modules) == [module()]
        assert dict(restored.config) == {"a": 1}

    def test_delete_create_again_restore(self, aggregates: Aggregates) -> None:
        old = aggregates.create("1")
        aggregates.delete("1")
        aggregates.create("1")
        with pytest.raises(AlreadyExists, match="'1'"):
            aggregates.restore("1")
        aggregates.delete("1")
        assert aggregates.restore("1").keys != old.keys

    def test_what_is_not_there(self, aggregates: Aggregates) -> None:
        for command in (aggregates.delete, aggregates.restore):
            with pytest.raises(NotFound, match="'1'"):
                command("1")
        gone = aggregates.create("1")
        aggregates.delete("1")
        gone.note = "late"
        with pytest.raises(NotFound, match=r"'1'.*restore"):
            aggregates.update(gone)
        with pytest.raises(NotFound, match="not read from a store"):
            aggregates.update(Aggregate("1"))
