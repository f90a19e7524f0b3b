"""Canonical JSON and frames."""

from __future__ import annotations

import math
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltracker.capture.hashing import canonical, content, node, of_parameters
from mltracker.errors import InvalidParameters

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


def shuffled(value: Any) -> Any:
    """Equal, with the keys of every mapping the other way round."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), plain))
def test_the_order_of_keys_does_not_count(parameters: dict[str, Any]) -> None:
    assert of_parameters(parameters) == of_parameters(shuffled(parameters))


def test_canonical_json_is_as_documented() -> None:
    value = {"b": [1, 1.0, -0.0, 1e22, 0.1, True, None], "ä": "\n\u2028é", "a": math.nan, "$x": math.inf}
    written = '{"$$x":{"$float":"Infinity"},"a":{"$float":"NaN"},"b":[1,1.0,-0.0,1e+22,0.1,true,null],"ä":"\\n\u2028é"}'
    assert canonical(value) == written
    assert of_parameters(value) == sha256(written.encode("utf-8")).hexdigest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0.0, -0.0),
        (1, True),
        ("1", 1),
        (math.nan, "NaN"),
        (math.nan, {"$float": "NaN"}),
        (None, "null"),
        ([], {}),
    ],
)
def test_different_values_differ(one: object, other: object) -> None:
    assert of_parameters({"a": one}) != of_parameters({"a": other})


def test_what_has_no_json_form_is_named() -> None:
    with pytest.raises(InvalidParameters, match=r"parameters\.a\[1\]"):
        of_parameters({"a": [1, object()]})


def test_a_node_is_framed_as_documented() -> None:
    frames = [b"mltracker data 1", b"kind", b'{"a":1}', b"x" * 32]
    framed = b"".join(len(frame).to_bytes(8, "big") + frame for frame in frames)
    assert node("kind", {"a": 1}, [b"x" * 32]) == sha256(framed).digest()
    assert content(b"abc") == sha256(b"abc").digest()


def test_frames_cannot_run_into_each_other() -> None:
    assert len({node("a", {}, parts) for parts in ([b"ab", b"c"], [b"a", b"bc"], [b"abc"], [b"abc", b""])}) == 4
    assert node("a", {}) != node("b", {})
