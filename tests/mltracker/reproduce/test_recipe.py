"""Recipes: what history folds into, and documents that keep every bit of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mltracker
from mltracker import Closed, Dataset, InvalidValue, Iteration, Module, NotFound, Recipe, TrackedAggregate, Tracker
from mltracker.events.catalogue import AggregateCreated, SessionDescribed, SessionStarted
from mltracker.reproduce.recipe import RecordedModule

Train = Callable[..., TrackedAggregate]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
keys = texts | st.sampled_from(["a", "$float", "$", "class"])
parameters = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def whole(tracker: Tracker, record: Train) -> Recipe:
    aggregate = record("mnist")
    aggregate.checkpoints.add(b"weights", name="last")
    aggregate.metrics.void(aggregate.metrics.list("loss")[0], why="wrong")
    return tracker.recipe("mnist", "1")


def test_a_recipe_holds_it_all_in_order(tracker: Tracker, record: Train) -> None:
    recipe = whole(tracker, record)
    assert recipe.id == "mnist/1"
    assert [(one.type, one.name, one.parameters["size"]) for one in recipe.modules] == [("model", "Net", 3)]
    assert recipe.config == {"data.seed": 7}
    order = [("train", 0), ("validation", 0), ("train", 1), ("validation", 1)]
    assert [(one.phase, one.epoch) for one in recipe.iterations] == order
    first = recipe.iterations[0]
    assert first.dataset is not None
    assert (first.dataset.hash, first.parameters, first.status) == ("d1", {"batch_size": 32}, "completed")
    assert (first.batches, first.metrics) == (4, {"loss": 0.025, "hits": 3})
    assert first.duration is not None
    assert 0 < first.duration < 60
    assert [(one.name, one.parameters) for one in first.modules] == [("SGD", {"lr": 0.1})]
    assert [(one.name, one.size) for one in recipe.checkpoints] == [("last", 7)]
    series = {(one.phase, one.name): one for one in recipe.series}
    assert series["train", "loss"].points == 8
    assert (series["train", "loss"].first, series["train", "loss"].last) == (0.1, 0.02)
    assert (series["train", "hits"].lowest, series["train", "hits"].highest) == (0, 3)
    assert "wrong" in recipe.corrections[0]
    (session,) = recipe.sessions
    wrote = {"points": 32, "iterations": 4, "trainings": 1, "checkpoints": 1, "corrections": 1}
    assert session.wrote.model_dump() == wrote


def test_saved_and_loaded_it_is_the_same(tracker: Tracker, record: Train, tmp_path: Path) -> None:
    recipe = whole(tracker, record)
    path = tmp_path / "recipe.json"
    recipe.save(path)
    assert Recipe.load(path) == recipe
    assert Recipe.load(str(path)) == recipe
    assert Recipe.load(path.read_text()) == recipe


@given(st.dictionaries(keys, parameters, max_size=4))
def test_any_parameters_come_back_bit_for_bit(given: dict[str, Any]) -> None:
    module = RecordedModule(type="m", hash="h", name="n", parameters=given)
    recipe = Recipe(experiment="e", aggregate="a", modules=[module], config=given)
    again = Recipe.load(recipe.to_json())
    assert repr(again.modules[0].parameters) == repr(module.parameters) == repr(given)
    assert repr(again.config) == repr(recipe.config)


def test_what_is_missing_is_not_found(tracker: Tracker, record: Train, tmp_path: Path) -> None:
    record("mnist")
    with pytest.raises(NotFound, match="no experiment 'x'"):
        tracker.recipe("x", "1")
    with pytest.raises(NotFound, match="no aggregate '2' in experiment 'mnist'"):
        tracker.recipe("mnist", "2")
    with pytest.raises(NotFound, match="no file"):
        Recipe.load(tmp_path / "none.json")


def test_sessions_of_several_processes_are_in_order(tmp_path: Path) -> None:
    def described(**environment: Any) -> SessionDescribed:
        return SessionDescribed(environment=environment)

    for number in range(3):
        with mltracker.open(tmp_path, projection="memory") as tracker:
            aggregate = tracker.experiment("mnist").aggregate("1")
            code = {"commit": f"{number}" * 40, "root": "/r", "dirty": True, "later": "unknown"}
            tracker.append(described(code=code, run=f"{number:016x}", seeds=[{"seed": number}], started_as="script"))
            if number < 2:
                aggregate.metrics.log({"x": number}, step=number)
            else:
                aggregate.metrics.void(aggregate.metrics.list("x")[0])
            if number == 1:
                with pytest.raises(ValueError, match="boom"), aggregate.training():
                    raise ValueError("boom")
    with mltracker.open(tmp_path, projection="memory") as tracker:
        recipe = tracker.recipe("mnist", "1")
    assert [session.seeds for session in recipe.sessions] == [[{"seed": number}] for number in range(3)]
    assert [session.code and session.code.commit for session in recipe.runs] == ["0" * 40, "1" * 40]
    assert [session.failure for session in recipe.sessions] == [None, "ValueError: boom", None]
    assert [session.started_as for session in recipe.sessions] == ["script"] * 3
    assert all(session.ended for session in recipe.sessions)
    assert "code" not in recipe.sessions[0].environment
    assert Recipe.load(recipe.to_json()) == recipe


@pytest.mark.parametrize("code", ["text", {"commit": 1}, {"untracked": [1]}, {"untracked": {"a": "b"}}])
def test_code_that_cannot_be_read_says_so(tracker: Tracker, record: Train, code: Any) -> None:
    record("mnist")
    tracker.append(SessionDescribed(environment={"code": code}))
    found = tracker.recipe("mnist", "1").sessions[0].code
    assert found is not None
    assert found.problem is not None
    assert found.problem.startswith("what was recorded of the code cannot be read")


def test_an_aggregate_of_several_keys_has_one_recipe(tracker: Tracker) -> None:
    experiment = tracker.experiment("mnist")
    first = experiment.aggregate("1", [Module("model", "a", "A")])
    first.metrics.log({"x": 1.0})
    second = Module("optimizer", "b", "B")
    twin = tracker.append(
        AggregateCreated(experiment=experiment.keys[0], id="1", modules=[vars_of(second)], config={"c": 1})
    )
    both = experiment.aggregates.read("1")
    assert both is not None
    assert both.keys == (first.keys[0], twin.id)
    both.iterations.add(Iteration("h", "train", 1))
    recipe = tracker.recipe("mnist", "1")
    assert recipe.keys == [first.keys[0], twin.id]
    assert [one.name for one in recipe.modules] == ["A", "B"]
    assert recipe.config == {"c": 1}
    assert recipe.series[0].points == 1


def vars_of(module: Module) -> Any:
    return {"type": module.type, "hash": module.hash, "name": module.name}


def test_cleared_iterations_are_left_out(tracker: Tracker) -> None:
    aggregate = tracker.experiment("mnist").aggregate("1")
    aggregate.iterations.add(Iteration("h", "train", 1, Dataset("d", "D")))
    aggregate.iterations.clear(why="again")
    aggregate.iterations.add(Iteration("h", "train", 2, Dataset("d", "D")))
    recipe = tracker.recipe("mnist", "1")
    assert [one.epoch for one in recipe.iterations] == [2]
    assert recipe.corrections[0].endswith(": again")


def test_a_failed_iteration_says_with_what(tracker: Tracker) -> None:
    aggregate = tracker.experiment("mnist").aggregate("1")
    with pytest.raises(KeyError), aggregate.iteration("train", 1):
        raise KeyError("k")
    (one,) = tracker.recipe("mnist", "1").iterations
    assert (one.status, one.error) == ("failed", "KeyError: 'k'")


def test_a_recipe_survives_not_a_number(tracker: Tracker) -> None:
    aggregate = tracker.experiment("mnist").aggregate("1", [Module("m", "h", "N", {"x": math.nan, "y": [-math.inf]})])
    aggregate.metrics.log({"x": math.nan}, step=0)
    aggregate.metrics.log({"x": 2.0}, step=1)
    recipe = Recipe.load(tracker.recipe("mnist", "1").to_json())
    assert repr(recipe.modules[0].parameters) == "{'x': nan, 'y': [-inf]}"
    assert math.isnan(recipe.series[0].first)
    assert (recipe.series[0].lowest, recipe.series[0].highest) == (2.0, 2.0)


BROKEN = {
    "no JSON": ("{", "recipe: is no JSON"),
    "no object": ("[]", "recipe"),
    "no format": ("{}", "recipe.format"),
    "a format of text": ('{"format": "1"}', "recipe.format"),
    "a newer format": ('{"format": 2}', "recipe.format: 2 is newer than this release reads .1.. Update mltracker"),
    "too little": ('{"format": 1}', "recipe.experiment: Field required; also wrong: recipe.aggregate"),
    "too much": ('{"format": 1, "experiment": "e", "aggregate": "a", "more": 1}', "recipe.more"),
    "an unknown float": (
        '{"format": 1, "experiment": "e", "aggregate": "a", "config": {"a": {"$float": "Much"}}}', "recipe.config"
    ),
    "a float of a list": (
        '{"format": 1, "experiment": "e", "aggregate": "a", "config": {"a": {"$float": []}}}', "recipe.config"
    ),
    "a config that is a list": ('{"format": 1, "experiment": "e", "aggregate": "a", "config": []}', "recipe.config"),
    "a value that is no number": (
        '{"format": 1, "experiment": "e", "aggregate": "a", "iterations": '
        '[{"id": "i", "session": "s", "hash": "h", "metrics": {"x": "Much"}}]}',
        "recipe.iterations.0.metrics.x",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_naming_the_field(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(content)
    with pytest.raises(InvalidValue, match=message):
        Recipe.load(path)


@pytest.mark.parametrize("source", [None, 3, b"{}", "a\0b"])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises((InvalidValue, NotFound)):
        Recipe.load(source)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.just("$float"), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def saved() -> Any:
    with mltracker.open("memory:", projection="memory") as tracker:
        aggregate = tracker.experiment("e").aggregate(
            "1", [Module("m", "h", "N", {"x": [1, {"y": math.inf}]})], {"c": 1}
        )
        aggregate.metrics.log({"x": math.nan}, step=0)
        aggregate.iterations.add(Iteration("h", "train", 1, Dataset("d", "D", {"n": 1}), {"b": 2}, metrics={"x": 1.0}))
        aggregate.checkpoints.add(b"x", name="c")
        return orjson.loads(tracker.recipe("e", "1").to_json())


@given(st.data())
def test_nothing_but_our_errors_comes_out_of_a_changed_file(saved: Any, data: st.DataObject) -> None:
    changed = orjson.loads(orjson.dumps(saved))
    place = changed
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys)) if len(keys) else None
        if key is None:
            break
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(json_values)
            break
        place = place[key]
    try:
        text = orjson.dumps(changed)
    except (TypeError, ValueError):  # integers beyond 64 bits, lone surrogates
        text = __import__("json").dumps(changed).encode()
    try:
        recipe = Recipe.load(text.decode())
    except InvalidValue as error:
        assert str(error).startswith("recipe")
    else:
        assert Recipe.load(recipe.to_json()) == recipe or "NaN" in recipe.to_json()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_recipe_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    with pytest.raises(InvalidValue):
        Recipe.load(path)


def test_deep_nesting_is_refused() -> None:
    deep = '{"a":' * 900 + "1" + "}" * 900
    with pytest.raises(InvalidValue):
        Recipe.load(f'{{"format": 1, "experiment": "e", "aggregate": "a", "config": {deep}}}')


def test_a_session_that_cannot_be_read_is_still_there(
    tracker: Tracker, record: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("mnist")
    monkeypatch.setattr(type(tracker), "sessions", lambda self: [])
    (session,) = tracker.recipe("mnist", "1").sessions
    assert session.wrote.points == 32
    assert SessionStarted.version == 1


def test_a_closed_tracker_has_no_recipes(record: Train, tracker: Tracker) -> None:
    aggregate = record("mnist")
    lines = [line for _, lines in tracker.batches() for line in lines]
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    tracker.close()
    for use in (lambda: tracker.recipe("mnist", "1"), lambda: tracker.reproduce(aggregate, print)):
        with pytest.raises(Closed):
            use()


def test_an_aggregate_is_given_by_names_or_as_it_was_read(record: Train, tracker: Tracker) -> None:
    aggregate = record("mnist")
    assert tracker.recipe(aggregate) == tracker.recipe("mnist", "1")
    for asked in (("mnist/1",), (aggregate, "1"), (None,), ("mnist", 1)):
        with pytest.raises(InvalidValue, match=r'tracker\.recipe\("mnist", "1"\)'):
            tracker.recipe(*asked)  # type: ignore[arg-type]
