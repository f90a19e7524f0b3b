"""Importing mltracker costs next to nothing, and offers what it says."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mltracker
from mltracker import errors

HEAVY = ["pydantic", "tinydb", "typer", "rich", "orjson", "numpy", "sqlite3", "mltracker.tracker", "mltracker.models"]
LIMIT_MS = 50


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    loaded = run(f"import sys, mltracker; print([name for name in {HEAVY} if name in sys.modules])")
    assert loaded == "[]"


def test_models_load_no_storage() -> None:
    loaded = run(
        "import sys; from mltracker import Metric, Module; "
        f"print([name for name in {HEAVY[:-1]} if name in sys.modules])"
    )
    assert loaded == "[]"


def test_import_is_fast() -> None:
    code = "import time; t = time.perf_counter(); import mltracker; print((time.perf_counter() - t) * 1000)"
    assert min(float(run(code)) for _ in range(5)) < LIMIT_MS


def test_every_public_name_is_there() -> None:
    assert sorted(mltracker.__all__) == sorted(mltracker._HOME)
    for name in mltracker.__all__:
        assert getattr(mltracker, name).__module__.startswith("mltracker"), name
    assert set(mltracker.__all__) <= set(dir(mltracker))
    assert not {"TYPE_CHECKING", "annotations", "import_module"} & set(dir(mltracker))


def test_every_error_is_public() -> None:
    tree = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert tree <= set(mltracker.__all__)


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="'mltracker' has no attribute 'nothing'"):
        _ = mltracker.nothing  # type: ignore[attr-defined]
