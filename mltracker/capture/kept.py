"""What is known of registered classes, and what was kept of the calls of their constructors."""

from __future__ import annotations

import copy
import inspect
import weakref
from dataclasses import dataclass, field
from typing import Any

from mltracker.capture.names import of_class

MARK = "__mltracker_registration__"
"""The attribute that tells a constructor that keeps its arguments."""

_ATTRIBUTE = "__mltracker_arguments__"
_beside: dict[int, tuple[weakref.ref[Any], dict[str, Any]]] = {}


@dataclass(slots=True)
class Registration:
    """A registered class: what its constructor takes, what of it is left out, and what its objects are called."""

    cls: type
    signature: inspect.Signature
    excluded: frozenset[str] = frozenset()
    name: str | None = None


@dataclass(slots=True)
class Kept:
    """The arguments of a registered object in JSON form. `refused` says of those without one, why."""

    owner: str
    name: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


REGISTRATIONS: weakref.WeakKeyDictionary[type, Registration] = weakref.WeakKeyDictionary()


def keep(thing: object, kept: Kept) -> None:
    """Keep them in the object's `__dict__` as plain data, which pickle and deepcopy take along.

    An object without one (`__slots__`) must be weakly referable; its copies know nothing. Else nothing is kept.
    """
    plain = {"owner": kept.owner, "name": kept.name, "arguments": kept.arguments, "refused": kept.refused}
    held = getattr(thing, "__dict__", None)
    if isinstance(held, dict):
        held[_ATTRIBUTE] = plain
        return
    key = id(thing)
    try:
        _beside[key] = (weakref.ref(thing, lambda _: _beside.pop(key, None)), plain)
    except TypeError:
        return  # Module.of says what to do about it


def kept(thing: object) -> Kept | None:
    """What was kept of an object, as a copy; None if the constructor of its own class was not registered."""
    held = getattr(thing, "__dict__", None)
    plain = held.get(_ATTRIBUTE) if isinstance(held, dict) else None
    if plain is None:
        reference, beside = _beside.get(id(thing), (None, None))
        plain = beside if reference is not None and reference() is thing else None
    if plain is None:
        return None
    is_own = plain["owner"] == of_class(thing) or is_registered(type(thing))
    return Kept(**copy.deepcopy(plain)) if is_own else None


def is_registered(cls: type) -> bool:
    """Whether the constructor that objects of this class are made with keeps its arguments."""
    return hasattr(cls.__init__, MARK)  # type: ignore[misc]
