"""What comes first in every process of a reproduction: modules of the repository are loaded from the restored code.

`launch` writes this file as `sitecustomize.py`, with a last line that calls `start`. It stands alone: nothing of
mltracker is imported, for mltracker may itself be a module of that repository. Whatever module of it was loaded from
anywhere else is reported, at once and again at the end.
"""

# This comes before the program and loads as little as can be: os.path is there anyway, pathlib is not.
# ruff: noqa: PTH100, PTH110, PTH112, PTH113, PTH114, PTH117, PTH118, PTH119, PTH120, PTH123, PTH206

from __future__ import annotations

import atexit
import json
import os
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any, NoReturn

Settings = dict[str, Any]
LIBRARIES = ("site-packages", "dist-packages")
TOOLS = ("git", "ldconfig", "nvidia-smi", "uname")
"""Programs that libraries start to look around; of any other it cannot be seen what it reads."""
CHANGING = frozenset(
    ("os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate", "shutil.rmtree")
)
"""Audit events, but for `open`, of what changes a folder."""
OURS = "mltracker"
"""The tracker is no part of what is reproduced, but where the repository is its own."""

real = lru_cache(maxsize=None)(os.path.realpath)


def within(path: str, folder: str) -> bool:
    """Whether a path is that folder or below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


class Places:
    """Which files belong to the repository. `tree` is the restored code; `roots` are the user's trees of it."""

    def __init__(self, settings: Settings) -> None:
        self.tree: str = real(settings["tree"])
        self.roots: list[str] = [real(root) for root in settings["roots"]]
        self.imports: list[str] = settings["imports"]
        self.installed: list[str] = settings["installed"]
        self.libraries = [real(os.path.dirname(os.__file__)), *map(real, settings["elsewhere"])]
        self.libraries += [real(sys.prefix)] if any(within(real(sys.prefix), root) for root in self.roots) else []

    def inside(self, path: str) -> str | None:
        """Of a file of the user's tree, its path relative to the root; None for every other file."""
        found = os.path.join(real(os.path.dirname(path)), os.path.basename(path))
        found = real(found) if os.path.islink(found) else found
        if within(found, self.tree) or any(within(found, library) for library in self.libraries):
            return None
        for root in self.roots:
            if within(found, root):
                relative = os.path.relpath(found, root)
                return None if any(name in relative.split(os.sep) for name in LIBRARIES) else relative
        return None

    def mapped(self, path: str) -> str | None:
        """The same file of the restored code; None if the path is not of the user's tree, or the code has no such."""
        relative = self.inside(path)
        restored = None if relative is None else os.path.normpath(os.path.join(self.tree, relative))
        return restored if restored and os.path.exists(restored) else None

    def is_wrong(self, name: str, path: str) -> bool:
        """Whether a module of the repository comes from outside of the restored code."""
        if within(os.path.abspath(path), self.tree) and not self.inside(path):
            return False
        if self.inside(path) is not None:
            return True
        top = name.partition(".")[0]
        if top == OURS or self._is_standard(path):
            return False
        return top in self.installed or any(
            self._has(folder, top) and self._has(folder, name) for folder in self.imports
        )

    def _is_standard(self, path: str) -> bool:
        relative = os.path.relpath(real(path), self.libraries[0])
        return relative.split(os.sep)[0] not in (os.pardir, *LIBRARIES)

    def _has(self, folder: str, name: str) -> bool:
        base = os.path.join(folder, *name.split("."))
        return os.path.isfile(base + ".py") or os.path.isfile(os.path.join(base, "__init__.py"))


class Finder:
    """Asks all others for a module, and answers with the same file of the restored code."""

    def __init__(self, places: Places, report: Report) -> None:
        self._places = places
        self._report = report

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec. What the restored code lacks is taken from where it is, and reported."""
        spec = self._others(name, path, target)
        if spec is None:
            spec = self._left_behind(name, sys.path if path is None else path)
        if spec is None:
            return None
        if spec.origin is None or not spec.has_location:
            self._redirect(spec)
            return spec
        restored = self._places.mapped(spec.origin)
        if restored is not None and type(spec.loader) in (SourceFileLoader, ExtensionFileLoader):
            spec = self._restored(name, spec, restored)
        if spec.origin is not None:
            self._report.check(name, spec.origin)
        return spec

    def _others(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        finders: list[Any] = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 :] if self in finders else ():
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find is not None else None
            if spec is not None:
                return spec
        return None

    def _left_behind(self, name: str, path: Sequence[str]) -> ModuleSpec | None:
        """What git ignores, such as a compiled extension, lies in the user's tree only."""
        folders = [entry for entry in path if within(entry, self._places.tree)]
        relative = [os.path.relpath(folder, self._places.tree) for folder in folders]
        return PathFinder.find_spec(name, [os.path.join(root, one) for root in self._places.roots for one in relative])

    def _redirect(self, spec: ModuleSpec) -> None:
        """A package without a file: its folders."""
        folders = spec.submodule_search_locations
        if folders is not None:
            mapped = [self._places.mapped(folder) or folder for folder in folders]
            if mapped != list(folders):
                spec.submodule_search_locations = list(dict.fromkeys(mapped))

    def _restored(self, name: str, spec: ModuleSpec, path: str) -> ModuleSpec:
        folders = spec.submodule_search_locations
        if folders is not None:
            folders = [self._places.mapped(folder) or folder for folder in folders]
        return spec_from_file_location(name, path, submodule_search_locations=folders) or spec


class Report:
    """Lines of JSON, each written at once: that a process began, what it loaded from elsewhere, that it was swept.

    The last one tells which files of the restored code it has used, as far as that can be seen.
    """

    def __init__(self, path: str, places: Places) -> None:
        self._path = path
        self._places = places
        self._told: set[str] = set()
        self._used: set[str] = set()
        self._blind = False

    def check(self, name: str, path: str) -> None:
        """Tell of a module if it is of the repository, but not of the restored code."""
        if name not in self._told and self._places.is_wrong(name, path):
            self._told.add(name)
            self.write(module=name, file=path)

    def listen(self, event: str, details: tuple[Any, ...]) -> None:
        """An audit hook: files of the user's tree that are run without being imported, or read by their whole path.

        Raises PermissionError for what would change that tree.
        """
        if event == "exec":
            self._ran(getattr(details[0], "co_filename", ""))
        elif event == "open":
            if _is_writing(details[1], details[2]):
                self._changes(details[0])
            else:
                self._opened(details[0])
        elif event in CHANGING:
            for path in details:
                self._changes(path)
        elif event == "os.system":
            self._blind = True
        elif event == "subprocess.Popen":
            words = [details[1]] if isinstance(details[1], str | bytes | os.PathLike) else list(details[1])
            self._blind |= os.path.basename(_text(words[0]) if words else "") not in TOOLS
            for word in words:
                self._opened(word)

    def _ran(self, path: str) -> None:
        self._uses(path)
        if self._is_new(path) and self._places.inside(path) is not None:
            self.write(module=os.path.basename(path), file=path)

    def _changes(self, path: object) -> None:
        path = _text(path)
        relative = self._places.inside(path) if os.path.isabs(path) and "\0" not in path else None
        if relative is None or ".git" in relative.split(os.sep) or os.path.isdir(path):
            return
        self.write(wrote=path)
        raise PermissionError(f"a reproduction does not write to the working tree: {path}")

    def _opened(self, path: object) -> None:
        path = _text(path)
        self._uses(path)
        if not self._is_new(path):
            return
        relative = self._places.inside(path)
        if relative is None or ".git" in relative.split(os.sep) or not os.path.isfile(path):
            return
        restored = self._places.mapped(path)
        if restored is None:
            self.write(read=path)
        elif _content(path) != _content(restored):
            self.write(module=relative, file=path)

    def _uses(self, path: str) -> None:
        whole = os.path.abspath(path) if path else ""
        if within(whole, self._places.tree):
            self._used.add(os.path.relpath(whole, self._places.tree))

    def _is_new(self, path: str) -> bool:
        if path in self._told or not os.path.isabs(path) or "\0" in path:
            return False
        self._told.add(path)
        return True

    def sweep(self) -> None:
        """Look at everything that was loaded, by whatever means."""
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str):
                self._uses(path)
                self.check(name, path)
        self.write(swept=True, used=None if self._blind else sorted(self._used))

    def write(self, **fields: object) -> None:
        """Append one line."""
        line = json.dumps({"pid": os.getpid(), **fields}) + "\n"
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # a process that outlived the reproduction: nobody reads it any more
            return
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)


def _text(path: object) -> str:
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""


def _is_writing(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def start(settings: Settings) -> None:
    """Put the finder first, let the program's own sitecustomize have its turn, look again at the end."""
    places = Places(settings)
    report = Report(settings["report"], places)
    report.write(started=True)
    here = settings["here"]
    sys.path[:] = [places.mapped(entry) or entry for entry in sys.path if entry != here]
    sys.meta_path.insert(0, Finder(places, report))
    sys.addaudithook(report.listen)
    atexit.register(report.sweep)
    leave = os._exit

    def leave_swept(status: int) -> NoReturn:
        report.sweep()
        leave(status)

    os._exit = leave_swept
    _chain(sys.path)


def _chain(path: Iterable[str]) -> None:
    spec = PathFinder.find_spec("sitecustomize", list(path))
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)
