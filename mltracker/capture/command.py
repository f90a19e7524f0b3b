"""How this process was started: its command line, its script, the folder it began in."""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

_WITH_ARGUMENT = frozenset("WX")
"""Of the interpreter's one-letter options."""
_LONG_WITH_ARGUMENT = frozenset(("--check-hash-based-pycs", "--help-xoptions"))
_WORKERS = ("from multiprocessing.", "from joblib.externals.loky.", "from torch.multiprocessing.")
_WORKER_MODULES = ("joblib.externals.loky.", "multiprocessing.")
_START_TIME = 19
"""Its place behind the name in /proc/self/stat, in clock ticks since the machine began (proc(5))."""
_COARSE = 0.01
"""Seconds that a tick lasts: by so much a process may have begun later than it says."""
LARGEST_SCRIPT = 1 << 24
"""Bytes; what is larger is no script."""


@dataclass(frozen=True, slots=True)
class Started:
    """`command` begins with "python". `how` is script, module, command, stdin, interactive, notebook or worker.

    `target` is the script or module as the user gave it, empty where there is none.
    """

    command: list[str]
    how: str
    target: str = ""


def parse(line: list[str]) -> Started:
    """Take the interpreter's whole command line apart, as `sys.orig_argv` has it."""
    options: list[str] = []
    rest = line[1:]
    while rest:
        word = rest[0]
        if word == "-":
            return Started(["python", *options, *rest], "stdin")
        if not word.startswith("-"):
            return Started(["python", *options, *rest], "script", word)
        end, found = _option(word, rest)
        if found:
            given = rest[end - 1] if rest[end - 1] is not word else word.partition(found)[2]
            command = ["python", *options, *_before(word, found), f"-{found}", given, *rest[end:]]
            return _run(found, given, command)
        options += rest[:end]
        rest = rest[end:]
    return Started(["python", *options], "stdin")


def _option(word: str, rest: list[str]) -> tuple[int, str]:
    """How many words an option takes, and whether it is the last one: "c" or "m"."""
    if word.startswith("--"):
        return (2 if word in _LONG_WITH_ARGUMENT and "=" not in word else 1), ""
    for place, letter in enumerate(word[1:], 1):
        attached = place + 1 < len(word)
        if letter in "cm":
            return (1 if attached or len(rest) < 2 else 2), letter
        if letter in _WITH_ARGUMENT:
            return (1 if attached else 2), ""
    return 1, ""


def _before(word: str, letter: str) -> list[str]:
    """Options that stand in one word with -c or -m, as in -Im."""
    joined = word[1 : word.index(letter)]
    return [f"-{joined}"] if joined else []


def _run(letter: str, given: str, command: list[str]) -> Started:
    if letter == "c":
        return Started(command, "worker" if given.lstrip().startswith(_WORKERS) else "command")
    return Started(command, "worker" if given.startswith(_WORKER_MODULES) else "module", given)


def started() -> Started:
    """How this process was started."""
    found = parse([readable(word) for word in getattr(sys, "orig_argv", []) or ["python", *sys.argv]])
    shell = _shell()
    if shell == "TerminalInteractiveShell":
        return Started(found.command, "interactive")
    if shell:
        return Started(found.command, "notebook")
    if found.how == "stdin" and found.command[-1:] != ["-"] and _asks():
        return Started(found.command, "interactive")
    return found


def _asks() -> bool:
    return hasattr(sys, "ps1") or (sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty())


def _shell() -> str:
    """The class of IPython's shell in this process, if there is one."""
    ipython = sys.modules.get("IPython")
    get = getattr(ipython, "get_ipython", None)
    shell = get() if get is not None else None
    return type(shell).__name__ if shell is not None else ""


def script(found: Started) -> Path | None:
    """The file that runs as the program, for a script or a module."""
    if found.how not in ("script", "module"):
        return None
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    path = getattr(spec, "origin", None) or getattr(main, "__file__", None)
    if not isinstance(path, str):
        path = found.target if found.how == "script" else None
    if path is None:
        return None
    whole = folder_at_start(found) / path
    return whole / "__main__.py" if whole.is_dir() else whole


def script_facts(path: Path) -> dict[str, Any]:
    """path (relative to the repository where it is in one, else absolute) and sha256."""
    root = repository(path.parent)
    whole = path.resolve()
    facts: dict[str, Any] = {"path": str(whole.relative_to(root) if root and whole.is_relative_to(root) else whole)}
    try:
        if whole.stat().st_size <= LARGEST_SCRIPT:
            facts["sha256"] = sha256(whole.read_bytes()).hexdigest()
    except OSError as error:
        facts["problem"] = f"the script cannot be read: {error.strerror}"
    return {key: readable(value) for key, value in facts.items()}


@cache
def folder_at_import() -> Path:
    """The working directory, as early as this package knows it."""
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return Path("/")


def folder_at_start(found: Started) -> Path:
    """The working directory in which the process began, even if it has changed since."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if found.how == "script" and isinstance(file, str) and not PurePath(found.target).is_absolute():
        folder = file.removesuffix(f"/{found.target}")
        if folder != file:
            return Path(folder or "/")
    return folder_at_import()


def repository(folder: Path) -> Path | None:
    """The nearest folder at or above this one that has a `.git`, with its links resolved."""
    try:
        folder = folder.resolve()
        return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    except OSError:  # a folder that may not be looked into
        return None


@cache
def _where_packages_are() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(
        f"{paths[name]}/" for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts") if name in paths
    )


def is_installed(file: str) -> bool:
    """Whether a file belongs to Python or to a package that was installed, and not to the user's own code."""
    return file.startswith(_where_packages_are()) or "-packages/" in file


def readable(text: str) -> str:
    """The text with what is none replaced: file names may hold bytes that are no text."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


@cache
def process_began() -> float:
    """When this process began, in seconds since 1970, or a little later: files have coarse clocks. Forks inherit it."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[_START_TIME])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):  # no Linux
        age = 0.0
    return time.time() - age + _COARSE  # this clock is read last: a delay in between makes it later, never too early


folder_at_import()
process_began()
