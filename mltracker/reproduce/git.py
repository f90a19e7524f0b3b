"""Git, asked so that nothing of the user's repository changes but what is meant to: no hooks, no index refreshed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mltracker.reproduce.reasons import NotRunnable

QUIET = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false",
         "advice.detachedHead=false", "core.quotePath=false")  # fmt: skip

PATIENCE = 600.0
"""Seconds; what takes longer hangs."""

POINTERS = {"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_EXTERNAL_DIFF", "GIT_GRAFT_FILE",
            "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
            "GIT_QUARANTINE_PATH", "GIT_SHALLOW_FILE", "GIT_WORK_TREE"}  # fmt: skip
"""Variables that name a repository, or a part of one."""


class GitFailed(NotRunnable):
    """Git said no; the reason is what it said."""


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what would point git at another repository, as it does inside a hook."""
    return {name: value for name, value in environment.items() if name not in POINTERS}


def git(folder: Path, *arguments: str, content: bytes | None = None, more: Mapping[str, str] | None = None) -> bytes:
    """What git printed. `content` goes to its stdin, `more` into its environment. Raises GitFailed."""
    environment = {
        **clean_environment(os.environ), "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C",
        **(more or {}),
    }  # fmt: skip
    options = [word for option in QUIET for word in ("-c", option)]
    try:
        done = subprocess.run(
            ["git", *options, *arguments],
            cwd=folder,
            env=environment,
            input=content or b"",
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} took longer than {PATIENCE:.0f} s in {folder}") from error
    except FileNotFoundError as error:
        if folder.is_dir():
            raise GitFailed("git is not installed", hint="Install git") from error
        raise GitFailed(f"there is no folder {folder}") from error
    except OSError as error:
        raise GitFailed(f"git cannot be run in {folder}: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise GitFailed(f"git {arguments[0]} failed: {said.splitlines()[-1]}", said=said)
    return done.stdout


def text(folder: Path, *arguments: str) -> str:
    """One line that git printed. Raises GitFailed."""
    return os.fsdecode(git(folder, *arguments)).strip("\n")


def names(output: bytes) -> list[str]:
    """What `-z` separates."""
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def top_level(folder: Path) -> Path | None:
    """The root of the working tree that a folder is in; None where it is in none. Raises GitFailed."""
    if not folder.is_dir():
        return None
    try:
        return Path(text(folder, "rev-parse", "--show-toplevel"))
    except GitFailed as error:
        if "not a git repository" in error.said or "must be run in a work tree" in error.said:
            return None
        raise


def has_commit(root: Path, commit: str) -> bool:
    """Whether the repository holds that commit."""
    try:
        git(root, "cat-file", "-e", f"{commit}^{{commit}}")
    except GitFailed:
        return False
    return True


def has_file(root: Path, commit: str, path: str) -> bool:
    """Whether a commit holds that path."""
    try:
        git(root, "rev-parse", "--verify", "--quiet", f"{commit}:{path}")
    except GitFailed:
        return False
    return True


def is_shallow(root: Path) -> bool:
    """Whether the repository holds a part of the history only."""
    try:
        return text(root, "rev-parse", "--is-shallow-repository") == "true"
    except GitFailed:
        return False
