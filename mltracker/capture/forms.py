"""The JSON form of anything that an object may be made with.

plain values, lists, mappings     themselves; tuples as lists, sets sorted, an enum as its value
mappings with other keys          {"$items": [[key, value], ...]}, sorted
objects that describe             {"class": "pkg.mod.Name", "arguments": {...}}: registered, or known (`libraries`)
classes                           {"class": "pkg.mod.Name"}
functions                         {"function": "pkg.mod.name"}; a lambda also its "source", a closure its "closure"
partials, methods                 {"partial": function, "args": [...], "keywords": {...}}; {..., "self": object}
arrays, tensors, frames           {"data": "numpy.ndarray", "shape": ..., "sha256": ...}
dtypes, devices                   their text
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from inspect import isroutine
from types import MethodType, ModuleType
from typing import Any

from mltracker.capture import fingerprints
from mltracker.capture.hashing import canonical, content
from mltracker.capture.kept import REGISTRATIONS, kept
from mltracker.capture.libraries import described, given_elsewhere
from mltracker.capture.loaded import is_a
from mltracker.capture.names import of_class, of_function, qualified
from mltracker.errors import InvalidParameters, InvalidValue
from mltracker.events.values import DEEPEST, encode, scalar


def form(value: Any, path: str, depth: int = 0) -> Any:
    """The JSON form of a value, as `events.values.encode` takes it. Raises InvalidParameters naming the path."""
    if depth > DEEPEST:
        raise InvalidParameters(path, f"nesting beyond {DEEPEST} levels")
    if isinstance(value, Enum):
        return form(value.value, path, depth)
    value = scalar(value)
    if isinstance(value, float):
        return float(value)
    if value is None or isinstance(value, (bool, int, str)):
        return encode(value, path)
    if isinstance(value, Mapping):
        return _mapping(value, path, depth)
    if isinstance(value, Set):
        return sorted((form(item, path, depth + 1) for item in value), key=canonical)
    if isinstance(value, (list, tuple)):
        return [form(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    found = _called(value, path, depth)
    return _of_value(value, path, depth) if found is None else found


def _mapping(value: Mapping[Any, Any], path: str, depth: int) -> Any:
    if all(isinstance(key, str) for key in value):
        return {str.__str__(key): form(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
    pairs = ([form(key, path, depth + 1), form(item, f"{path}[{key!r}]", depth + 1)] for key, item in value.items())
    return {"$items": sorted(pairs, key=canonical)}


def _called(value: Any, path: str, depth: int) -> dict[str, Any] | None:
    """What has a name: classes, functions, and functions bound to something."""
    if isinstance(value, type):
        return {"class": qualified(value)}
    if isinstance(value, functools.partial):
        given: dict[str, Any] = {"args": list(value.args), "keywords": value.keywords}
        given = {name: form(held, f"{path}.{name}", depth + 1) for name, held in given.items() if held}
        return {"partial": form(value.func, path, depth + 1), **given}
    if isinstance(value, MethodType):
        bound = value.__self__
        return {**of_function(value.__func__, path), "self": form(bound, f"{path}.__self__", depth + 1)}
    owner = getattr(value, "__self__", None)
    if isroutine(value) and owner is not None and not isinstance(owner, (type, ModuleType)):
        return {"function": qualified(value), "self": form(owner, f"{path}.__self__", depth + 1)}
    if isroutine(value) or is_a(value, "numpy", "ufunc"):
        return {key: form(item, f"{path}.{key}", depth + 1) for key, item in of_function(value, path).items()}
    return None


def _of_value(value: Any, path: str, depth: int) -> Any:
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": len(value), "sha256": content(bytes(value)).hex()}
    if isinstance(value, (range, Decimal, Fraction)) or _is_named_by_its_text(value):
        return str(value)
    if fingerprints.knows(value):
        return _data(value, path)
    if (known := describe(value)) is not None:
        return {"class": known.called, "arguments": arguments_of(known, path, depth + 1)}
    try:
        return encode(value, path)
    except InvalidParameters as error:
        hint = f"Register its class, {type(value).__name__}, with mltracker.register, or leave it out: exclude=(...)"
        raise InvalidParameters(error.field, error.rule, hint=hint) from None


def _data(value: Any, path: str) -> dict[str, Any]:
    try:
        facts, digest = fingerprints.fingerprint(value, path)
    except InvalidValue as error:
        raise InvalidParameters(error.field, error.rule, hint=error.hint) from None
    return {"data": facts.pop("kind"), **facts, "sha256": digest.hex()}


def _is_named_by_its_text(value: Any) -> bool:
    return is_a(value, "numpy", "dtype") or is_a(value, "torch", "dtype", "device", "layout", "memory_format")


@dataclass(slots=True)
class Described:
    """A class by its dotted name and what the object was made with: values still, or (`is_formed`) JSON.

    `name` is what it is called, if not like its class, `hash` one that the user gave it. `refused` says of arguments
    without a JSON form, why.
    """

    called: str
    arguments: Mapping[str, Any]
    name: str | None = None
    hash: str | None = None
    is_formed: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)


def describe(thing: Any) -> Described | None:
    """What an object was made with: as registered, else as its library tells; None where neither is known."""
    known, options = kept(thing), REGISTRATIONS.get(type(thing))
    name, given = given_elsewhere(thing)
    if known is not None:
        return Described(of_class(thing), known.arguments, known.name or name, given, True, known.refused)
    found = described(thing)
    if found is None:
        return None
    excluded = options.excluded if options else ()
    arguments = {key: value for key, value in found.items() if key not in excluded}
    return Described(of_class(thing), arguments, (options and options.name) or name, given)


def arguments_of(known: Described, path: str = "", depth: int = 0) -> dict[str, Any]:
    """The arguments of a description in JSON form. Raises InvalidParameters naming the first without one."""
    for name, why in known.refused.items():
        hint = f"Leave it out: @mltracker.register(exclude=({name!r},))"
        raise InvalidParameters(_joined(path, name), f"of {known.called}: {why.removeprefix(f'{name}: ')}", hint=hint)
    if known.is_formed:
        return dict(known.arguments)
    return {name: form(value, _joined(path, name), depth) for name, value in known.arguments.items()}


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
