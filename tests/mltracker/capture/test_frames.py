"""pandas and polars: blocks, chunks and storage do not count; names, dtypes, index and values do."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltracker import Dataset, InvalidValue


def digest(data: Any) -> str:
    return Dataset.of(data).hash


FRAME = pd.DataFrame({"a": [1, 2, 3], "b": [1.5, None, -0.0], "c": ["x", None, ""], "d": [True, False, True]})
VALUES = {
    "Int64": [1, None, 3],
    "UInt8": [1, None, 3],
    "Float64": [1.5, None, -0.0],
    "boolean": [True, None, False],
    "string": ["x", None, ""],
    "str": ["x", None, ""],
    "object": ["x", None, 1],
    "category": ["x", None, "y"],
    "datetime64[ns]": [pd.Timestamp("2026-01-02"), None, pd.Timestamp("1969-01-02")],
    "datetime64[ns, UTC]": [pd.Timestamp("2026-01-02", tz="UTC"), None, pd.Timestamp("1969-01-02", tz="UTC")],
    "timedelta64[ns]": [pd.Timedelta(1), None, pd.Timedelta(5)],
    "period[M]": [pd.Period("2026-01", "M"), None, pd.Period("2026-03", "M")],
    "interval": [pd.Interval(0, 1), pd.Interval(1, 2), pd.Interval(2, 3)],
    "Sparse[int64]": [0, 1, 0],
    "complex128": [1j, 2, 3],
}


def test_blocks_do_not_count() -> None:
    column_by_column = pd.DataFrame(index=range(3))
    for name in FRAME:
        column_by_column[name] = FRAME[name]
    assert digest(column_by_column) == digest(FRAME) == digest(FRAME.copy()) == digest(FRAME[::-1][::-1])
    values = np.arange(12.0).reshape(3, 4)
    assert digest(pd.DataFrame(values)) == digest(pd.DataFrame(np.asfortranarray(values)))
    assert digest(pd.DataFrame(values)) == digest(pd.DataFrame({at: values[:, at] for at in range(4)}))
    assert digest(pd.concat([FRAME[:1], FRAME[1:]])) == digest(FRAME)


def test_names_dtypes_and_index_count() -> None:
    others = [
        FRAME.rename(columns={"a": "z"}),
        FRAME[["b", "a", "c", "d"]],
        FRAME.astype({"a": "float64"}),
        FRAME.set_index("a"),
        FRAME.set_axis([1, 2, 3]),
        FRAME.rename_axis("id"),
        FRAME[::-1],
        FRAME[:2],
        FRAME.assign(b=[1.5, None, 0.0]),
        FRAME.assign(c=["x", "", None]),
        FRAME.set_axis(["0", "1", "2", "3"], axis=1),
        FRAME.set_axis([0, 1, 2, 3], axis=1),
    ]
    assert len({digest(each) for each in [FRAME, *others]}) == len(others) + 1


def test_a_range_is_the_numbers_it_stands_for() -> None:
    assert digest(FRAME) == digest(FRAME.set_axis(np.arange(3)))


@pytest.mark.parametrize("dtype", VALUES)
def test_columns_of_every_dtype(dtype: str) -> None:
    column = pd.Series(VALUES[dtype], dtype=None if dtype == "interval" else dtype, name="n")
    assert digest(column) == digest(column[::-1][::-1].copy())
    assert digest(column) == digest(pd.concat([column[:1], column[1:]]))
    assert (
        len({digest(each) for each in (column, column[::-1].reset_index(drop=True), column.rename("m"), column[:2])})
        >= 3
    )
    changed = column.iloc[[2, 1, 2]].reset_index(drop=True)
    assert (digest(changed) == digest(column)) == (dtype == "Sparse[int64]")


def test_what_stands_under_a_mask_does_not_count() -> None:
    one, other = (pd.Series(pd.arrays.IntegerArray(np.array([1, x]), np.array([False, True]))) for x in (5, 6))
    assert digest(one) == digest(other)
    assert digest(one) != digest(pd.Series([1, 5], dtype="Int64"))


def test_categories_and_their_order_count() -> None:
    series = [
        pd.Series(pd.Categorical(["x", "y"], list(categories), ordered=is_ordered))
        for categories in ("xy", "yx", "xyz")
        for is_ordered in (False, True)
    ]
    assert len({digest(each) for each in series}) == 6


def test_several_levels_and_equal_names() -> None:
    levels = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["x", "y"])
    assert digest(FRAME.set_axis(levels)) != digest(FRAME)
    assert digest(FRAME.set_axis(levels)) != digest(FRAME.set_axis(levels.set_names(["x", "z"])))
    twins = FRAME.set_axis(["a", "a", "b", "b"], axis=1)
    assert digest(twins) != digest(twins.iloc[:, [1, 0, 2, 3]])


def test_arrays_and_indexes_by_themselves() -> None:
    assert digest(pd.Index([1, 2])) != digest(pd.Series([1, 2])) != digest(pd.array([1, 2]))
    assert digest(pd.array([1, 2])) == digest(pd.array([1, 2]))


POLARS = {
    "Int64": [1, None, 3],
    "UInt8": [1, None, 3],
    "Float32": [1.5, None, float("nan")],
    "Boolean": [True, None, False],
    "String": ["x", None, ""],
    "Binary": [b"x", None, b""],
    "Date": [date(2026, 1, 2), None, date(1969, 1, 1)],
    "Datetime": [datetime(2026, 1, 2), None, datetime(1969, 1, 1)],
    "Duration": [timedelta(1), None, timedelta(microseconds=1)],
    "Time": [time(1), None, time(2, 3)],
    "Categorical": ["x", None, "y"],
    "List": [[1, 2], None, []],
    "Struct": [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}],
    "Decimal": [Decimal("1.5"), None, Decimal(2)],
    "Null": [None, None, None],
}


def series(dtype: str, values: list[Any]) -> Any:
    return pl.Series("n", values, dtype=getattr(pl, dtype) if dtype not in ("List", "Struct", "Decimal") else None)


@pytest.mark.parametrize("dtype", POLARS)
def test_chunks_do_not_count(dtype: str) -> None:
    values = POLARS[dtype]
    whole, parts = (
        series(dtype, values),
        [series(dtype, values[at : at + 1]).cast(series(dtype, values).dtype) for at in range(3)],
    )
    chunked = pl.concat(parts, rechunk=False)
    assert chunked.n_chunks() == 3
    assert digest(chunked) == digest(whole) == digest(pl.concat([whole, whole], rechunk=False)[3:])
    if dtype != "Null":
        assert digest(whole.reverse()) != digest(whole)
        assert digest(series(dtype, [values[0], values[0], values[2]])) != digest(whole)
    assert digest(whole.rename("m")) != digest(whole)


def test_polars_names_and_dtypes_count() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [0.5, None]})
    others = [frame.rename({"a": "z"}), frame.select("b", "a"), frame.cast({"a": pl.Int32}), frame[:1], frame.reverse()]
    others.append(frame.with_columns(b=pl.Series([0.5, float("nan")])))
    assert len({digest(each) for each in [frame, *others]}) == len(others) + 1
    assert digest(frame) != digest(pd.DataFrame({"a": [1, 2], "b": [0.5, None]}))
    with pytest.raises(InvalidValue, match="Collect it first"):
        digest(frame.lazy())


@settings(deadline=None)
@given(st.lists(st.none() | st.floats() | st.integers(0, 3).map(float), min_size=2, max_size=20), st.integers(1, 19))
def test_any_split_of_a_column(values: list[float | None], at: int) -> None:
    whole = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})
    assert digest(pl.concat([whole[:at], whole[at:]], rechunk=False)) == digest(whole)
    frame = pd.DataFrame({"x": pd.Series(values, dtype="Float64")})
    assert digest(pd.concat([frame[:at], frame[at:]])) == digest(frame)


def test_facts() -> None:
    dataset = Dataset.of(FRAME, "mine", {"source": "made up", "rows": 4})
    assert dataset.name == "mine"
    assert dataset.parameters == {"kind": "pandas.DataFrame", "rows": 4, "columns": 4, "source": "made up"}
    assert Dataset.of(pl.DataFrame({"a": [1]})).parameters == {"kind": "polars.DataFrame", "rows": 1, "columns": 1}
