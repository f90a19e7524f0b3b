"""Numbers and parameters survive JSON bit by bit; what cannot is refused, by its path."""

from __future__ import annotations

import enum
import math
import struct
from collections import OrderedDict
from datetime import date, datetime, time, timedelta, timezone
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltracker.errors import InvalidMetric, InvalidName, InvalidParameters
from mltracker.events import values

ints = st.integers(min_value=-(2**63), max_value=2**63 - 1)
numbers = st.one_of(ints, st.floats())
text = st.text(st.characters(exclude_categories=["Cs"]))
json = st.recursive(
    st.one_of(st.none(), st.booleans(), ints, st.floats(), text),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.one_of(text, st.sampled_from(["$float", "$$float", "$", "$x"])), inner)
    ),
    max_leaves=30,
)


def same(one: Any, other: Any) -> bool:
    """Equal to the bit: NaN is NaN, -0.0 is not 0.0, 1 is not 1.0 and not True."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (one != one and other != other) or struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def through_json(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


# Numbers -------------------------------------------------------------------------------------------------------------


@given(numbers)
def test_numbers_come_back_to_the_bit(number: float) -> None:
    written = through_json(values.encode_number(values.number("loss", number)))
    assert same(values.decode_number(written), number)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int64(-3), -3),
        (np.uint8(3), 3),
        (np.array(2.5), 2.5),
        (enum.IntEnum("E", {"a": 4}).a, 4),  # type: ignore[attr-defined]
    ],
)
def test_scalars_are_numbers(value: Any, plain: float) -> None:
    assert same(values.number("loss", value), plain)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "bool"),
        (np.True_, "bool"),
        ("0.5", "str"),
        ("NaN", "str"),
        (1j, "complex"),
        (np.complex64(1), "complex64"),
        (None, "NoneType"),
        ([1.0], "list"),
        (np.array([1.0]), "ndarray"),
        (np.array([[1.0]]), "ndarray"),
    ],
)
def test_what_is_no_number_is_refused_by_metric_and_type(value: Any, kind: str) -> None:
    with pytest.raises(InvalidMetric, match=rf"metric 'loss': a value must be a number, not {kind}"):
        values.number("loss", value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, np.uint64(2**63)])
def test_an_int_beyond_64_bits_is_refused(value: Any) -> None:
    with pytest.raises(InvalidMetric, match="'loss': an int must fit into signed 64 bits"):
        values.number("loss", value)


def test_an_unknown_word_is_no_number() -> None:
    with pytest.raises(KeyError):
        values.decode_number("nan")


# Parameters ----------------------------------------------------------------------------------------------------------


@given(json)
def test_parameters_come_back_to_the_bit(value: Any) -> None:
    written = values.encode(value)
    assert same(values.decode(through_json(written)), value)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, {"$float": "NaN"}),
        ({"clip": -math.inf}, {"clip": {"$float": "-Infinity"}}),
        ({"$float": "NaN"}, {"$$float": "NaN"}),
        ({"$$a": 1}, {"$$$a": 1}),
        ((1, 2), [1, 2]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({2, 1}), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (PurePosixPath("data/train"), "data/train"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2026, 11, 24), "2026-11-24"),
        (time(12, 30), "12:30:00"),
        (datetime(2026, 11, 24, 12, tzinfo=timezone.utc), "2026-11-24T12:00:00+00:00"),
        (timedelta(minutes=1, milliseconds=5), 60.005),
        (enum.Enum("Colour", {"red": "r"}).red, "r"),  # type: ignore[attr-defined]
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.array([math.nan]), [{"$float": "NaN"}]),
        (np.datetime64("2026-11-24T12:00:00", "ns"), "2026-11-24T12:00:00.000000000"),
        (np.datetime64("2026-11-24"), "2026-11-24"),
        (np.timedelta64(5, "ns"), "5 nanoseconds"),
    ],
)
def test_obvious_forms(value: Any, written: Any) -> None:
    assert same(values.encode(value), written)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "path", "rule"),
    [
        ({"f": print}, "parameters.f", "builtin_function_or_method has no JSON form"),
        ({"a": [1, {"b": object()}]}, "parameters.a[1].b", "object has no JSON form"),
        ({"a": b"x"}, "parameters.a", "bytes has no JSON form"),
        ({"a": 1j}, "parameters.a", "complex has no JSON form"),
        ({"a": 2**70}, "parameters.a", "an int must fit into signed 64 bits"),
        ({"a": "\ud800"}, "parameters.a", "lone surrogate"),
        ({"a": {"\ud800": 1}}, "parameters.a", "lone surrogate"),
        ({"a": {1: 2}}, "parameters.a.1", "a key must be a string, not int"),
        ({None: 2}, "parameters.None", "a key must be a string, not NoneType"),
    ],
)
def test_what_has_no_json_form_is_refused_by_its_path(value: Any, path: str, rule: str) -> None:
    with pytest.raises(InvalidParameters, match=rule) as caught:
        values.encode(value)
    assert caught.value.field == path


def test_64_levels_and_no_more() -> None:
    assert same(values.decode(values.encode(nested(64))), nested(64))
    with pytest.raises(InvalidParameters, match="nesting beyond 64 levels"):
        values.encode(nested(65))


def test_what_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    with pytest.raises(InvalidParameters, match="nesting beyond"):
        values.encode(loop)
    with pytest.raises(InvalidParameters, match="nesting beyond"):
        values.flatten(loop)


def test_the_callers_object_is_not_kept() -> None:
    mine: dict[str, Any] = {"a": [1]}
    written = values.encode(mine)
    mine["a"].append(2)
    assert written == {"a": [1]}


# Flat keys and names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        ({}, {}),
        ({"lr": 0.1}, {"lr": 0.1}),
        ({"a": {"b": 1, "c": {"d": 2}}}, {"a.b": 1, "a.c.d": 2}),
        ({"a": {}}, {"a": {}}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}]}),
        ({"a": {"$float": "NaN"}}, {"a": {"$float": "NaN"}}),
    ],
)
def test_flatten_joins_keys_with_dots(nested: Any, flat: Any) -> None:
    assert values.flatten(nested) == flat


def test_flatten_refuses_keys_that_are_no_strings() -> None:
    with pytest.raises(InvalidParameters, match=r"a\.1: a key must be a string, not int"):
        values.flatten({"a": {1: 2}})


@pytest.mark.parametrize("name", ["x", "train/loss", "a" * 256, "größe", "損失", " spaced "])
def test_names_may_be_any_text(name: str) -> None:
    assert values.name("name", name) == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "1 to 256 characters, not 0"),
        ("a" * 257, "1 to 256 characters, not 257"),
        ("a\nb", "no control characters"),
        ("a\x00", "no control characters"),
        ("a\x7f", "no control characters"),
        ("a\x85", "no control characters"),
        ("\ud800", "no control characters"),
        (7, "must be a string, not int"),
        (None, "must be a string, not NoneType"),
        (b"x", "must be a string, not bytes"),
    ],
)
def test_names_keep_the_rules(name: Any, rule: str) -> None:
    with pytest.raises(InvalidName, match=f"id: must .*{rule.removeprefix('must ')}") as caught:
        values.name("id", name)
    assert caught.value.field == "id"


@pytest.mark.parametrize("name", ["mnist/1", "mnist\\1"])
def test_names_in_paths_hold_no_slashes(name: str) -> None:
    with pytest.raises(InvalidName, match="no slash or backslash"):
        values.name("id", name, slashes=False)


class Phase(str, enum.Enum):  # noqa: UP042 - unlike StrEnum, its str() is not its value
    TRAIN = "train"


def test_an_enum_of_strings_is_its_value_wherever_it_stands() -> None:
    assert values.name("phase", Phase.TRAIN) == "train"
    assert type(values.name("phase", Phase.TRAIN)) is str
    assert values.encode({Phase.TRAIN: Phase.TRAIN}) == {"train": "train"}
    assert [type(key) for key in values.encode({Phase.TRAIN: 1})] == [str]
    assert values.text(Phase.TRAIN, "note") == "train"
