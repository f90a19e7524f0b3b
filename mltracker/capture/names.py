"""What classes and functions are called, equally in every process."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import PurePath
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mltracker.errors import InvalidParameters

_MAIN = ("__main__", "__mp_main__")


def qualified(thing: Any) -> str:
    """The dotted name of a class or function.

    What the program itself defines is called by its script's stem, "digits.Net" for `python digits.py`, so that it is
    the same name when another script imports it.
    """
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    owner = getattr(thing, "__self__", None)
    module = getattr(thing, "__module__", None) or (owner.__name__ if isinstance(owner, ModuleType) else None)
    if not isinstance(module, str):
        return str(name)
    if getattr(sys.modules.get(module), short := str(getattr(thing, "__name__", "")), None) is thing:
        name = short  # torch.relu says that it is torch._VariableFunctionsClass.relu
    return f"{_spelled(module)}.{name}"


def of_class(thing: object) -> str:
    """The dotted name of an object's class."""
    return qualified(type(thing))


def _spelled(module: str) -> str:
    """The module's name; that of a script, or of a package run with -m, is the stem of its file or folder."""
    if module not in _MAIN:
        return module
    path = PurePath(getattr(sys.modules.get(module), "__file__", None) or module)
    return path.parent.name if path.stem == "__main__" and path.parent.name else path.stem


def of_function(function: Any, path: str) -> dict[str, Any]:
    """A function as its dotted name; of a lambda also its text, of a closure also what it closed over (not formed yet).

    Raises InvalidParameters for a lambda whose text is not to be found.
    """
    described: dict[str, Any] = {"function": qualified(function)}
    if not isinstance(function, FunctionType):
        return described
    if function.__name__ == "<lambda>":
        described["source"] = _source(function.__code__, path)
        if function.__defaults__:
            described["defaults"] = list(function.__defaults__)
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    if closure := {name: _held(cell) for name, cell in cells if name != "__class__"}:
        described["closure"] = closure
    return described


def _held(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None  # assigned later: nothing was closed over yet


def _source(code: CodeType, path: str) -> str:
    """The text of a lambda, found in its file by line, and by column where a line holds several."""
    try:
        text = "".join(inspect.findsource(code)[0])
        tree = ast.parse(text)
    except (OSError, SyntaxError):
        raise _nameless(path) from None
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno]
    sources = {ast.get_source_segment(text, node) for node in (_own(found, code) if len(found) > 1 else found)}
    source = sources.pop() if len(sources) == 1 else None
    if source is None:
        raise _nameless(path)
    return source


def _own(found: list[ast.Lambda], code: CodeType) -> list[ast.Lambda]:
    """Those of several lambdas that the code may be of: the innermost that holds all its places."""
    places = [place for place in code.co_positions() if None not in place and place[3]]
    if not places:  # Python 3.12 notes no place for a constant
        value = repr(code.co_consts[-1])
        return [node for node in found if repr(compile(ast.Expression(node.body), "", "eval").co_consts[-1]) == value]
    begin, end = (
        min((line, column) for line, _, column, _ in places),
        max((line, column) for _, line, _, column in places),
    )
    inside = [node for node in found if _span(node.body)[0] <= begin and end <= _span(node.body)[1]]
    return sorted(inside, key=lambda node: _span(node.body))[-1:]


def _span(body: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    return (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)


def _nameless(path: str) -> InvalidParameters:
    hint = "Give it a name: write it as a function with def"
    return InvalidParameters(path, "a lambda whose source is not to be found", hint=hint)
