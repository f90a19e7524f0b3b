"""What differs between the code of two sessions, by file."""

from __future__ import annotations

from typing import Any

from mltracker.errors import NotFound
from mltracker.reproduce.code import codes
from mltracker.reproduce.recipe import Code, RecordedSession, Untracked

BLOBS = {
    "one": b"diff --git a/train.py b/train.py\nindex 1..2\n--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-a\n+b\n"
    b"diff --git a/same.py b/same.py\nindex 3..4\n@@ -1 +1 @@\n-c\n+d\n",
    "two": b"diff --git a/same.py b/same.py\nindex 3..4\n@@ -1 +1 @@\n-c\n+d\n"
    b'diff --git "a/n\\303\\244me.py" "b/n\\303\\244me.py"\nindex 5..6\n@@ -1 +1 @@\n-e\n+f\n',
}


def read(hash: str) -> bytes:
    if hash not in BLOBS:
        raise NotFound("there is no blob")
    return BLOBS[hash]


def names(one: dict[str, Any] | None, other: dict[str, Any] | None, **scripts: Any) -> list[str]:
    sessions = [
        RecordedSession(
            id=f"{number}", started_at=0, code=None if code is None else Code(**code),
            environment={"script": scripts[key]} if (key := f"script{number}") in scripts else {},
        )
        for number, code in enumerate((one, other))
    ]  # fmt: skip
    return [difference.name for difference in codes(sessions[0], sessions[1], read)]


def test_the_same_is_no_difference() -> None:
    assert names({"commit": "a", "diff": "one"}, {"commit": "a", "diff": "one"}) == []
    assert names(None, None) == []


def test_files_with_other_changes_are_named() -> None:
    assert names({"diff": "one"}, {"diff": "two"}) == ["train.py", "n\\303\\244me.py"]
    assert names({"diff": "one"}, {}) == ["train.py", "same.py"]


def test_a_diff_that_is_gone_is_named_as_a_whole() -> None:
    assert names({"diff": "gone"}, {}) == ["diff"]


def test_commits_submodules_and_untracked_files_are_named() -> None:
    one = {"commit": "a", "untracked": {"new.py": Untracked(hash="1")}, "submodules": {"sub": "x"}}
    other = {"commit": "b", "untracked": {"new.py": Untracked(hash="2"), "more.py": Untracked(hash="3")}}
    assert names(one, other) == ["commit", "submodule sub", "new.py", "more.py"]


def test_without_git_the_script_is_compared() -> None:
    scripts = {"script0": {"path": "train.py", "sha256": "0" * 64}, "script1": {"path": "train.py", "sha256": "1" * 64}}
    assert names(None, None, **scripts) == ["train.py"]
    assert names({}, {}, **scripts) == ["train.py"]
    assert names(None, None, script0="train.py", script1=3) == []
