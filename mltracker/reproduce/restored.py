"""What code a worktree is to hold: a commit, a diff on top of it, files that git does not know, submodules."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mltracker.errors import MLTrackerError
from mltracker.reproduce.commands import LOST
from mltracker.reproduce.git import git, names, text
from mltracker.reproduce.reasons import NotRunnable

if TYPE_CHECKING:
    from mltracker.events.blobs import Blobs
    from mltracker.reproduce.recipe import Code

LARGEST = 16 << 20
"""Bytes. Of the present working tree, larger files that git does not know are data, and are not copied."""
DIFF = ("diff", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
        "--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=dirty", "HEAD")  # fmt: skip


@dataclass(frozen=True)
class File:
    """A file that git does not know: its mode, its content when asked for, and what makes it the same file."""

    mode: int
    content: Callable[[], bytes] = field(compare=False)
    identity: str = ""


@dataclass(frozen=True)
class Restorable:
    """`commit` is None where there is no repository. `files` by their path relative to the root."""

    commit: str | None
    diff: bytes = b""
    files: dict[str, File] = field(default_factory=dict)
    submodules: dict[str, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


def recorded(code: Code, blobs: Blobs) -> Restorable:
    """The code that a session described. Raises NotRunnable where a part of it is not in the store."""
    files = {
        path: File(one.mode & 0o777, _getter(blobs, one.hash, path), one.hash) for path, one in code.untracked.items()
    }
    for path in [*files, *code.submodules]:
        _require_inside(path)
    diff = _getter(blobs, code.diff, "the recorded diff")() if code.diff else b""
    if b"-dirty\n" in diff and any(
        b"+Subproject commit" in line and line.endswith(b"-dirty") for line in diff.split(b"\n")
    ):
        raise NotRunnable("a submodule had changes that were not committed, and they were not recorded")
    submodules = {path: commit for path, commit in code.submodules.items() if commit is not None}
    return Restorable(code.commit, diff, files, submodules)


def present(root: Path, store: Path) -> Restorable:
    """The code as it stands in a working tree, which is read only; the store in it is no code. Raises NotRunnable."""
    files, skipped = {}, []
    for path in names(git(root, "ls-files", "--others", "--exclude-standard", "-z")):
        if (root / path).is_relative_to(store) or (root.resolve() / path).is_relative_to(store.resolve()):
            continue
        if _in_a_store(root / path):
            continue
        found = (root / path).lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= LARGEST:
            files[path] = File(stat.S_IMODE(found.st_mode), (root / path).read_bytes)
        else:
            skipped.append(path)
    links = [entry.partition("\t") for entry in names(git(root, "ls-files", "--stage", "-z"))]
    submodules = {
        path: text(root / path, "rev-parse", "HEAD")
        for entry, _, path in links
        if entry.startswith("160000") and (root / path / ".git").exists()
    }
    return Restorable(text(root, "rev-parse", "HEAD"), git(root, *DIFF), files, submodules, tuple(skipped))


def present_files(root: Path, code: Code) -> Restorable:
    """The same files without git, as they are now."""
    there = {path: root / path for path in code.untracked if (root / path).is_file()}
    return Restorable(
        None, files={path: File(stat.S_IMODE(one.stat().st_mode), one.read_bytes) for path, one in there.items()}
    )


def _in_a_store(path: Path) -> bool:
    """Whether a file is the tracker's own record: no code, and larger with each run."""
    return any((folder / "store.json").is_file() and (folder / "events").is_dir() for folder in path.parents)


def _getter(blobs: Blobs, hash: str, what: str) -> Callable[[], bytes]:
    def get() -> bytes:
        try:
            return blobs.get(hash)
        except (MLTrackerError, OSError) as error:
            raise NotRunnable(f"{what} cannot be read from the store: {error}") from error

    return get


def _require_inside(path: str) -> None:
    """A store may come from others: no file of it is written outside of the worktree."""
    parts = PurePosixPath(path).parts
    if LOST in path:
        raise NotRunnable(f"the name of a file is no text, and was not recorded: {path!r}")
    if not parts or path.startswith(os.sep) or ".." in parts or parts[0] == ".git" or "\0" in path:
        raise NotRunnable(f"the record names a file outside of the repository: {path!r}")
