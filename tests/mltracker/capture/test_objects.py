"""Module.of: functions, plain objects, and the libraries that need no torch."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import math
import pathlib
import subprocess
import sys
import types
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import mltracker
from mltracker import InvalidParameters, InvalidValue, Module
from mltracker.capture.hashing import of_parameters
from mltracker.events.values import encode

HERE = __name__
HELD = {"class": f"{HERE}.Holds", "arguments": {"value": 1}}


@mltracker.register
class Holds:
    def __init__(self, value: object = None) -> None: ...

    def method(self) -> None: ...


class Colour(enum.Enum):
    RED = 1


def scale(x: float, by: float = 2.0) -> float:
    return x * by


def form_of(value: object) -> Any:
    return Module.of(Holds(value)).parameters["value"]


def test_a_module_is_class_and_arguments() -> None:
    module = Module.of(Holds(0.1), type="criterion")
    assert (module.type, module.name) == ("criterion", "Holds")
    assert module.parameters == {"class": f"{HERE}.Holds", "value": 0.1}
    assert module.hash == of_parameters(module.parameters)
    assert Module.of(Holds(0.1), name="mine").name == "mine"
    assert Module.of(Holds(0.1), type="other", name="mine").hash == module.hash


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (Colour.RED, 1),
        ((1, (2,)), [1, [2]]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a", 1, None}), ["a", "b", 1, None]),
        ({1: "a", (0, "x"): "b"}, {"$items": [[1, "a"], [[0, "x"], "b"]]}),
        (OrderedDict(b=1, a=2), {"a": 2, "b": 1}),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.dtype("float32"), "float32"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (uuid.UUID(int=1), str(uuid.UUID(int=1))),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.timedelta(seconds=1.5), 1.5),
        (decimal.Decimal("1.10"), "1.10"),
        (range(1, 5, 2), "range(1, 5, 2)"),
        (1 + 2j, {"complex": [1.0, 2.0]}),
        (Colour, {"class": f"{HERE}.Colour"}),
        (scale, {"function": f"{HERE}.scale"}),
        (math.sqrt, {"function": "math.sqrt"}),
        (np.tanh, {"function": "numpy.tanh"}),
        (np.mean, {"function": "numpy.mean"}),
        (Holds.method, {"function": f"{HERE}.Holds.method"}),
        (str.upper, {"function": "str.upper"}),
        (dict.fromkeys, {"function": "dict.fromkeys"}),
        ("text".upper, {"function": "str.upper", "self": "text"}),
        (functools.partial(scale, 1), {"partial": {"function": f"{HERE}.scale"}, "args": [1]}),
        (functools.partial(scale, by=2), {"partial": {"function": f"{HERE}.scale"}, "keywords": {"by": 2}}),
        ([Holds(1)], [HELD]),
        (Holds(1).method, {"function": f"{HERE}.Holds.method", "self": HELD}),
    ],
)  # fmt: skip
def test_forms(value: object, form: object) -> None:
    assert form_of(value) == form
    encode(form_of(value))


def test_nan_stays_a_number() -> None:
    assert math.isnan(form_of(float("nan")))
    assert Module.of(Holds(float("nan"))).hash == Module.of(Holds(np.float64("nan"))).hash


def test_arrays_and_frames_are_told_by_their_content() -> None:
    form = form_of(np.arange(6.0).reshape(2, 3))
    assert form.keys() == {"data", "shape", "dtype", "bytes", "sha256"}
    assert (form["data"], form["shape"], form["dtype"]) == ("numpy.ndarray", [2, 3], "float64")
    assert form == form_of(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    assert form != form_of(np.arange(6.0).reshape(2, 3) + 1)
    assert form_of(pd.DataFrame({"a": [1]}))["data"] == "pandas.DataFrame"
    assert form_of(b"abc") == {"bytes": 3, "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}


def test_lambdas_are_told_by_their_text_and_what_they_close_over() -> None:
    factor = 0.5
    first, second = form_of(lambda epoch: factor**epoch), form_of(lambda epoch: epoch)
    assert first["source"] == "lambda epoch: factor**epoch"
    assert first["closure"] == {"factor": 0.5}
    assert second["source"] == "lambda epoch: epoch"
    one, other = [lambda x: x + 1, lambda x: x + 2]
    assert [form_of(one)["source"], form_of(other)["source"]] == ["lambda x: x + 1", "lambda x: x + 2"]
    outer = lambda x: lambda y: x + y  # noqa: E731
    assert form_of(outer)["source"] == "lambda x: lambda y: x + y"
    assert form_of(outer(3)) | {"function": ""} == {"function": "", "source": "lambda y: x + y", "closure": {"x": 3}}
    assert form_of(lambda x, by=factor: x * by)["defaults"] == [0.5]
    constants = [lambda x: 0.5, lambda x: -0.5, lambda x: None]
    assert [form_of(each)["source"][10:] for each in constants] == ["0.5", "-0.5", "None"]
    choosing = [lambda epoch: 1.0 if epoch else 2.0, lambda epoch: 3.0]
    assert [form_of(each)["source"][14:] for each in choosing] == ["1.0 if epoch else 2.0", "3.0"]


def test_a_closure_is_told_by_what_it_holds() -> None:
    def make(rate: float) -> Any:
        def decay(epoch: int) -> float:
            return rate**epoch

        return decay

    assert form_of(make(0.5)) != form_of(make(0.6))
    assert form_of(make(0.5)) == form_of(make(0.5))
    assert Module.of(make(0.5), type="schedule").name == "decay"


def test_a_lambda_without_source_is_refused() -> None:
    with pytest.raises(InvalidParameters, match=r"value: .*source is not to be found"):
        form_of(eval("lambda x: x"))  # no file holds it


def test_functions_are_modules_too() -> None:
    module = Module.of(scale, type="metric")
    assert (module.name, module.parameters) == ("scale", {"function": f"{HERE}.scale"})
    partial = Module.of(functools.partial(scale, by=3.0), type="metric")
    assert partial.name == "scale"
    assert partial.parameters == {"partial": {"function": f"{HERE}.scale"}, "keywords": {"by": 3.0}}
    assert partial.hash != module.hash
    assert Module.of(functools.partial(Holds, 1)).name == "Holds"


def test_objects_that_say_nothing_are_refused_with_what_to_do() -> None:
    class Plain: ...

    with pytest.raises(InvalidValue, match=r"@mltracker\.register, or mltracker\.register\(Plain\)"):
        Module.of(Plain())
    with pytest.raises(InvalidValue, match=r"takes an object, not the class Plain"):
        Module.of(Plain)
    with pytest.raises(InvalidParameters, match=r"value: of .*Holds: value\.a\[1\]: Plain has no JSON form"):
        Module.of(Holds({"a": [1, Plain()]}))
    for value in (3, "text", None, [1]):
        with pytest.raises(InvalidValue):
            Module.of(value)


def test_no_address_is_ever_part_of_it() -> None:
    for value in (object(), threading_lock(), iter([]), types.SimpleNamespace(a=object())):
        with pytest.raises(InvalidParameters):
            Module.of(Holds(value))


def threading_lock() -> object:
    import threading

    return threading.Lock()


def test_nesting_has_an_end() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(InvalidParameters, match="nesting beyond 64 levels"):
        Module.of(Holds(endless))


def test_an_argument_called_class_is_refused() -> None:
    @mltracker.register
    class Any_:  # noqa: N801
        def __init__(self, **options: object) -> None: ...

    with pytest.raises(InvalidParameters, match="class"):
        Module.of(Any_(**{"class": 1}))


def test_dataclasses_by_their_fields() -> None:
    @dataclasses.dataclass
    class Settings:
        a: int = 1
        b: Colour = Colour.RED
        c: int = dataclasses.field(default=0, init=False)

    assert Module.of(Settings()).parameters == {"class": f"{HERE}.{Settings.__qualname__}", "a": 1, "b": 1}


def test_estimators_by_their_parameters_whether_fitted_or_not() -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, class_weight={0: 1.0, 1: 2.0}))
    before = Module.of(estimator)
    estimator.fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    assert Module.of(estimator) == before
    assert before.name == "Pipeline"
    step = before.parameters["steps"][1][1]
    assert step["class"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert step["arguments"]["C"] == 0.5
    assert step["arguments"]["class_weight"] == {"$items": [[0, 1.0], [1, 2.0]]}
    estimator.set_params(logisticregression__C=0.6)
    assert Module.of(estimator).hash != before.hash


def test_estimators_of_estimators_and_functions() -> None:
    voting = VotingClassifier([("a", LogisticRegression()), ("b", LogisticRegression(C=2))])
    assert Module.of(voting).parameters["estimators"][1][1]["arguments"]["C"] == 2
    assert Module.of(FunctionTransformer(np.log1p)).parameters["func"] == {"function": "numpy.log1p"}
    with pytest.raises(InvalidParameters, match="random_state"):
        Module.of(LogisticRegression(random_state=np.random.RandomState(0)))


def keras_model(number: int, *, built: bool = False) -> Any:
    """What a Keras model tells, with the automatic names of a process that made others before."""
    layers = [{"class_name": "Dense", "config": {"name": f"dense_{number + at}", "units": 3 + at}} for at in range(2)]
    for layer in layers:
        layer |= {"build_config": {"input_shape": [None, 4]}} if built else {}
    config = {"name": f"sequential_{number}", "layers": layers, "output": f"dense_{number + 1}"}
    config |= {"build_input_shape": [None, 4]} if built else {}
    return type("Sequential", (), {"__module__": "keras.src.models", "get_config": lambda self: config})()


def test_keras_by_its_configuration_without_automatic_names() -> None:
    module = Module.of(keras_model(7))
    assert [layer["config"]["name"] for layer in module.parameters["layers"]] == ["dense", "dense_1"]
    assert module.parameters["output"] == "dense_1"
    assert module == Module.of(keras_model(1)) == Module.of(keras_model(2, built=True))


def test_secrets_are_redacted_before_hashing() -> None:
    @mltracker.register
    class Client:
        def __init__(self, password: str, url: str) -> None: ...

    one, other = (Module.of(Client(secret, f"https://me:{secret}@host/x")) for secret in ("hunter2", "hunter3"))
    assert "hunter2" not in str(one.parameters)
    assert one.hash == of_parameters(one.parameters) == other.hash


def test_what_is_recorded_has_the_same_hash(store: Path) -> None:
    made = Module.of(Holds({"$a": [float("nan"), -0.0, 1], 2: "x", "token": "hunter2", "f": scale}))
    with mltracker.open(store) as tracker:
        tracker.experiments.create("a").aggregates.create("1", modules=[made])
    with mltracker.open(store) as tracker:
        (found,) = tracker.experiment("a").aggregate("1").modules.list()
    assert found.hash == made.hash == of_parameters(found.parameters)
    assert encode(found.parameters) == encode(made.parameters)


@settings(deadline=None)
@given(st.sets(st.text() | st.integers(-5, 5) | st.booleans(), max_size=8).map(list), st.randoms(use_true_random=False))
def test_sets_have_no_order(items: list[object], random: Any) -> None:
    shuffled = random.sample(items, len(items))
    texts = [item for item in items if not isinstance(item, str) or item.isprintable()]
    assert Module.of(Holds(set(texts))).hash == Module.of(Holds({item for item in shuffled if item in texts})).hash


SCRIPT = """
import mltracker, sys
@mltracker.register
class Net:
    def __init__(self, a=1): ...
if __name__ == "__main__":
    print(mltracker.Module.of(Net()).parameters["class"], mltracker.Module.of(Net()).hash)
"""


def test_a_script_is_called_by_its_stem_however_it_runs(tmp_path: Path) -> None:
    (tmp_path / "digits.py").write_text(SCRIPT)
    ways = (["digits.py"], [str(tmp_path / "digits.py")], ["-m", "digits"])
    ways += (
        ["-c", "import digits; m = digits.mltracker.Module.of(digits.Net()); print(m.parameters['class'], m.hash)"],
    )
    printed = set()
    for way in ways:
        result = subprocess.run([sys.executable, *way], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        printed.add(result.stdout)
    assert len(printed) == 1
    assert printed.pop().startswith("digits.Net ")


def test_no_library_is_imported() -> None:
    names = ["numpy", "pandas", "polars", "torch", "sklearn", "scipy", "keras", "pydantic"]
    check = f"""
import sys, mltracker
from mltracker import Module, Dataset
@mltracker.register
class Net:
    def __init__(self, a): ...
Module.of(Net([1])); Dataset.of([1, 2.0])
print([name for name in {names!r} if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
