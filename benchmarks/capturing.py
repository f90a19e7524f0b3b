"""What it costs to record what a run was."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.goals import Result
from benchmarks.measure import Size

PROGRAM = """
import sys, time
import mltracker

store, capture = sys.argv[1:]
with mltracker.open("memory:", projection="memory", capture="off") as tracker:
    tracker.experiment("e")  # which imports what both need
started = time.perf_counter()
with mltracker.open(store, projection="memory", capture=capture) as tracker:
    tracker.experiment("e")
    first = time.perf_counter()
    while capture == "full" and "code" not in tracker.sessions()[0].environment:
        time.sleep(0.001)
    print(first - started, time.perf_counter() - first)
"""


def run(size: Size, folder: Path) -> dict[str, Result]:
    """The rows about capturing, each in new processes, in a repository with a change and an untracked file."""
    repository = folder / "repository"
    _make(repository, size.files)
    took: dict[str, list[tuple[float, float]]] = {"off": [], "full": []}
    for turn in range(1 + max(size.rounds, 3)):
        for capture, figures in took.items():
            first, described = _seconds(repository, folder / f"{capture}{turn}", capture)
            if turn:  # before that nothing was in the page cache
                figures.append((first, described))
    full, off = (statistics.median(first for first, _ in took[capture]) for capture in ("full", "off"))
    described = statistics.median(described for _, described in took["full"])
    return {
        "capture": Result(1e3 * (full - off), f"{size.files:,} files; {1e3 * full:.0f} ms, off {1e3 * off:.0f} ms"),
        "described": Result(1e3 * described, f"{size.files:,} files, in the background"),
    }


def _make(repository: Path, files: int) -> None:
    for index in range(files):
        path = repository / f"package{index % 100}" / f"module{index}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"value = {index}\n")
    (repository / "train.py").write_text(PROGRAM)
    git = ["git", "-C", str(repository), "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    (repository / "package0" / "module0.py").write_text("value = 'changed'\n")
    (repository / "new.py").write_text("value = 'new'\n")


def _seconds(repository: Path, store: Path, capture: str) -> tuple[float, float]:
    """Until the first event, and from there until the description."""
    command = [sys.executable, "train.py", str(store), capture]
    told = subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout
    first, described = map(float, told.split())
    return first, described
