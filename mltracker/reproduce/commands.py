"""A recorded command: which part of it is the program, and how it is spelled where the code is now."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from mltracker.reproduce.reasons import NotRunnable

LOST = "\N{REPLACEMENT CHARACTER}"
TAKES_VALUE = "WX"
ISOLATING = {"I": "ignores $PYTHONPATH", "E": "ignores $PYTHONPATH", "S": "imports no site"}


@dataclass(frozen=True)
class Command:
    """Python's `options`, the `kind` of program ("script", "module", "command"), `program` itself, its `arguments`."""

    options: list[str]
    kind: str
    program: str
    arguments: list[str]

    def spelled(self, interpreter: str) -> list[str]:
        """To be given to the system."""
        flag = {"script": [], "module": ["-m"], "command": ["-c"]}[self.kind]
        return [interpreter, *self.options, *flag, self.program, *self.arguments]


def parse(command: Sequence[str]) -> Command:
    """The parts of `python [options] script-or--m-module [arguments]`. Raises NotRunnable."""
    words = list(command[1:])
    if any(LOST in word for word in words):
        raise NotRunnable("its command line holds bytes that are no text, and were not recorded")
    options: list[str] = []
    while words:
        word = words.pop(0)
        if word == "-" or not word.startswith("-"):
            return _script(options, word, words)
        if word == "--check-hash-based-pycs" and words:
            options += [word, words.pop(0)]
            continue
        flags, kind, value = _cluster(word)
        options += [f"-{flags}"] if flags else []
        if kind is None:
            continue
        value = value or (words.pop(0) if words else "")
        if kind in TAKES_VALUE:
            options += [f"-{kind}", value]
            continue
        _require_ours(options)
        return Command(options, "module" if kind == "m" else "command", value, words)
    raise NotRunnable(f"the recorded command names no program: {list(command)}")


def _script(options: list[str], word: str, words: list[str]) -> Command:
    if word == "-":
        raise NotRunnable("it was read from standard input, which is not recorded")
    _require_ours(options)
    return Command(options, "script", word, words)


def _cluster(word: str) -> tuple[str, str | None, str]:
    """Of a word like -uXdev its flags, the option that takes a value, and that value as far as it is in the word."""
    for place, letter in enumerate(word[1:], 1):
        if word.startswith("--"):
            break
        if letter in TAKES_VALUE + "cm":
            return word[1:place], letter, word[place + 1 :]
    return word[1:], None, ""


def _require_ours(options: list[str]) -> None:
    for option in options:
        for letter, why in ISOLATING.items():
            if not option.startswith(("--", "-W", "-X")) and option.startswith("-") and letter in option:
                raise NotRunnable(
                    f"python -{letter} {why}: it could not be made sure that the recorded code is what runs",
                    hint=f"Run it without -{letter}, and reproduce that",
                )


def moved(word: str, root: str, tree: str) -> str:
    """An argument, or its part after =, that is a path inside of the old root: the same path of the new one."""
    head, equals, tail = word.partition("=")
    for before, path in (("", word), (head + equals, tail)):
        if path.startswith(os.sep):
            for whole in (os.path.normpath(path), os.path.realpath(path)):
                if whole == root or whole.startswith(root.rstrip(os.sep) + os.sep):
                    return before + tree + whole[len(root) :]
    return word
