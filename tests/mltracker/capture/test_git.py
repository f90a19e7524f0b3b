"""git is asked without a trace, without the user's helpers, and not for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mltracker.capture.git import Git
from tests.mltracker.capture.conftest import Repository


def git(folder: Path, seconds: float = 20) -> Git:
    return Git(folder, time.monotonic() + seconds)


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Puts a program called git first on the path."""
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_what_it_prints(repository: Repository) -> None:
    assert git(repository.root)("rev-parse", "HEAD").text == repository.git("rev-parse", "HEAD")
    assert git(repository.root)("ls-files", "-z").names == ["helper.py", "train.py"]


def test_what_it_refuses(repository: Repository, tmp_path: Path) -> None:
    assert "not a git repository" in git(tmp_path)("rev-parse", "--show-toplevel").error
    assert git(repository.root)("config", "--get", "remote.origin.url").error == "git ended with 1"


def test_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git(tmp_path)("status").error == "git is not installed"


def test_it_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "bin", monkeypatch, f"sleep 60 & echo $! > {tmp_path}/child; echo some; wait")
    started = time.monotonic()
    answer = git(tmp_path, 0.5)("status")
    assert answer.error.startswith("git took longer than 0.") and answer.out == b""
    assert time.monotonic() - started < 5
    child = Path("/proc") / (tmp_path / "child").read_text().strip()  # what it started is ended, too
    until = time.monotonic() + 10
    while child.exists() and child.joinpath("stat").read_text().split()[2] != "Z" and time.monotonic() < until:
        time.sleep(0.01)
    assert time.monotonic() < until


def test_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "bin", monkeypatch, "yes")
    answer = git(tmp_path)("status", limit=100_000)
    assert answer.cut and not answer.error and len(answer.out) == 100_000
    assert answer.names == []


def test_much_on_standard_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "bin", monkeypatch, "yes warning | head -c 1000000 >&2; echo 'fatal: no' >&2; exit 1")
    assert git(tmp_path)("status").error == "warning"


def test_the_repository_is_the_folders(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.root))
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    assert git(repository.root)("rev-parse", "--show-toplevel").text == str(repository.root)
    assert not (tmp_path / "trace").exists()


def test_no_helper_of_the_users_runs(repository: Repository, tmp_path: Path) -> None:
    tell = tmp_path / "tell"
    tell.write_text(f"#!/bin/sh\ntouch {tmp_path}/told\n")
    tell.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "diff.external"):
        repository.git("config", name, str(tell))
    repository.git("config", "core.hooksPath", str(tmp_path))
    (tmp_path / "told").unlink(missing_ok=True)  # by `git config` itself
    git(repository.root)("status", "--porcelain")
    assert not (tmp_path / "told").exists()
