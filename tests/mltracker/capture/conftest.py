"""Git repositories, and programs that record something in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mltracker.capture import description

PROGRAM = """
import mltracker
with mltracker.open({store!r}, capture="full") as tracker:
    tracker.experiment("e")
"""


class Repository:
    """A git repository with one commit: train.py and helper.py."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.email", "a@b.c")
        self.git("config", "user.name", "a")
        self.write("helper.py", "x = 1\n")
        self.write("train.py", "import helper\n")
        self.commit()

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, path: str, content: str | bytes) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def own_git(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the tests' own."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    (home / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n')


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def undescribed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that was not described yet, and will not have been."""
    monkeypatch.setattr(description, "_known", None)
    yield


def run(*arguments: str | os.PathLike[str], cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """A new Python, warnings being errors."""
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=60, **options)


def events(store: Path) -> list[dict[str, Any]]:
    """All lines of a store, but for headers and seals."""
    lines = [json.loads(line) for path in (store / "events").glob("*.jsonl") for line in path.read_text().splitlines()]
    return [line for line in lines if "seq" in line]


def environment(store: Path) -> dict[str, Any]:
    """What the one session of a store tells."""
    told: dict[str, Any] = {}
    for line in events(store):
        told |= line["data"].get("environment", {})
    return told


Run = Callable[..., subprocess.CompletedProcess[str]]
