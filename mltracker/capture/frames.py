"""The content of pandas and polars frames, column by column, whatever their blocks, chunks and storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mltracker.capture import arrays
from mltracker.capture.hashing import node

# Neither library is imported here; their objects have no types that could be named without them: hence Any.


def pandas_frame(frame: Any, path: str) -> bytes:
    """The digest of a DataFrame: the columns' names and dtypes, the index, every value."""
    columns = [column(frame.iloc[:, at], f"{path}[{name!r}]") for at, name in enumerate(frame.columns)]
    labels = [index(frame.columns, f"{path}.columns"), index(frame.index, f"{path}.index")]
    return node("pandas frame", {"rows": len(frame)}, [*labels, *columns])


def pandas_series(series: Any, path: str) -> bytes:
    """The digest of a Series: its name, dtype, index and values."""
    name = arrays.plain([series.name], f"{path}.name")
    return node("pandas series", {}, [name, index(series.index, f"{path}.index"), column(series, path)])


def index(labels: Any, path: str) -> bytes:
    """The digest of an Index: names and values; a range is the numbers it stands for."""
    names = arrays.plain(list(labels.names), f"{path}.names")
    levels = [labels.get_level_values(at) for at in range(labels.nlevels)]
    return node("pandas index", {}, [names, *(column(level, path) for level in levels)])


def column(values: Any, path: str) -> bytes:
    """The digest of the values of a Series, an Index or an extension array, with their dtype."""
    dtype = values.dtype
    if not hasattr(dtype, "construct_array_type"):  # one of NumPy's
        return arrays.array(values.to_numpy() if hasattr(values, "to_numpy") else values, path)
    held = getattr(values, "array", values)
    special = _EXTENSIONS.get(type(dtype).__name__)
    parts = special(held, path) if special else _nullable(held, path)
    return node("pandas column", {"dtype": str(dtype)}, parts)


def _nullable(held: Any, path: str) -> list[bytes]:
    """Numbers with a mask, or else values one by one (texts, Arrow's types, other extensions)."""
    missing, kind = held.isna(), getattr(held.dtype, "numpy_dtype", None)
    if hasattr(held, "_mask") and kind is not None:
        return [arrays.array(held.to_numpy(dtype=kind, na_value=0), path), arrays.array(missing, path)]
    values = zip(held.astype(object), missing, strict=True)
    return [arrays.plain([None if is_missing else value for value, is_missing in values], path)]


def _categorical(held: Any, path: str) -> list[bytes]:
    ordered = arrays.plain([bool(held.ordered)], path)
    return [ordered, arrays.array(held.codes.astype("i8"), path), column(held.categories, f"{path}.categories")]


_EXTENSIONS: dict[str, Callable[[Any, str], list[bytes]]] = {
    "CategoricalDtype": _categorical,
    "DatetimeTZDtype": lambda held, path: [arrays.array(held.asi8, path)],
    "PeriodDtype": lambda held, path: [arrays.array(held.asi8, path)],
    "IntervalDtype": lambda held, path: [column(held.left, path), column(held.right, path)],
    "SparseDtype": lambda held, path: [arrays.array(held.to_dense(), path)],
}


def polars_frame(frame: Any, path: str) -> bytes:
    """The digest of a polars DataFrame: the columns' names and dtypes, every value."""
    columns = [polars_series(series, f"{path}[{series.name!r}]") for series in frame.get_columns()]
    return node("polars frame", {"rows": frame.height}, columns)


def polars_series(series: Any, path: str) -> bytes:
    """The digest of a polars Series: its name, dtype and values."""
    header = {"name": series.name, "dtype": str(series.dtype)}
    return node("polars series", header, _polars_values(series.rechunk(), str(series.dtype), path))


def _polars_values(series: Any, dtype: str, path: str) -> list[bytes]:
    missing = series.is_null()
    if dtype.startswith(("Date", "Time", "Duration")):
        series = series.to_physical()
    elif dtype.startswith(("Categorical", "Enum")):
        series = series.cast(str)
    if series.dtype.is_numeric() and not dtype.startswith(("Decimal", "Int128", "UInt128")):
        return [arrays.array(series.fill_null(0).to_numpy(), path), arrays.array(missing.to_numpy(), path)]
    if dtype == "Boolean":
        return [arrays.array(series.fill_null(False).to_numpy(), path), arrays.array(missing.to_numpy(), path)]
    return [arrays.plain(series.to_list(), path)]
