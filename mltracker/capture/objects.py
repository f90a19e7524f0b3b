"""A module's identity from the object itself: what it is and what it was made with."""

from __future__ import annotations

from typing import Any

from mltracker.capture.forms import arguments_of, describe, form
from mltracker.capture.hashing import of_parameters
from mltracker.capture.kept import is_registered
from mltracker.capture.torch_objects import bare
from mltracker.errors import InvalidParameters, InvalidValue
from mltracker.events import redaction
from mltracker.models import Module


def module_of(thing: Any, type_: str, name: str | None) -> Module:
    """See `Module.of`."""
    thing = bare(thing)
    if isinstance(thing, type):
        raise InvalidValue("Module.of", f"takes an object, not the class {thing.__name__}", hint="Make one of it")
    known = describe(thing)
    if known is None:
        return _function(thing, type_, name)
    arguments = arguments_of(known)
    if "class" in arguments:
        hint = "Leave it out: @mltracker.register(exclude=('class',))"
        raise InvalidParameters("class", f"the name of an argument of {known.called} is taken", hint=hint)
    parameters = redaction.parameters({"class": known.called, **arguments})
    name = name or known.name or type(thing).__name__
    return Module(type_, known.hash or of_parameters(parameters), name, parameters)


def _function(thing: Any, type_: str, name: str | None) -> Module:
    if not callable(thing) or not (described := _form_of_function(thing)):
        raise _unknown(thing)
    described = redaction.parameters(described)
    inner = described.get("partial") or described
    called = str(inner.get("function") or inner.get("class"))
    return Module(type_, of_parameters(described), name or called.rpartition(".")[2], described)


def _form_of_function(thing: Any) -> dict[str, Any] | None:
    try:
        described = form(thing, getattr(thing, "__name__", type(thing).__name__))
    except InvalidParameters:
        if hasattr(thing, "__code__") or hasattr(thing, "func"):
            raise
        return None
    return described if isinstance(described, dict) and described.keys() & {"function", "partial"} else None


def _unknown(thing: Any) -> InvalidValue:
    cls = type(thing).__name__
    if is_registered(type(thing)):
        return InvalidValue(
            cls, "is registered, but this object does not know its arguments",
            hint="A class with __slots__ needs '__weakref__' among them; make anew what was made before the class was "
            "registered, and copies of objects with __slots__",
        )  # fmt: skip
    return InvalidValue(
        cls, "says nothing of what it was made with",
        hint=f"Register the class before an object is made: @mltracker.register, or mltracker.register({cls}); or give "
        "Module(type, hash, name, parameters)",
    )  # fmt: skip
