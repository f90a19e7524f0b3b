"""Hashes pinned for ever: equal on every Python, platform and hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "golden"
PINNED: dict[str, str] = json.loads((FOLDER / "hashes.json").read_text())
LIBRARIES = ("numpy", "pandas", "polars", "sklearn", "torch")


@pytest.fixture(scope="module", params=["0", "1", "4711"])
def hashes(request: pytest.FixtureRequest) -> dict[str, str]:
    environment = {**os.environ, "PYTHONHASHSEED": request.param}
    command = [sys.executable, "-W", "error::UserWarning:mltracker", str(FOLDER / "table.py")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    found: dict[str, str] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("name", PINNED)
def test_hashes_are_pinned(name: str, hashes: dict[str, str]) -> None:
    library = name.split()[0]
    if library in LIBRARIES and find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    assert hashes[name] == PINNED[name]


def test_the_table_is_pinned_whole_and_no_two_rows_are_alike(hashes: dict[str, str]) -> None:
    assert set(hashes) <= set(PINNED)
    assert len(set(PINNED.values())) == len(PINNED) >= 25
