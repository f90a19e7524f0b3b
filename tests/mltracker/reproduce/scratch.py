"""Small programs in a git repository of their own, recorded and run again by real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mltracker
from mltracker.reproduce.finish import Done
from mltracker.reproduce.repetition import Options
from mltracker.reproduce.run import run
from mltracker.reproduce.verdict import Verdict
from mltracker.reproduce.watching import Silent

AUTHOR = ("-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "protocol.file.allow=always")
TRAIN = """
import random, sys
import mltracker
from settings import scale

mltracker.seed_everything(3)
with mltracker.open(sys.argv[1]) as tracker:
    aggregate = tracker.experiment("mnist").aggregate("1", config={"lr": 0.1})
    with aggregate.training():
        for step in range(5):
            aggregate.metrics.log({"loss": random.random() * scale}, step=step)
"""

ONE_POINT = """
import sys, mltracker
tracker = mltracker.open(sys.argv[1])
tracker.experiment('mnist').aggregate('1').metrics.log({'loss': 1.0}, step=0)
"""

AGGREGATE = """
import pathlib, sys, time, mltracker
tracker = mltracker.open(sys.argv[1])
aggregate = tracker.experiment('mnist').aggregate('1')
"""
"""How programs begin; what they do goes on from there."""


@dataclass
class Scratch:
    """A repository with `train.py`, and a store beside it. `python` runs the programs."""

    root: Path
    store: Path
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict)

    def git(self, *command: str | Path, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *AUTHOR, *command], cwd=cwd or self.root, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, path: str, text: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def commit(self, *, message: str = "change") -> str:
        self.git("add", "--all")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def record(
        self, *command: str | Path, cwd: Path | None = None, exit_code: int = 0, content: str | None = None, **more: str
    ) -> str:
        """Run Python as a user does; `content` goes to its stdin."""
        environment = {**os.environ, **self.environment, **more}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"  # a change within a second, of equal size, would not be seen
        environment.pop("MLTRACKER_CAPTURE", None)
        words = [str(word) for word in command] or ["train.py", str(self.store)]
        done = subprocess.run(
            [self.python, *words], cwd=cwd or self.root, env=environment, check=False, capture_output=True, text=True,
            timeout=60, **({"stdin": subprocess.DEVNULL} if content is None else {"input": content}),  # type: ignore[call-overload]
        )  # fmt: skip
        assert done.returncode == exit_code, done.stdout + done.stderr
        return str(done.stdout + done.stderr)

    def reproduce(self, id: str = "mnist/1", watch: Any = None, **options: Any) -> Done:
        return run(self.store, *id.split("/"), Options(**options), watch or Silent())

    def state(self) -> dict[str, object]:
        """All there is of the user's tree and repository, but the objects."""
        files: dict[str, object] = {
            str(path.relative_to(self.root)): (path.lstat().st_mode, path.lstat().st_mtime_ns, _content(path))
            for path in sorted(self.root.rglob("*"))
            if not path.is_relative_to(self.root / ".git" / "objects") and (path.is_symlink() or not path.is_dir())
        }
        folders = {str(path) for path in self.root.rglob("*") if path.is_dir() and ".git/objects" not in str(path)}
        return {**files, "folders": folders}

    def verdicts(self, id: str = "mnist/1") -> list[str]:
        """What is recorded on an aggregate."""
        experiment, aggregate = id.split("/")
        with mltracker.open(self.store, read_only=True) as tracker:
            found = tracker.experiments.read(experiment)
            assert found is not None
            keys = found.aggregates.list()
            one = next(each for each in keys if each.id == aggregate)
            return [event.data["verdict"] for event in tracker.history(one, types=["ReproductionRecorded"])]


def _content(path: Path) -> object:
    return path.readlink() if path.is_symlink() else path.read_bytes()


def not_runnable(done: Done, *words: str) -> Verdict:
    verdict = done.verdict
    assert (verdict.verdict, verdict.exit_code, done.reproduction) == ("not runnable", 6, None), verdict
    assert [word for word in words if word not in verdict.reason] == [], verdict.reason
    return verdict


def said(verdict: Verdict, outcome: str, *words: str) -> None:
    assert verdict.verdict == outcome, verdict
    assert [word for word in words if word not in verdict.reason] == [], verdict.reason
