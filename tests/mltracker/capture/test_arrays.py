"""Arrays: the same content, the same digest; another content, another one."""

from __future__ import annotations

import math
import struct
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mltracker import InvalidValue
from mltracker.capture.arrays import array, plain

dtypes = st.sampled_from(
    ["f2", "f4", "f8", "c8", "c16", "i1", "i2", "i4", "i8", "u1", "u8", "?", "M8[ns]", "m8[s]", "U3", "S3", "O"]
)
shapes = npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    dtype = draw(dtypes)
    elements = st.one_of(st.none(), st.integers(), st.text(), st.floats()) if dtype == "O" else None
    return draw(npst.arrays(dtype, draw(shapes), elements=elements))


def digest(values: Any) -> bytes:
    return array(values, "data")


def layouts(values: Any) -> list[Any]:
    """The same values in other places of memory."""
    wide = np.zeros((*values.shape, 3), dtype=values.dtype)
    wide[..., 1] = values
    backwards = np.ascontiguousarray(values[tuple([slice(None, None, -1)] * values.ndim)])
    read_only = values.copy()
    read_only.flags.writeable = False
    swapped = values.astype(values.dtype.newbyteorder(">"))
    return [
        np.asfortranarray(values),
        wide[..., 1],
        backwards[tuple([slice(None, None, -1)] * values.ndim)],
        values.T.copy().T,
        read_only,
        swapped,
        np.asfortranarray(swapped),
    ]


@settings(deadline=None)
@given(arrays())
def test_the_layout_does_not_count(values: Any) -> None:
    assert {digest(each) for each in layouts(values)} == {digest(values)}


@settings(deadline=None)
@given(arrays(), st.data())
def test_one_changed_value_counts(values: Any, data: st.DataObject) -> None:
    assume(values.size)
    changed = values.copy().reshape(-1)
    at = data.draw(st.integers(0, changed.size - 1))
    kind = changed.dtype.kind
    changed[at] = {"U": "~~~", "S": b"~~~", "O": "another", "b": not changed[at]}.get(kind, 7)
    assume(not np.array_equal(changed[at], values.reshape(-1)[at]))
    assert digest(changed.reshape(values.shape)) != digest(values)


def test_it_is_built_as_documented() -> None:
    from mltracker.capture.hashing import content, node

    numbers = struct.pack("<4d", 1.0, 2.0, 3.0, 4.0)
    expected = node("array", {"shape": [2, 2], "dtype": "float64"}, [content(numbers)])
    assert digest(np.array([[1.0, 2.0], [3.0, 4.0]])) == expected
    parts = [content(struct.pack("<2q", 1, 2)), content("aü".encode()[:1] + "ü".encode())]
    assert array(np.array(["a", "ü"]), "data") != node("array", {"shape": [2], "dtype": "str"}, parts)
    tagged = [content(struct.pack("<2q", 2, 3)), content("sasü".encode())]
    assert array(np.array(["a", "ü"]), "data") == node("array", {"shape": [2], "dtype": "str"}, tagged)


@pytest.mark.parametrize("size", [(1 << 18) - 1, 1 << 18, (1 << 18) + 1, (1 << 21) + 3])
def test_blocks_do_not_count(size: int) -> None:
    values = np.arange(size, dtype="f4")
    spread = np.zeros((size, 2), dtype="f4")
    spread[:, 0] = values
    assert digest(spread[:, 0]) == digest(values)
    wide = np.broadcast_to(values, (3, size))
    assert digest(wide) == digest(np.ascontiguousarray(wide))
    for at in (0, size // 2, size - 1):
        changed = values.copy()
        changed[at] += 1 if at < 2**24 else 2
        assert digest(changed) != digest(values)


def test_large_pieces_of_a_strided_array() -> None:
    cube = np.arange(2 * 1500 * 1500, dtype="i4").reshape(2, 1500, 1500)
    assert digest(np.asfortranarray(cube)) == digest(cube)


def test_nans_are_alike_and_zeros_are_not() -> None:
    odd = np.frombuffer(struct.pack("<QQ", 0xFFF8000000000001, 0x7FF8DEADBEEF0000), dtype="f8")
    assert np.isnan(odd).all()
    assert digest(odd) == digest(np.array([np.nan, np.nan]))
    assert digest(np.array([0.0])) != digest(np.array([-0.0]))
    assert digest(np.array([complex(np.nan, 1)])) != digest(np.array([complex(1, np.nan)]))
    assert digest(np.array([complex(-math.nan, 1)])) == digest(np.array([complex(math.nan, 1)]))


def test_kinds_and_shapes_tell_apart() -> None:
    zeros: list[Any] = [
        np.zeros(4, dtype) for dtype in ("f4", "f8", "i4", "i8", "u4", "?", "M8[s]", "M8[ms]", "m8[s]", "O")
    ]
    zeros += [np.zeros((2, 2)), np.zeros((4, 1)), np.zeros((1, 4)), np.zeros((0, 4)), np.zeros(0), np.zeros(())]
    zeros += [np.array(["a", "bc"]), np.array(["ab", "c"]), np.array([b"a", b"bc"]), np.array(["a", "bc"], dtype="O")]
    assert len({digest(each) for each in zeros}) == len(zeros)


def test_the_width_of_texts_does_not_count() -> None:
    assert digest(np.array(["a", "b"], "U1")) == digest(np.array(["a", "b"], "U9"))
    assert digest(np.array(["a"], "U1")) == digest(np.array(["a"], np.dtypes.StringDType()))


def test_records() -> None:
    packed = np.array([(1, 2.0)], dtype=[("a", "i1"), ("b", "f8")])
    aligned = packed.astype(np.dtype([("a", "i1"), ("b", "f8")], align=True))
    assert digest(packed) == digest(aligned)
    assert digest(packed) != digest(packed.astype([("a", "i1"), ("c", "f8")]))
    assert digest(packed) != digest(np.array([(1, 3.0)], dtype=packed.dtype))


def test_masked_values_do_not_count() -> None:
    one, other = (np.ma.MaskedArray([1, hidden, 3], mask=[False, True, False]) for hidden in (5, 6))
    assert digest(one) == digest(other) != digest(np.array([1, 5, 3]))
    assert digest(one) != digest(np.ma.MaskedArray([1, 5, 3], mask=[False, False, True]))


def test_subclasses_and_mapped_files(tmp_path: Any) -> None:
    values = np.arange(6.0)
    np.save(tmp_path / "x.npy", values)
    assert digest(np.load(tmp_path / "x.npy", mmap_mode="r")) == digest(values)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize <= 8, reason="long doubles are doubles here")
def test_dtypes_without_the_same_bytes_everywhere_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"data: .*float128.*Convert it to float64"):
        digest(np.zeros(2, np.longdouble))
    with pytest.raises(InvalidValue, match=r"data: .*V4"):
        digest(np.zeros(2, "V4"))


def test_objects_inside() -> None:
    assert digest(np.array([{"a": 1, "b": [2]}, None], dtype=object)) == digest(
        np.array([{"b": [2], "a": 1}, None], dtype=object)
    )
    with pytest.raises(InvalidValue, match=r"data: holds a object"):
        digest(np.array([object()]))


def test_plain_values_are_told_apart() -> None:
    moment = datetime(2026, 1, 2)
    values: list[Any] = [
        1,
        1.0,
        True,
        "1",
        b"1",
        None,
        Decimal(1),
        1j,
        0.0,
        -0.0,
        False,
        0,
        "",
        b"",
        [1],
        {"a": 1},
        "i1",
    ]
    values += [
        moment,
        moment.replace(tzinfo=timezone.utc),
        moment.date(),
        timedelta(1),
        timedelta(microseconds=1),
        2**70,
    ]
    assert len({plain([value], "data") for value in values}) == len(values)
    assert plain(["a", "bc"], "data") != plain(["ab", "c"], "data")
    assert plain([math.nan], "data") == plain([np.float32("nan")], "data") == plain([-math.nan], "data")
    assert plain([1, 2.5], "data") == plain([np.int8(1), np.float32(2.5)], "data")
