"""A clean clone of this project with a Python of its own, in which runs are recorded and reproduced."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AUTHOR = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]


@dataclass
class Project:
    """A clone, the Python that has it installed, and the programs of that Python."""

    root: Path
    bin: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str | Path, exit_code: int = 0) -> str:
        """What the command printed. Fails where it exits otherwise."""
        result = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert result.returncode == exit_code, f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result.stdout + result.stderr

    def git(self, *command: str) -> str:
        return subprocess.run(["git", *command], cwd=self.root, check=True, capture_output=True, text=True).stdout

    def reproduce(self, id: str, store: Path, *options: str, exit_code: int = 0) -> str:
        """The verdict and its reason, the first thing that `mltracker reproduce` says of it."""
        said = self.run("mltracker", "reproduce", id, "--store", store, *options, exit_code=exit_code)
        return re.sub(r"\s+", " ", said).partition(" compared ")[0]

    @contextmanager
    def changed(self, path: str, old: str, new: str) -> Iterator[None]:
        """One change of a file, which nobody else may touch, undone afterwards."""
        file = self.root / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
        file.write_text(text.replace(old, new))
        try:
            yield
            assert file.read_text() == text.replace(old, new)
        finally:
            file.write_text(text)

    def verdicts(self, store: Path) -> list[dict[str, Any]]:
        """What the ReproductionRecorded events of the store hold, the oldest first."""
        lines = self.run("mltracker", "log", "--type", "ReproductionRecorded", "--json", "--reverse", "--store", store)
        return [json.loads(line)["data"] for line in lines.splitlines()]


def clean_clone(folder: Path) -> Project:
    """A clean clone of what this tree holds now, wherever it came from, installed in editable form.

    Everything else (NumPy, scikit-learn, PyTorch) is the test interpreter's.
    """
    origin, root, venv = folder / "origin", folder / "clone", folder / "venv"
    quiet = {"check": True, "capture_output": True, "text": True}
    subprocess.run(["git", "init", "-q", origin], **quiet)
    tree = ["git", f"--git-dir={origin / '.git'}", f"--work-tree={ROOT}", *AUTHOR]
    subprocess.run([*tree, "add", "."], **quiet)
    subprocess.run([*tree, "commit", "-qm", "the tree"], **quiet)
    subprocess.run(["git", "clone", "-q", origin, root], **quiet)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], **quiet)
    bin = venv / "bin"
    asked = [bin / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, **quiet).stdout.strip())
    (packages / "test_interpreter.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["install", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-e", root]
    subprocess.run([sys.executable, "-m", "pip", "--python", bin / "python", *install], **quiet)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLTRACKER", "PYTHON", "GIT_"))}
    return Project(root, bin, {**kept, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "160"})


def require(*libraries: str) -> pytest.MarkDecorator:
    """Skips, saying which library is missing and how to get it."""
    missing = [library for library in libraries if importlib.util.find_spec(library) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
