"""Live objects out of recipes."""

from __future__ import annotations

from typing import Any

import pytest

import mltracker
from mltracker import InvalidValue, Module, NotFound, Tracker
from mltracker.capture.registry import Registry
from mltracker.reproduce.build import Waiting, build, labels
from mltracker.reproduce.recipe import RecordedModule, recorded_module

registry = Registry()


@registry.register
class Act:
    def __init__(self, slope: float = 0.1) -> None:
        self.slope = slope


@registry.register
class Net:
    def __init__(self, size: int, *layers: Any, act: Any = None, **options: Any) -> None:
        self.size, self.layers, self.act, self.options = size, layers, act, options


@registry.register(exclude=("params",))
class Descent:
    def __init__(self, params: Any, lr: float = 0.1) -> None:
        self.params, self.lr = params, lr


def recorded(thing: Any, type: str = "model") -> RecordedModule:
    return recorded_module(Module.of(thing, type))


def by_hand(parameters: dict[str, Any], name: str = "Net", type: str = "model") -> RecordedModule:
    return RecordedModule(type=type, hash="0123456789", name=name, parameters=parameters)


HERE = Module.of(Act()).parameters["class"].rpartition(".")[0]


def test_objects_come_back_with_what_is_in_them() -> None:
    net = build([recorded(Net(3, Act(0.5), [Act(0.7)], act={"a": Act(0.9)}, depth=2))], registry)["model"]
    assert isinstance(net, Net)
    assert (net.size, net.options) == (3, {"depth": 2})
    assert net.layers[0].slope == 0.5
    assert net.layers[1][0].slope == 0.7
    assert net.act["a"].slope == 0.9


def test_a_recipe_builds_from_the_global_registry(tracker: Tracker) -> None:
    mltracker.register(Act)
    tracker.experiment("e").aggregate("1", [Module.of(Act(0.3))])
    assert tracker.recipe("e", "1").build()["model"].slope == 0.3


def test_a_dict_of_classes_will_do() -> None:
    assert build([by_hand({"class": "old.Act", "slope": 2}, "Act")], {"old.Act": Act})["model"].slope == 2
    assert build([by_hand({"slope": 2}, "Act")], {"Act": Act})["model"].slope == 2


def test_all_that_is_missing_is_named_with_what_to_do() -> None:
    inner = {"class": "lib.Inner", "arguments": {"of": {"class": "lib.Kind"}}}
    modules = [
        by_hand({"class": "app.Net", "x": [inner]}),
        by_hand({"class": "app.Loss"}),
        by_hand({"class": "app.Net"}),
    ]
    with pytest.raises(NotFound) as error:
        build(modules, registry)
    told = str(error.value)
    assert told.startswith("4 classes are not registered: app.Net, lib.Inner, lib.Kind, app.Loss.")
    assert "mltracker.register(Net)" in told
    assert "mltracker.register(Net, aliases=('app.Net',))" in told


def test_a_class_that_moved_is_found_by_its_earlier_name() -> None:
    moved = Registry()
    moved.register(Act, aliases=("old.place.Act",))
    assert isinstance(build([by_hand({"class": "old.place.Act"}, "Act")], moved)["model"], Act)


def test_a_class_that_takes_other_arguments_now_is_named() -> None:
    with pytest.raises(InvalidValue) as error:
        build([by_hand({"class": f"{HERE}.Act", "steepness": 1}, "Act")], registry)
    for part in ("model Act", "Act takes no argument 'steepness'", "Act(slope: 'float' = 0.1)"):
        assert part in str(error.value)
    with pytest.raises(InvalidValue, match="takes an argument 'size' that was not recorded"):
        build([by_hand({"class": f"{HERE}.Net"})], registry)


def test_what_was_left_out_on_purpose_is_waited_for() -> None:
    descent = build([recorded(Descent([1, 2], lr=0.5), "optimizer")], registry)["optimizer"]
    assert isinstance(descent, Waiting)
    assert descent.needs == ("params",)
    assert "waits for params" in repr(descent)
    for made in (descent([3]), descent(params=[3])):
        assert (made.params, made.lr) == ([3], 0.5)
    assert descent([3], lr=0.7).lr == 0.7
    with pytest.raises(TypeError, match="waits for params"):
        descent([3], 0.7)


def test_a_constructor_that_fails_is_named() -> None:
    class Strict:
        def __init__(self, size: int) -> None:
            raise RuntimeError("never")

    with pytest.raises(InvalidValue, match=r"model Strict: app.Strict cannot be made .* RuntimeError\('never'\)"):
        build([by_hand({"class": "app.Strict", "size": 1}, "Strict")], {"app.Strict": Strict})


@pytest.mark.parametrize(
    "argument",
    [
        {"function": "app.relu"}, {"function": "app.<lambda>", "source": "lambda: 1"}, {"bytes": 3, "sha256": "00"},
        {"partial": {"function": "app.f"}, "args": [1]},
        {"data": "numpy.ndarray", "shape": [3], "dtype": "float64", "sha256": "00"},
    ],
)  # fmt: skip
def test_what_is_known_by_name_or_hash_only_cannot_be_made_up(argument: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=r"model Net.size.deep\[0\]: was .*only that was recorded"):
        build([by_hand({"class": f"{HERE}.Net", "size": {"deep": [argument]}})], registry)


def test_a_function_as_a_module_cannot_be_made_up() -> None:
    with pytest.raises(InvalidValue, match="model relu: was function"):
        build([by_hand({"function": "app.relu"}, "relu")], registry)


@pytest.mark.parametrize(
    "argument", [{"data": "x"}, {"function": "f", "more": 1}, {"bytes": 3}, {"class": 3}, {"arguments": {}}]
)
def test_what_only_looks_like_it_is_what_it_is(argument: dict[str, Any]) -> None:
    assert build([by_hand({"class": f"{HERE}.Net", "size": argument})], registry)["model"].size == argument


def test_mappings_with_other_keys_and_complex_numbers_come_back() -> None:
    size = {"$items": [[1, "a"], [[1, 2], {"complex": [1.0, 2.0]}]]}
    net = build([by_hand({"class": f"{HERE}.Net", "size": size})], registry)["model"]
    assert net.size == {1: "a", (1, 2): 1 + 2j}


def test_classes_as_arguments_come_back() -> None:
    assert build([recorded(Net(Act))], registry)["model"].size is Act


def test_labels_are_as_short_as_tells_them_apart() -> None:
    modules = [by_hand({}, "A"), by_hand({}, "B"), by_hand({}, "H", "loss"), by_hand({}, "B")]
    assert labels(modules) == ["model.A", "model.B.01234567", "loss", "model.B.01234567"]
    assert labels(modules[:3]) == ["model.A", "model.B", "loss"]


def test_objects_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.25)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
    loss = torch.nn.HuberLoss(delta=2.0)
    modules = [recorded(optimizer, "optimizer"), recorded(scheduler, "scheduler")]
    built = build(modules, Registry())
    again = built["optimizer"](layer.parameters())
    assert type(again) is torch.optim.Adam
    assert again.defaults == optimizer.defaults
    assert built["scheduler"](again).step_size == 4
    with pytest.raises(InvalidValue, match="only its structure was recorded"):
        build([recorded(layer)], Registry())
    assert Module.of(loss).parameters["class"].endswith("HuberLoss")
