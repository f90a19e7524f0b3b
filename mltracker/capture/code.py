"""The code of a run: commit and branch, the diff of tracked files, and the source files that git does not track."""

from __future__ import annotations

import math
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from mltracker.capture.command import Started, folder_at_start, is_installed, readable, repository, script
from mltracker.capture.git import Answer, Git
from mltracker.events import source_redaction
from mltracker.events.redaction import without_user

LARGEST_FILE = 1_000_000
LARGEST_FILES = 10_000_000
LARGEST_DIFF = 10_000_000
MOST_FILES = 1_000
MOST_OMITTED = 100
MOST_SUBMODULES = 100
"""Limits in bytes and in numbers. One that was hit is recorded under "omitted"."""
LATER = "written after the program began"
_CODE = (
    ".py .pyx .pxd .pyi .ipynb .c .cc .cpp .cxx .h .hpp .cu .cuh .rs .go .java .js .ts .r .R .jl .lua .sh .bash .sql"
)
_SETTINGS = ".toml .cfg .ini .yaml .yml .conf .gin .jsonnet .libsonnet .proto .cmake .mk .txt .md .rst .json"
_NAMES = ("Makefile", "Dockerfile", "Snakefile", "dvc.lock")
_RANK = {suffix: rank for rank, suffix in enumerate(f"{_CODE} {_SETTINGS}".split())}
_PATTERNS = (*(f"*{suffix}" for suffix in _RANK), *_NAMES, *(f"*/{name}" for name in _NAMES), "*/")
_DIFF = (
    "diff --binary --full-index --no-ext-diff --no-textconv --no-color --no-renames --no-relative --submodule=short "
    "--src-prefix=a/ --dst-prefix=b/ --unified=3 --inter-hunk-context=0 --ignore-submodules=dirty HEAD"
)
_STATUS = (
    "status --porcelain=v2 --branch --no-ahead-behind --no-renames --untracked-files=no --ignore-submodules=none -z"
)


class Code:
    """Gathered into `facts` as far as it comes; `contents` are the blobs that the facts name, by their hash.

    What was written after the process `began` (seconds since 1970) may be its result: it is omitted, not kept as code.
    """

    def __init__(self, started: Started, deadline: float, began: float = math.inf) -> None:
        self.facts: dict[str, Any] = {}
        self.contents: dict[str, bytes] = {}
        self._deadline = deadline
        self._began = began
        self._omitted: list[dict[str, Any]] = []
        self._left_out = 0
        self._redacted: list[str] = []
        self._cwd = folder_at_start(started).resolve()
        path = script(started)
        self._script = path.resolve() if path is not None else None
        self._root = self._likely_root()
        self._git = Git(self._root, deadline)

    def gather(self, elsewhere: Iterable[str] = ()) -> None:
        """All of it. What git cannot do becomes "problem"; the script and the user's own modules are kept anyway.

        `elsewhere`: the folders of packages that are installed as they stand there, and described so.
        """
        problem = self._from_git()
        self.facts.update(root=str(self._root), cwd=self._relative(self._cwd))
        if problem:
            self.facts["problem"] = problem
        if "untracked" not in self.facts:
            self.facts["untracked"] = self._keep(sorted(self._own_modules()))
        for file in sorted(self._foreign(tuple(f"{folder}{os.sep}" for folder in elsewhere))):
            self._omit(file, _size(Path(file)), "outside of the repository")
        if self._left_out > len(self._omitted):
            self._omitted.append({"path": "*", "size": 0, "why": f"and {self._left_out - len(self._omitted)} more"})
        self.facts = _readable({**self.facts, "omitted": self._omitted, "redacted": self._redacted})

    def _likely_root(self) -> Path:
        """The script's repository, else that of the working directory, else the folder that holds the script."""
        own = self._script is not None and not is_installed(str(self._script))
        folders = [self._script.parent, self._cwd] if self._script is not None and own else [self._cwd]
        found = next((root for folder in folders if (root := repository(folder)) is not None), None)
        return found or next((folder for folder in reversed(folders) if self._holds_script(folder)), self._cwd)

    def _holds_script(self, folder: Path) -> bool:
        return self._script is not None and self._script.is_relative_to(folder)

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._root)) if path.is_relative_to(self._root) else str(path)

    # What git says ---------------------------------------------------------------------------------------------------

    def _from_git(self) -> str:
        """The problem, or nothing."""
        if not repository(self._root):
            return "no git repository"
        top = self._git("rev-parse", "--show-toplevel")
        if top.error:
            return top.error
        self._root = Path(top.text)
        self._git = Git(self._root, self._deadline)
        self.facts["remote"] = without_user(self._git("config", "--get", "remote.origin.url").text) or None
        status = self._git(*_STATUS.split())
        if status.error or status.cut:
            return status.error or "too many files differ from the last commit"
        changed = self._heads(status.names)
        problem = "" if self.facts["commit"] else "no commit yet"
        self.facts["submodules"] = self._submodules()
        diff, untracked = self._diff(changed), self._list_untracked()
        self._take_diff(diff)  # looking for secrets takes longer than git does
        self._take_untracked(untracked)
        return diff.error or untracked.error or problem

    def _heads(self, entries: list[str]) -> list[str]:
        """commit and branch; answers the paths of tracked files that differ."""
        told = dict(entry[2:].split(" ", 1) for entry in entries if entry.startswith("# "))
        commit, branch = told.get("branch.oid"), told.get("branch.head")
        self.facts["commit"] = commit if commit != "(initial)" else None
        self.facts["branch"] = branch if branch != "(detached)" else None
        changed = []
        for entry in entries:
            if entry[:2] not in ("1 ", "u "):
                continue
            fields = entry.split(" ", 8 if entry[0] == "1" else 10)
            changed.append(fields[-1])
            if fields[2].startswith("S") and fields[2][2:] != "..":
                self._omit(fields[-1], 0, "a submodule with changes that are not committed")
        self.facts["dirty"] = bool(changed)
        return changed

    def _submodules(self) -> dict[str, str | None]:
        """The commit of each, None where it is not checked out."""
        if not (self._root / ".gitmodules").is_file():
            return {}
        listed = self._git("config", "-z", "-f", ".gitmodules", "--get-regexp", r"^submodule\..*\.path$")
        paths = [entry.partition("\n")[2] for entry in listed.names]
        for path in paths[MOST_SUBMODULES:]:
            self._omit(path, 0, f"more than {MOST_SUBMODULES} submodules")
        commits: dict[str, str | None] = {}
        for path in paths[:MOST_SUBMODULES]:
            there = (self._root / path / ".git").exists()
            head = Git(self._root / path, self._deadline)("rev-parse", "HEAD") if there else None
            commits[path] = head.text if head and not head.error else None
        return commits

    def _diff(self, changed: list[str]) -> Answer:
        if not changed or self.facts["commit"] is None:
            return Answer(b"")
        excluded = (f":(exclude,top,literal){path}" for path in set(self._not_to_diff(changed)))
        return self._git(*_DIFF.split(), "--", ".", *excluded, limit=LARGEST_DIFF)

    def _take_diff(self, answer: Answer) -> None:
        """diff and diff_size."""
        self.facts.update(diff=None, diff_size=0)
        if answer.cut:
            self._omit(".", LARGEST_DIFF, f"the diff is larger than {LARGEST_DIFF:,} bytes")
        elif answer.out and not answer.error:
            try:
                text, redacted = source_redaction.diff(answer.out.decode("utf-8", "surrogateescape"), self._in_time)
            except TimeoutError as late:
                self._omit(".", len(answer.out), str(late))
                return
            content = text.encode("utf-8", "surrogateescape")
            self._redacted += redacted
            self.facts.update(diff=self._store(content), diff_size=len(content))

    def _not_to_diff(self, changed: list[str]) -> Iterator[str]:
        """Large files, and stores of this tracker that are committed: they change all the time."""
        for path in changed:
            store = self._store_around(path)
            if store:
                yield store
                continue
            size = _size(self._root / path)
            if size > LARGEST_DIFF:
                self._omit(path, size, f"larger than {LARGEST_DIFF:,} bytes")
                yield path
            elif self._is_later(path):
                self._omit(path, size, LATER)
                yield path

    def _list_untracked(self) -> Answer:
        before_first_commit = ("--cached",) if self.facts["commit"] is None else ()
        return self._git("ls-files", "--others", *before_first_commit, "--exclude-standard", "-z", "--", *_PATTERNS)

    def _take_untracked(self, listed: Answer) -> None:
        """untracked, with what git ignores but the program has loaded."""
        if listed.error:
            return
        if listed.cut:
            self._omit("*", 0, "so many untracked files that not all were looked at")
        paths = [path for path in dict.fromkeys(listed.names) if not self._store_around(path)]
        own = sorted(self._own_modules() - set(paths))
        tracked = self._git("ls-files", "-z", "--", *(f":(top,literal){path}" for path in own)).names if own else []
        self.facts["untracked"] = self._keep(
            [*sorted(paths, key=_rank), *(path for path in own if path not in tracked)]
        )
        self.facts["dirty"] = self.facts["dirty"] or bool(self.facts["untracked"])

    # Files -----------------------------------------------------------------------------------------------------------

    def _loaded(self) -> Iterator[tuple[str, str]]:
        """The script, and what the program imported that is no installed package: module's name and file."""
        if self._script is not None and not is_installed(str(self._script)):
            yield "__main__", str(self._script)
        modules: list[tuple[str, object]] = list(sys.modules.items())
        for name, module in modules:
            file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
            if isinstance(file, str) and file.startswith(os.sep) and name != "__main__" and not is_installed(file):
                yield name, file

    def _own_modules(self) -> set[str]:
        """Those below the root, relative to it."""
        below = str(self._root).rstrip(os.sep) + os.sep
        return {file.removeprefix(below) for _, file in self._loaded() if file.startswith(below)}

    def _foreign(self, elsewhere: tuple[str, ...]) -> set[str]:
        """Those neither below the root nor elsewhere; of a package its first file."""
        known = (str(self._root).rstrip(os.sep) + os.sep, *elsewhere)
        return {file for name, file in self._loaded() if "." not in name and not file.startswith(known)}

    def _keep(self, paths: Iterable[str]) -> dict[str, Any]:
        """Store these files as far as the limits reach."""
        kept: dict[str, Any] = {}
        total = 0
        for path in paths:
            if path.endswith("/"):
                self._omit(path, 0, "a git repository of its own that is no submodule")
                continue
            try:
                found = (self._root / path).lstat()
                why = self._refused(found, len(kept), total)
                content = b"" if why else (self._root / path).read_bytes()
                why = why or ("not text" if b"\0" in content else "")
                plain = b"" if why else self._plain(path, content)
            except OSError as error:  # a TimeoutError is one
                self._omit(path, 0, error.strerror or str(error))
                continue
            if why:
                self._omit(path, found.st_size, why)
                continue
            total += len(content)
            mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
            kept[path] = {"hash": self._store(plain), "size": len(plain), "mode": mode}
        return kept

    def _refused(self, found: os.stat_result, files: int, total: int) -> str:
        if not stat.S_ISREG(found.st_mode):
            return "a link" if stat.S_ISLNK(found.st_mode) else "not a file"
        if max(found.st_mtime, found.st_ctime) > self._began:
            return LATER
        if found.st_size > LARGEST_FILE:
            return f"larger than {LARGEST_FILE:,} bytes"
        if total + found.st_size > LARGEST_FILES:
            return f"untracked files of more than {LARGEST_FILES:,} bytes"
        if files >= MOST_FILES:
            return f"more than {MOST_FILES:,} untracked files"
        self._in_time()
        return ""

    def _in_time(self) -> None:
        """Raises TimeoutError after the deadline."""
        if time.monotonic() > self._deadline:
            raise TimeoutError("no time was left to look for secrets in it")

    def _plain(self, path: str, content: bytes) -> bytes:
        """Without secrets. Bytes that are no UTF-8 stay as they are."""
        text = content.decode("utf-8", "surrogateescape")
        plain = source_redaction.source(text, path, self._in_time)
        if plain == text:
            return content
        self._redacted.append(path)
        return plain.encode("utf-8", "surrogateescape")

    def _is_later(self, path: str) -> bool:
        try:
            found = (self._root / path).lstat()
        except OSError:  # deleted, which git's diff says
            return False
        return max(found.st_mtime, found.st_ctime) > self._began

    def _store(self, content: bytes) -> str:
        hash = sha256(content).hexdigest()
        self.contents[hash] = content
        return hash

    def _store_around(self, path: str) -> str:
        """The folder of the tracker's store that this file is in, if it is in one."""
        for parent in PurePosixPath(path).parents:
            place = self._root / parent
            if (place / "store.json").is_file() and (place / "events").is_dir():
                return str(parent)
        return ""

    def _omit(self, path: str, size: int, why: str) -> None:
        self._left_out += 1
        if len(self._omitted) < MOST_OMITTED:
            self._omitted.append({"path": path, "size": size, "why": why})


def _rank(path: str) -> tuple[int, str]:
    """Code comes before settings, settings before data."""
    return _RANK.get(PurePosixPath(path).suffix, 0), path


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _readable(value: Any) -> Any:
    """Names may hold bytes that are no text."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {readable(key): _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list) else value
