"""Prints the hashes of a table of objects and data as JSON; what needs a library that is not installed is left out.

Run as a script by test_golden.py, in interpreters with different PYTHONHASHSEED.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import tempfile
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import mltracker
from mltracker import Dataset, Module

ROWS: dict[str, Callable[[], Module | Dataset]] = {}


class Colour(enum.Enum):
    RED = "red"


@mltracker.register
class Net:
    def __init__(self, hidden: int = 8, *, rate: float = 0.1, inner: object = None, names: object = ()) -> None: ...


@mltracker.register(exclude=("device",), name="Head")
class Excluding:
    def __init__(self, *layers: object, device: object = None, **options: object) -> None: ...


@dataclasses.dataclass
class Settings:
    width: int = 3
    colour: Colour = Colour.RED
    path: Path = Path("data/x")


def scale(x: float, by: float = 2.0) -> float:
    return x * by


def row(name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Adds the hash of what the function makes to the table."""

    def add(make: Callable[[], Any]) -> Callable[[], Any]:
        ROWS[name] = make
        return make

    return add


@row("plain")
def _plain() -> Module:
    return Module.of(Net(4, rate=1e-3, names={"b", "a", "c", "d", "e"}))


@row("plain defaults")
def _plain_defaults() -> Module:
    return Module.of(Net())


@row("plain floats")
def _plain_floats() -> Module:
    return Module.of(Net(1, rate=float("nan"), inner={"x": 1e300, "ä": -0.0, "y": [1.0, 1, True, None, float("inf")]}))


@row("plain nested")
def _plain_nested() -> Module:
    return Module.of(Excluding(Net(1), Net(2), device=object(), inner=Settings(), keys={2: "two", 1: "one"}))


@row("dataclass")
def _dataclass() -> Module:
    return Module.of(Settings(5))


@row("function")
def _function() -> Module:
    return Module.of(scale, type="metric")


@row("partial")
def _partial() -> Module:
    return Module.of(functools.partial(scale, by=3.0))


@row("lambda")
def _lambda() -> Module:
    factor = 0.5
    return Module.of(Net(inner=[lambda epoch: factor**epoch, lambda epoch: 1.0 if epoch else 2.0]))


@row("values")
def _values() -> Dataset:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)
    return Dataset.of(
        [1, 1.0, True, None, "text", b"bytes", float("nan"), -0.0, moment, date(2026, 1, 2), timedelta(1)]
    )


@row("mapping")
def _mapping() -> Dataset:
    return Dataset.of({"b": [1, 2], "a": {"c": "x"}, 3: (1, [2, ("y",)])})


@row("file")
def _file() -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.bin"
        path.write_bytes(bytes(range(256)) * 10_000)
        return Dataset.of(path)


@row("folder")
def _folder() -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "b" / "deep").mkdir(parents=True)
        (root / "b.txt").write_text("beside")
        (root / "b" / "x.txt").write_text("one")
        (root / "b" / "deep" / "ö.txt").write_text("two")
        return Dataset.of(root)


try:
    import numpy as np
except ImportError:
    pass
else:
    for dtype in ("float64", "float32", "float16", "int64", "uint8", "bool", "complex64"):
        ROWS[f"numpy {dtype}"] = lambda dtype=dtype: Dataset.of(np.arange(24).reshape(4, 6).astype(dtype))  # type: ignore[misc]

    @row("numpy nan")
    def _numpy_nan() -> Dataset:
        return Dataset.of(np.array([np.nan, -np.nan, 0.0, -0.0, np.inf]))

    @row("numpy str")
    def _numpy_str() -> Dataset:
        return Dataset.of(np.array(["a", "", "ü"], dtype="U7"))

    @row("numpy object")
    def _numpy_object() -> Dataset:
        return Dataset.of(np.array(["a", None, 1, 2.5, (1, 2)], dtype=object))

    @row("numpy datetime")
    def _numpy_datetime() -> Dataset:
        return Dataset.of(np.array(["2026-01-02", "NaT"], dtype="M8[us]"))

    @row("numpy record")
    def _numpy_record() -> Dataset:
        return Dataset.of(np.array([(1, 2.0, "x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U3")]))

    @row("numpy argument")
    def _numpy_argument() -> Module:
        return Module.of(Net(inner=np.float32(0.5), names=np.arange(3)))


try:
    import pandas as pd
except ImportError:
    pass
else:

    @row("pandas")
    def _pandas() -> Dataset:
        columns: dict[str, Any] = {
            "i": [1, 2, 3],
            "f": [1.0, None, -0.0],
            "o": pd.Series(["x", None, "y"], dtype=object),
            "s": pd.Series(["x", None, "y"], dtype="string"),
            "n": pd.Series([1, None, 3], dtype="Int64"),
            "c": pd.Categorical(["x", "y", "x"]),
        }
        return Dataset.of(pd.DataFrame(columns, index=pd.Index([3, 4, 5], name="id")))

    @row("pandas times")
    def _pandas_times() -> Dataset:
        stamps = pd.Series(np.array(["2026-01-02", "NaT"], dtype="M8[ns]"), name="t")
        return Dataset.of([stamps, stamps.dt.tz_localize("UTC")])


try:
    import polars as pl
except ImportError:
    pass
else:

    @row("polars")
    def _polars() -> Dataset:
        columns = {"i": [1, None, 3], "f": [1.0, None, -0.0], "s": ["x", None, ""], "l": [[1], [], None]}
        days = pl.Series("d", [date(2026, 1, 2), None, date(1969, 1, 1)])
        return Dataset.of(pl.DataFrame(columns).with_columns(days, pl.Series("b", [True, None, False])))


try:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
except ImportError:
    pass
else:

    @row("sklearn")
    def _sklearn() -> Module:
        return Module.of(StandardScaler(with_mean=False))

    @row("sklearn nested")
    def _sklearn_nested() -> Module:
        return Module.of(Net(inner=make_pipeline(StandardScaler()).steps))


try:
    import torch
    from torch import nn
    from torch.utils.data import Subset, TensorDataset
except ImportError:
    pass
else:

    @mltracker.register
    class TorchNet(nn.Module):
        def __init__(self, hidden: int = 4, activation: Callable[..., Any] = torch.relu) -> None:
            super().__init__()
            self.layer = nn.Linear(hidden, 2)

    @row("torch registered")
    def _torch_registered() -> Module:
        return Module.of(TorchNet(6))

    @row("torch structure")
    def _torch_structure() -> Module:
        return Module.of(nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.Flatten(), nn.Linear(3, 1, bias=False))))

    @row("torch tensor")
    def _torch_tensor() -> Dataset:
        return Dataset.of(torch.arange(6).reshape(2, 3).float())

    @row("torch bfloat16")
    def _torch_bfloat16() -> Dataset:
        return Dataset.of(torch.tensor([1.5, -0.0, float("nan")], dtype=torch.bfloat16))

    @row("torch dataset")
    def _torch_dataset() -> Dataset:
        return Dataset.of(Subset(TensorDataset(torch.zeros(3, 2), torch.arange(3)), [2, 0]))


if __name__ == "__main__":
    print(json.dumps({name: make().hash for name, make in ROWS.items()}, indent=1))
