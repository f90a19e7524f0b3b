"""Constructors that remember, and classes found by name."""

from __future__ import annotations

import abc
import copy
import dataclasses
import functools
import inspect
import pickle
import pickletools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mltracker
from mltracker import InvalidParameters, InvalidValue, Module
from mltracker.capture import constructors
from mltracker.capture.registry import REGISTRY, Registry, arguments, construct, register

HERE = __name__


@mltracker.register
class Net:
    """A network."""

    def __init__(self, hidden: int, rate: float = 0.1, *, name: str = "net") -> None:
        """Make it."""
        self.hidden = hidden


@register
class Deep(Net):
    def __init__(self, depth: int) -> None:
        super().__init__(depth * 2, name="deep")


@register
class Weak:
    __slots__ = ("__weakref__", "x")

    def __init__(self, x: int) -> None:
        self.x = x


@register
class Slotted:
    __slots__ = ("x",)

    def __init__(self, x: int) -> None:
        self.x = x


@register(exclude="device")
@dataclasses.dataclass(frozen=True)
class Frozen:
    width: int
    device: object = None
    sizes: list[int] = dataclasses.field(default_factory=lambda: [1])


def fresh() -> type:
    """A class of its own for each call."""

    class Fresh:
        def __init__(self, a: object = 1, *rest: object, b: object = 2, **more: object) -> None:
            self.a = a

    return Fresh


def test_arguments_are_kept_with_defaults() -> None:
    assert arguments(Net(3)) == arguments(Net(hidden=3)) == {"hidden": 3, "rate": 0.1, "name": "net"}
    assert arguments(object()) is None


@settings(deadline=None)
@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_keywords_does_not_count(order: list[str]) -> None:
    cls = register(fresh())
    assert Module.of(cls(**{key: ord(key) for key in order})).hash == Module.of(cls(97, b=98, c=99, d=100)).hash


def test_variadic_arguments() -> None:
    cls = register(fresh())
    assert arguments(cls(1, 2, 3, b=4, c=5)) == {"a": 1, "rest": [2, 3], "b": 4, "c": 5}
    assert arguments(cls()) == {"a": 1, "b": 2}


def test_signature_and_docstring_stay() -> None:
    assert str(inspect.signature(Net)) == "(hidden: 'int', rate: 'float' = 0.1, *, name: 'str' = 'net') -> 'None'"
    assert Net.__init__.__doc__ == "Make it."
    assert Net.__doc__ == "A network."


def test_twice_is_once_and_the_latest_options_hold() -> None:
    cls = register(fresh())
    init = cls.__init__
    assert register(exclude=["a"], name="Called")(cls) is cls
    assert cls.__init__ is init
    assert arguments(cls()) == {"b": 2}
    assert Module.of(cls()).name == "Called"
    register(cls)
    assert arguments(cls()) == {"b": 2}


def test_nested_objects_are_included() -> None:
    nested = arguments(register(fresh())(Net(1), b=[Deep(2)]))
    assert nested == {
        "a": {"class": f"{HERE}.Net", "arguments": {"hidden": 1, "rate": 0.1, "name": "net"}},
        "b": [{"class": f"{HERE}.Deep", "arguments": {"depth": 2}}],
    }


def test_the_outermost_constructor_counts() -> None:
    assert arguments(Deep(2)) == {"depth": 2}
    assert Deep(2).hidden == 4


def test_the_arguments_of_inner_constructors_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    described: list[str] = []
    monkeypatch.setattr(constructors, "form", lambda value, name: described.append(name))
    Deep(2)
    assert described == ["depth"]


def test_a_subclass_is_its_own_only_if_its_constructor_is() -> None:
    class Same(Net): ...

    class Other(Net):
        def __init__(self) -> None:
            super().__init__(1)

    assert Module.of(Same(2)).parameters == {"class": f"{HERE}.{Same.__qualname__}", **(arguments(Net(2)) or {})}
    assert Module.of(Same(2)).name == "Same"
    assert arguments(Other()) is None
    with pytest.raises(InvalidValue, match=r"mltracker\.register\(Other\)"):
        Module.of(Other())


def test_arguments_are_as_they_were_before_the_constructor() -> None:
    @register
    class Changing:
        def __init__(self, sizes: list[int]) -> None:
            sizes.append(4)

    sizes = [1, 2]
    made = Changing(sizes)
    sizes.clear()
    assert arguments(made) == {"sizes": [1, 2]}
    kept = arguments(made)
    assert kept is not None
    kept["sizes"].append(5)
    assert arguments(made) == {"sizes": [1, 2]}


def test_a_failing_constructor_fails_as_it_did() -> None:
    cls = register(fresh())
    with pytest.raises(TypeError, match="argument"):
        Net()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Net(1, 2, 3, 4)  # type: ignore[call-arg,misc]
    assert arguments(cls(object(), b=1)) == {"b": 1}


def test_an_argument_without_a_form_is_named_when_asked_for() -> None:
    made = register(fresh())(object(), b=iter([1, 2]))
    with pytest.raises(InvalidParameters, match=r"a: of .*Fresh: object has no JSON form.*exclude=\('a',\)"):
        Module.of(made)


def test_an_iterator_is_not_consumed() -> None:
    numbers = iter([1, 2])
    register(fresh())(numbers)
    assert list(numbers) == [1, 2]


def test_what_an_argument_raises_is_not_raised_by_the_constructor() -> None:
    class Hostile:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

    made = register(fresh())(Hostile())
    with pytest.raises(InvalidParameters, match=r"a: of .* RuntimeError"):
        Module.of(made)


def test_dataclasses_frozen_and_with_slots() -> None:
    assert arguments(Frozen(3, device=object())) == {"width": 3, "sizes": [1]}
    assert arguments(Frozen(3, sizes=[2])) == {"width": 3, "sizes": [2]}
    assert Frozen(3) == Frozen(3)
    slotted = dataclasses.make_dataclass("Slotted", [("a", int), ("b", int, 2)], slots=True)
    register(slotted, exclude=["b"])
    assert Module.of(slotted(1)).parameters["a"] == 1
    assert "b" not in Module.of(slotted(1)).parameters


def test_slots() -> None:
    first, second = Weak(1), Weak(2)
    assert (arguments(first), arguments(second)) == ({"x": 1}, {"x": 2})
    with pytest.raises(InvalidValue, match="__weakref__"):
        Module.of(Slotted(1))


def test_what_is_kept_beside_an_object_goes_with_it() -> None:
    from mltracker.capture import kept

    before = len(kept._beside)
    made = [Weak(number) for number in range(10)]
    assert len(kept._beside) == before + 10
    made.clear()
    assert len(kept._beside) == before


@pytest.mark.parametrize("make", [Net, Deep, Frozen])
def test_copies_know_their_arguments(make: Any) -> None:
    made = make(2)
    copies = [copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))]
    assert {Module.of(each).hash for each in [made, *copies]} == {Module.of(made).hash}


def test_a_pickle_needs_no_mltracker() -> None:
    codes = [code.name for code, _, _ in pickletools.genops(pickle.dumps(Net(2)))]
    assert codes.count("STACK_GLOBAL") == 1  # the class itself


def test_metaclasses_and_abstract_classes() -> None:
    class Meta(abc.ABCMeta):
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(*args, **kwargs)

    @register
    class Base(metaclass=Meta):
        def __init__(self, a: int = 1) -> None: ...

        @abc.abstractmethod
        def run(self) -> None: ...

    @register
    class Real(Base):
        def run(self) -> None: ...

    assert arguments(Real(2)) == {"a": 2}


def test_classes_without_a_constructor_of_their_own() -> None:
    @register
    class Bare: ...

    @register
    class Made(tuple[int, ...]):
        def __new__(cls, *items: int, scale: int = 1) -> Made:
            return super().__new__(cls, items)

    assert arguments(Bare()) == {}
    with pytest.raises(TypeError):
        Bare(1)  # type: ignore[call-arg]
    assert Made(1, 2) == (1, 2)
    assert arguments(Made(1, 2, scale=3)) == {"items": [1, 2], "scale": 3}


def test_threads_do_not_mix() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda depth: arguments(Deep(depth)), range(200))) == [{"depth": n} for n in range(200)]


def test_pydantic_models_describe_themselves() -> None:
    class Config(pydantic.BaseModel):
        rate: float = 0.1
        token: pydantic.SecretStr = pydantic.SecretStr("x")
        inside: dict[str, int] = {}
        cache: int = pydantic.Field(3, exclude=True)

    assert register(Config, exclude=["inside"], name="Settings") is Config
    assert Config(rate=1.0) == Config(rate=1.0)
    made = Module.of(Config(rate=0.5))
    assert made.name == "Settings"
    assert made.parameters["rate"] == 0.5
    assert made.parameters.keys() == {"class", "rate", "token"}
    assert made.parameters["token"] == "**********"


def test_what_cannot_be_registered() -> None:
    with pytest.raises(InvalidValue, match="built in"):
        register(int)
    with pytest.raises(InvalidValue, match="takes a class, not str"):
        register("Net")  # type: ignore[call-overload]
    with pytest.raises(InvalidValue, match="Net has no argument 'devise'"):
        register(Net, exclude=["devise"])
    assert REGISTRY.get("builtins.int") is None


def test_names() -> None:
    registry = Registry()
    first, second = fresh(), fresh()
    second.__qualname__ = "Second.Fresh"
    registry.register(first, name="One", aliases=("old.place.Fresh",))
    assert registry.get("Fresh") is registry.get("One") is registry.get(f"{HERE}.{first.__qualname__}") is first
    registry.register(second)
    assert registry.get("Fresh") is None
    assert registry.get("old.place.Fresh") is first
    assert registry.get(f"{HERE}.Second.Fresh") is second
    assert registry.get("Nothing") is None
    assert registry.names() == sorted(["old.place.Fresh", f"{HERE}.Second.Fresh", f"{HERE}.{first.__qualname__}"])
    assert REGISTRY.get("One") is None


def test_a_class_defined_anew_takes_the_place_of_the_old_one() -> None:
    registry = Registry()
    registry.register(fresh())
    latest = registry.register(fresh())
    assert registry.get("Fresh") is latest


def test_construct_calls_with_what_was_kept() -> None:
    class Kinds:
        def __init__(self, a: int, /, b: int, *rest: int, c: int = 3, **more: int) -> None:
            self.all = (a, b, rest, c, more)

    register(Kinds)
    for made in (Kinds(1, 2), Kinds(1, 2, 4, 5, c=6, d=7), Kinds(1, b=2, d=3)):
        again = construct(Kinds, arguments(made) or {})
        assert again.all == made.all
        assert Module.of(again).hash == Module.of(made).hash


def test_a_decorated_constructor() -> None:
    class Decorated:
        @functools.lru_cache  # noqa: B019 -- any decorator that hides the function
        def __init__(self, a: int) -> None: ...

    assert arguments(register(Decorated)(3)) == {"a": 3}
