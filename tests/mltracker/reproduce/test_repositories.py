"""Repositories in every state: the recorded code is restored, or it is said why not, and the user's is not touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mltracker
from tests.mltracker.reproduce.scratch import AGGREGATE, ONE_POINT, Scratch, not_runnable, said


def test_without_git_the_script_itself_was_kept(scratch: Scratch) -> None:
    shutil.rmtree(scratch.root / ".git")
    scratch.record()
    scratch.write("train.py", "raise SystemExit('this came later')\n")
    scratch.write("settings.py", "scale = 0\n")
    before = scratch.state()
    said(scratch.reproduce().verdict, "identical")
    assert scratch.state() == before
    verdict = scratch.reproduce(allow_dirty=True).verdict
    assert verdict.verdict == "incomplete"
    assert {one.name for one in verdict.differences if one.kind == "code"} == {"train.py", "settings.py"}


def test_before_the_first_commit(scratch: Scratch) -> None:
    shutil.rmtree(scratch.root / ".git")
    scratch.git("init", "-q")
    scratch.git("add", "train.py")
    scratch.record()
    said(scratch.reproduce().verdict, "identical")


def test_without_git_a_module_that_was_not_kept_makes_it_not_runnable(scratch: Scratch) -> None:
    shutil.rmtree(scratch.root / ".git")
    scratch.write("train.py", ONE_POINT + "import time\ntime.sleep(1)\nimport settings\n")
    scratch.record()
    not_runnable(scratch.reproduce(), "settings", str(scratch.root), "not from the recorded code")


def test_a_shallow_clone(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.record()
    first = scratch.git("rev-parse", "HEAD").strip()
    scratch.write("more.txt", "more")
    scratch.commit()
    clone = scratch.root.parent / "clone"
    scratch.git("clone", "-q", "--depth", "1", f"file://{scratch.root}", clone)
    shutil.rmtree(scratch.root)
    monkeypatch.chdir(clone)
    not_runnable(scratch.reproduce(), "shallow clone", first[:12], "git fetch --unshallow")


def test_recorded_in_a_shallow_clone(scratch: Scratch) -> None:
    for number in range(3):
        scratch.write("more.txt", str(number))
        scratch.commit()
    clone = scratch.root.parent / "clone"
    scratch.git("clone", "-q", "--depth", "1", f"file://{scratch.root}", clone)
    shallow = Scratch(clone, scratch.store)
    shallow.record()
    said(shallow.reproduce().verdict, "identical")


def test_a_detached_head(scratch: Scratch) -> None:
    scratch.write("settings.py", "scale = 4.0\n")
    scratch.commit()
    scratch.git("checkout", "-q", "--detach", "HEAD~1")
    scratch.record()
    scratch.git("checkout", "-q", "main")
    before = scratch.state()
    said(scratch.reproduce().verdict, "identical")
    assert scratch.state() == before
    assert scratch.git("branch", "--show-current").strip() == "main"


def submodule(scratch: Scratch) -> Path:
    other = scratch.root.parent / "other"
    other.mkdir()
    scratch.git("init", "-q", cwd=other)
    for number in (1, 2):
        (other / "values.txt").write_text(f"{number}.5")
        scratch.git("add", ".", cwd=other)
        scratch.git("commit", "-q", "-m", str(number), cwd=other)
    scratch.git("submodule", "--quiet", "add", other, "part")
    scratch.write("settings.py", "scale = float(open('part/values.txt').read())\n")
    scratch.commit()
    return scratch.root / "part"


def test_submodules_are_restored_at_their_commits(scratch: Scratch) -> None:
    part = submodule(scratch)
    scratch.git("checkout", "-q", "HEAD~1", cwd=part)
    scratch.record()
    scratch.git("checkout", "-q", "-", cwd=part)
    before = scratch.state()
    said(scratch.reproduce().verdict, "identical")
    assert scratch.state() == before
    assert scratch.git("worktree", "list").count("\n") == 1


def test_a_submodule_that_is_not_at_hand(scratch: Scratch) -> None:
    part = submodule(scratch)
    scratch.record()
    scratch.git("submodule", "--quiet", "deinit", "--force", part)
    not_runnable(scratch.reproduce(), "submodule part", "git submodule update --init")


def test_changes_in_a_submodule_are_not_recorded(scratch: Scratch) -> None:
    part = submodule(scratch)
    (part / "values.txt").write_text("9")
    scratch.record()
    not_runnable(scratch.reproduce(), "part", "submodule", "--allow-dirty")


def test_a_commit_that_is_gone(scratch: Scratch) -> None:
    scratch.write("settings.py", "scale = 4.0\n")
    commit = scratch.commit()
    scratch.record()
    scratch.git("reset", "-q", "--hard", "HEAD~1")
    scratch.git("reflog", "expire", "--expire=now", "--all")
    said(scratch.reproduce().verdict, "identical")  # it still is in the repository
    scratch.git("gc", "-q", "--prune=now")
    not_runnable(scratch.reproduce(), commit[:12], "not in", f"git fetch origin {commit}")
    verdict = scratch.reproduce(allow_dirty=True).verdict
    said(verdict, "diverged", "code")
    assert any("cannot be compared" in note for note in verdict.notes)


def test_a_repository_that_moved(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.record()
    moved = scratch.root.parent / "moved"
    monkeypatch.chdir(scratch.root.parent)
    scratch.root.rename(moved)
    not_runnable(scratch.reproduce(), str(scratch.root), "Go into a clone")
    monkeypatch.chdir(moved)
    said(scratch.reproduce().verdict, "identical")


def test_recorded_in_two_clones(scratch: Scratch) -> None:
    scratch.write("train.py", AGGREGATE + "aggregate.metrics.log({'loss': 1.0}, step=int(sys.argv[2]))\n")
    first = scratch.commit()
    scratch.record("train.py", scratch.store, "0")
    clone = Scratch(scratch.root.parent / "clone", scratch.store)
    scratch.git("clone", "-q", scratch.root, clone.root)
    clone.write("more.txt", "")
    clone.commit()
    clone.record("train.py", clone.store, "1")
    said(scratch.reproduce().verdict, "identical")
    shutil.rmtree(clone.root)
    not_runnable(scratch.reproduce(), "is not in", str(scratch.root))
    assert first


def test_git_that_refuses_says_why(scratch: Scratch) -> None:
    scratch.record()
    scratch.write(".git/config", "[core]\n\trepositoryformatversion = 99\n")
    not_runnable(scratch.reproduce(), "git rev-parse failed")


def test_a_redacted_secret_in_the_code(scratch: Scratch) -> None:
    scratch.write("settings.py", "scale = 2.0\napi_key = 'sk-ant-REDACTED'\n")
    scratch.record()
    not_runnable(scratch.reproduce(), "secret", "settings.py", "--allow-dirty")
    said(scratch.reproduce(allow_dirty=True).verdict, "diverged", "settings.py")


def test_a_blob_that_is_gone(scratch: Scratch) -> None:
    scratch.write("settings.py", "scale = 3.0\n")
    scratch.record()
    shutil.rmtree(scratch.store / "blobs")
    not_runnable(scratch.reproduce(), "cannot be read from the store")


def test_a_file_of_the_record_that_lies_outside(scratch: Scratch, tmp_path: Path) -> None:
    from mltracker.reproduce.reasons import NotRunnable
    from mltracker.reproduce.recipe import Code, Untracked
    from mltracker.reproduce.restored import recorded

    for path in ("../out.py", "/out.py", ".git/hooks/x", "a/../../out.py"):
        with mltracker.open("memory:") as tracker, pytest.raises(NotRunnable, match="outside of the repository"):
            recorded(Code(untracked={path: Untracked(hash="0" * 64)}), tracker.blobs)
