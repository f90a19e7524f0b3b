"""Recorded commands are taken apart and put together again as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from mltracker.capture.command import parse as parse_started
from mltracker.reproduce.commands import Command, moved, parse
from mltracker.reproduce.reasons import NotRunnable

LINES = [
    ["train.py"],
    ["train.py", "-m", "--flag=a b", ""],
    ["-u", "-X", "dev", "-Wignore", "-O", "a folder/it's.py", "--", "-c"],
    ["-uX", "dev", "train.py"],
    ["-m", "package.train", "-m"],
    ["-mpackage"],
    ["-Bm", "package", "x"],
    ["-c", "import sys; print('-m')", "-c"],
    ["--check-hash-based-pycs", "always", "train.py"],
]


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_what_was_recorded_says_the_same_when_it_is_spelled_again(line: list[str]) -> None:
    recorded = parse_started(["/usr/bin/python3", *line])
    again = parse(recorded.command)
    assert again.kind == recorded.how
    spelled = again.spelled("/other/python")
    assert spelled[0] == "/other/python"
    assert (parse_started(spelled).how, parse_started(spelled).target) == (recorded.how, recorded.target)
    assert parse(spelled) == again


def test_the_parts() -> None:
    assert parse(["python", "-uW", "error", "-mtorch.x", "a"]) == Command(
        ["-u", "-W", "error"], "module", "torch.x", ["a"]
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ([], "names no program"),
        (["-u"], "names no program"),
        (["-", "x"], "standard input"),
        (["-I", "train.py"], "-I ignores"),
        (["-uE", "-m", "train"], "-E ignores"),
        (["-S", "-c", "x"], "-S imports no site"),
        (["train.py", "caf\N{REPLACEMENT CHARACTER}"], "bytes that are no text"),
    ],
)
def test_what_cannot_be_repeated(line: list[str], why: str) -> None:
    with pytest.raises(NotRunnable, match=why):
        parse(["python", *line])


def test_options_that_only_look_like_it() -> None:
    assert parse(["python", "-X", "importtime", "-WIgnore", "train.py", "-I"]).program == "train.py"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/home/me/code", "/tree"),
        ("/home/me/code/data/x y.csv", "/tree/data/x y.csv"),
        ("--data=/home/me/code/data", "--data=/tree/data"),
        ("/home/me/code/../code/data", "/tree/data"),
        ("/home/me/code-2/data", "/home/me/code-2/data"),
        ("/home/me", "/home/me"),
        ("data/x", "data/x"),
        ("--text=see /home/me/code", "--text=see /home/me/code"),
        ("", ""),
    ],
)
def test_paths_inside_of_the_root_move_with_it(word: str, expected: str) -> None:
    assert moved(word, "/home/me/code", "/tree") == expected


def test_a_link_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "code")
    assert moved(f"{tmp_path}/link/x", f"{tmp_path}/code", "/tree") == "/tree/x"
