"""Recorded code in a folder of its own: a git worktree, or a plain folder where there was no repository.

The user's working tree, index, branches and HEAD are not touched; git's list of worktrees has one entry more for the
time being.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mltracker.reproduce.git import GitFailed, git, has_commit, names, text
from mltracker.reproduce.reasons import NotRunnable
from mltracker.reproduce.restored import Restorable
from mltracker.reproduce.verdict import Difference


class Worktree:
    """`repository` is a working tree of the user's, None without git; `folder` does not exist yet."""

    def __init__(self, repository: Path | None, folder: Path) -> None:
        self.repository = repository
        self.folder = folder
        self._holds: Restorable | None = None

    def restore(self, code: Restorable) -> None:
        """Hold this code from now on. Files that were made in the worktree meanwhile stay. Raises NotRunnable."""
        before = self._holds
        if before == code:
            return
        if self.repository is None or code.commit is None:
            self.folder.mkdir(parents=True, exist_ok=True)
        elif before is None:
            git(self.repository, "worktree", "add", "--detach", "--force", str(self.folder), code.commit)
        else:
            git(self.folder, "reset", "--hard", "--quiet")
            git(self.folder, "checkout", "--detach", "--force", "--quiet", code.commit)
        if code.diff:
            self._apply(code)
        self._submodules(code)
        self._files(code, {} if before is None else before.files)
        self._holds = code

    def snapshot(self, scratch: Path) -> str:
        """The tree object of what is in the worktree now; kept in `scratch`, not in the user's. Raises GitFailed."""
        assert self.repository is not None
        scratch.mkdir(parents=True, exist_ok=True)
        index = {"GIT_INDEX_FILE": str(scratch / "index"), **self._objects(scratch)}
        git(self.folder, "read-tree", "HEAD", more=index)
        git(self.folder, "add", "--all", more=index)
        return os.fsdecode(git(self.folder, "write-tree", more=index)).strip()

    def differences(self, scratch: Path, before: str, after: str) -> list[Difference]:
        """What differs between two snapshots, by file."""
        raw = names(
            git(self.folder, "diff-tree", "-r", "-z", "--no-renames", before, after, more=self._objects(scratch))
        )
        found = []
        for about, path in zip(raw[::2], raw[1::2], strict=True):
            *_, expected, new, _ = about.split(" ")
            found.append(Difference(kind="code", name=path, expected=_short(expected), found=_short(new)))
        return found

    def link(self, source: Path, relative: str) -> None:
        """Let what git ignores be seen in the worktree. Raises NotRunnable where the code has something there."""
        target = self.folder / relative
        if target.is_symlink() or target.exists():
            raise NotRunnable(
                f"--link {relative}: the recorded code has that itself", hint="Link what git ignores; see git status"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)

    def remove(self) -> None:
        """Take it away, and git's note of it. Twice is once."""
        remove_worktree(self.repository, self.folder)

    def _apply(self, code: Restorable) -> None:
        links = [f"--exclude={path}" for path in code.submodules]
        before = self._unknown()
        try:
            git(self.folder, "apply", "--binary", "--whitespace=nowarn", *links, "-", content=code.diff)
        except GitFailed as error:
            raise NotRunnable(f"the recorded diff cannot be applied: {error.reason}", said=error.said) from error
        added = sorted(self._unknown() - before)
        if added:  # they were in the index of the original, or they would not be in its diff
            git(self.folder, "add", "--intent-to-add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul",
                content=b"\0".join(b":(literal)" + os.fsencode(path) for path in added))  # fmt: skip

    def _unknown(self) -> set[str]:
        return set(names(git(self.folder, "ls-files", "--others", "-z")))

    def _submodules(self, code: Restorable) -> None:
        for path, commit in code.submodules.items():
            assert self.repository is not None
            _submodule(self.repository / path, self.folder / path, commit, path)

    def _files(self, code: Restorable, before: Mapping[str, object]) -> None:
        """Untracked files. What an earlier run made itself is its result: it is not replaced by the original's."""
        for path in before:
            if path not in code.files:
                (self.folder / path).unlink(missing_ok=True)
        for path, file in code.files.items():
            target = self.folder / path
            if self._holds is not None and path not in before and target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.parent.resolve().is_relative_to(self.folder.resolve()):
                raise NotRunnable(f"the record names a file outside of the repository: {path!r}")
            target.unlink(missing_ok=True)
            target.write_bytes(file.content())
            target.chmod(file.mode | 0o600)

    def _objects(self, scratch: Path) -> dict[str, str]:
        assert self.repository is not None
        (scratch / "objects").mkdir(parents=True, exist_ok=True)
        objects = self.repository / text(self.repository, "rev-parse", "--git-path", "objects")
        return {"GIT_OBJECT_DIRECTORY": str(scratch / "objects"), "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects)}


def remove_worktree(repository: Path | None, folder: Path) -> None:
    """Remove the folder of a worktree, and git's note of it; no other stale note is touched."""
    shutil.rmtree(folder, ignore_errors=True)
    if repository is not None:
        with suppress(GitFailed):  # it was not added yet, or the repository has gone
            git(repository, "worktree", "remove", "--force", "--force", str(folder))


def _submodule(source: Path, target: Path, commit: str, path: str) -> None:
    """A clone that borrows its objects from the user's copy; and so on for what is nested in it."""
    hint = f"In the repository, run: git submodule update --init --recursive {path}"
    if not (source / ".git").exists():
        raise NotRunnable(f"submodule {path} is not at hand", hint=hint)
    if not has_commit(source, commit):
        raise NotRunnable(f"submodule {path} lacks its commit {commit[:12]}", hint=hint)
    if not (target / ".git").exists():
        git(source, "clone", "--quiet", "--shared", "--no-checkout", str(source), str(target))
    git(target, "checkout", "--detach", "--force", "--quiet", commit)
    for entry in names(git(target, "ls-files", "--stage", "-z")):
        about, _, nested = entry.partition("\t")
        if about.startswith("160000") and (source / nested / ".git").exists():
            _submodule(source / nested, target / nested, about.split(" ")[1], f"{path}/{nested}")


def _short(hash: str) -> str | None:
    return None if set(hash) == {"0"} else hash[:12]
