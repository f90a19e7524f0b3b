"""What the README shows is run, and what it says comes out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mltracker

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
CHANGING = [
    (re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+Z)?"), "TIME"),
    (re.compile(r"[0-9a-f]{32}:\d+"), "EVENT"),
    (re.compile(r"~[0-9a-f]{8}\b"), "~REPRODUCTION"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "COMMIT"),
]
AUTHOR = {f"GIT_{who}_{what}": "reader" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
NAMED = re.compile(r"# (\w+\.py)\n")  # a block that begins so is that file
WHOLE = re.compile(r"\b(\d+)\.0\b")  # a terminal shows 1 where a pipe gets 1.0


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(README) if found == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Python blocks have run, top to bottom, each by itself, saying what its comments say; or are files."""
    folder = tmp_path_factory.mktemp("readme")
    for code in blocks("python"):
        if name := NAMED.match(code):
            (folder / name[1]).write_text(code)
            continue
        expected = re.findall(r"^ *print\(.*\) +# (.*)$", code, re.M)
        assert run([sys.executable, "-W", "error", "-c", code], folder).splitlines() == expected
    return folder


def run(command: list[str] | str, folder: Path, **environment: str) -> str:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLTRACKER")}
    result = subprocess.run(
        command,
        cwd=folder,
        env={**kept, **AUTHOR, "PATH": programs, **environment},
        shell=isinstance(command, str),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def words(text: str) -> list[str]:
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return WHOLE.sub(r"\1", text).split()


def test_the_python_blocks_say_what_they_show(folder: Path) -> None:
    assert (folder / "runs" / "events").is_dir()


@pytest.mark.parametrize("session", blocks("console"))
def test_the_shell_blocks_say_what_they_show(session: str, folder: Path) -> None:
    environment: dict[str, str] = {}
    for step in re.split(r"^\$ ", session, flags=re.M)[1:]:
        command, _, shown = step.partition("\n")
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            environment[name] = value
            continue
        assert words(run(command, folder, **environment)) == words(shown), command


def test_the_commands_named_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)", README)) <= set(targets)
    help_text = run([sys.executable, "-m", "mltracker", "--help"], ROOT)
    for name in re.findall(r"^\| `([a-z]+)\b[^|]*` \|", README, re.M):
        assert re.search(rf"^ +{name}\b", help_text, re.M), name


def test_links_name_what_exists() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_tree_at_the_end_is_the_tree() -> None:
    shown: set[str] = set()
    folder = ""
    for line in README.split("```")[-2].strip().splitlines():
        names = re.split(r" {2,}", line.strip())[0].split()
        folder = folder if line.startswith(" ") else names[0]
        shown.update(f"{folder}{name}".rstrip("/") if line.startswith(" ") else name.rstrip("/") for name in names)
    folders = ("mltracker", "events", "projections")
    kept = [path for name in folders for path in (ROOT / name).iterdir() if path.suffix in {"", ".py", ".md"}]
    present = {str(path.relative_to(ROOT)) for path in kept if not path.name.startswith("__")}
    assert shown - {*folders, "tests", "benchmarks", "examples/digits.py"} == present


def test_the_readers_own_projection_is_short() -> None:
    block = next(block for block in blocks("python") if "(Projection)" in block)
    body = block.partition("class ")[2].partition("\nwith ")[0]
    assert len([line for line in body.splitlines() if line.strip()]) <= 20


def test_the_readers_own_projection_bears_nan(tmp_path: Path) -> None:
    block = next(block for block in blocks("python") if "(Projection)" in block)
    names: dict[str, Any] = {}
    exec(block.partition("\nwith ")[0], names)
    with mltracker.open(tmp_path / "s") as tracker:
        aggregate = tracker.experiment("mnist").aggregate("1")
        for loss in (float("nan"), 0.5, float("inf"), 0.25, float("nan")):
            aggregate.metrics.log({"loss": loss})
        assert tracker.view(names["LowestLoss"]).of(aggregate) == 0.25
