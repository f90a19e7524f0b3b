"""Constructors that keep what they are called with, and calling them again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from inspect import Parameter
from typing import Any, TypeVar

from mltracker.capture.forms import form
from mltracker.capture.kept import MARK, REGISTRATIONS, Kept, Registration, keep
from mltracker.capture.libraries import keeps_its_own_fields
from mltracker.capture.names import of_class
from mltracker.errors import InvalidValue

T = TypeVar("T")
_MADE_BY_FACTORY = ("_HAS_DEFAULT_FACTORY_CLASS", "_Nothing")
"""What dataclasses and attrs say is the default of a field with a default_factory."""


def wrap(cls: type, excluded: frozenset[str], name: str | None) -> None:
    """Make the constructor keep its arguments; the second time only the options change.

    Raises InvalidValue for a class that cannot be changed and for an excluded argument that it does not have.
    """
    registration = REGISTRATIONS.get(cls) or Registration(cls, signature(cls))
    _check(registration, excluded)
    registration.excluded, registration.name = excluded or registration.excluded, name or registration.name
    REGISTRATIONS[cls] = registration
    if getattr(vars(cls).get("__init__"), MARK, None) is registration or keeps_its_own_fields(cls):
        return
    try:
        cls.__init__ = _keeping(registration)  # type: ignore[misc]
    except TypeError:
        hint = "Register a subclass of it"
        raise InvalidValue("register", f"{cls.__qualname__} is built in and cannot be changed", hint=hint) from None


def _check(registration: Registration, excluded: frozenset[str]) -> None:
    known = registration.signature.parameters
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in known.values()):
        return
    if unknown := sorted(excluded - set(known)):
        cls = registration.cls.__qualname__
        raise InvalidValue("exclude", f"{cls} has no argument {unknown[0]!r}", hint=f"It has: {', '.join(known)}")


def signature(cls: type) -> inspect.Signature:
    """What a class is called with, the object itself left out."""
    takes_none = cls.__init__ is object.__init__  # type: ignore[misc]
    maker: Any = cls.__new__ if takes_none else cls.__init__  # type: ignore[misc]
    if maker is object.__new__:
        return inspect.Signature()
    try:
        found = inspect.signature(maker)
    except ValueError:  # built in: it does not tell
        return inspect.Signature([Parameter("args", Parameter.VAR_POSITIONAL)])
    return found.replace(parameters=list(found.parameters.values())[1:])


def _keeping(registration: Registration) -> Any:
    """The constructor of the class, wrapped."""
    init: Any = registration.cls.__init__  # type: ignore[misc]
    calls = init is not object.__init__

    @functools.wraps(init)
    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        outermost = getattr(type(self).__init__, MARK, registration)
        kept, by_factory = _taken(registration, self, args, kwargs) if outermost is registration else (None, ())
        if calls:
            init(self, *args, **kwargs)
        else:
            registration.signature.bind(*args, **kwargs)  # raises what `object` would no longer
        if kept is None:  # called by a subclass's: it keeps those that made the object
            return
        for name in by_factory:
            _describe(kept, name, getattr(self, name, getattr(self, f"_{name}", None)))
        keep(self, kept)

    setattr(__init__, MARK, registration)
    if not calls:
        first = Parameter("self", Parameter.POSITIONAL_ONLY)
        given = registration.signature.parameters.values()
        __init__.__signature__ = inspect.Signature([first, *given])  # type: ignore[attr-defined]
    return __init__


def _taken(
    registration: Registration, thing: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Kept, Sequence[str]]:
    """The arguments described as they are now: the constructor may change them.

    Beside them the names of those that a dataclass makes anew for each object, which only the constructor can tell.
    """
    kept = Kept(of_class(registration.cls))
    if type(thing) is registration.cls:
        kept.name = registration.name
    try:
        bound = registration.signature.bind(*args, **kwargs)
    except TypeError:
        return kept, []  # the constructor itself will say so
    bound.apply_defaults()
    given = {name: value for name, value in _by_name(bound).items() if name not in registration.excluded}
    by_factory = [name for name, value in given.items() if type(value).__name__ in _MADE_BY_FACTORY]
    for name, value in given.items():
        if name not in by_factory:
            _describe(kept, name, value)
    return kept, by_factory


def _describe(kept: Kept, name: str, value: object) -> None:
    try:
        kept.arguments[name] = form(value, name)
    except InvalidValue as error:
        kept.refused[name] = f"{error.field}: {error.rule}"
    except Exception as error:  # noqa: BLE001 -- of the value's own class; told by Module.of, not to the training
        kept.refused[name] = f"{type(error).__name__}: {error}"


def _by_name(bound: inspect.BoundArguments) -> dict[str, Any]:
    """Arguments by name; those of `**options` beside the others, those of `*layers` as a list, if there are any."""
    named: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is Parameter.VAR_KEYWORD:
            named |= value
        elif kind is not Parameter.VAR_POSITIONAL or value:
            named[name] = value
    return named


def construct(cls: type[T], given: Mapping[str, Any]) -> T:
    """An object made from arguments by name, as they were kept, whatever kinds its constructor takes.

    Raises what the constructor raises: TypeError for an argument it does not have.
    """
    positional: list[Any] = []
    named = dict(given)
    kinds = {name: parameter.kind for name, parameter in signature(cls).parameters.items()}
    variadic = next((name for name, kind in kinds.items() if kind is Parameter.VAR_POSITIONAL), None)
    for name, kind in kinds.items():
        before = variadic in given and kind is Parameter.POSITIONAL_OR_KEYWORD
        if name in named and (before or kind is Parameter.POSITIONAL_ONLY):
            positional.append(named.pop(name))
        elif name in named and kind is Parameter.VAR_POSITIONAL:
            positional.extend(named.pop(name))
    return cls(*positional, **named)
