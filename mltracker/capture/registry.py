"""Classes that can be found by name, and whose objects remember what they were made with."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from mltracker.capture.constructors import construct, wrap
from mltracker.capture.kept import kept
from mltracker.capture.names import qualified
from mltracker.errors import InvalidValue

__all__ = ["REGISTRY", "Registry", "arguments", "construct", "register"]

C = TypeVar("C", bound=type)
_LIBRARIES = ("torch.", "sklearn.", "keras.")


class Registry:
    """Classes by name: "pkg.mod.Net", "Net" where only one is called so, and the names a class had before it moved."""

    def __init__(self) -> None:
        self._classes: dict[str, type] = {}
        self._names: dict[str, set[str]] = {}

    @overload
    def register(
        self, cls: C, *, exclude: Iterable[str] = (), name: str | None = None, aliases: Iterable[str] = ()
    ) -> C: ...
    @overload
    def register(
        self, cls: None = None, *, exclude: Iterable[str] = (), name: str | None = None, aliases: Iterable[str] = ()
    ) -> Callable[[C], C]: ...
    def register(
        self, cls: Any = None, *, exclude: Iterable[str] = (), name: str | None = None, aliases: Iterable[str] = ()
    ) -> Any:
        """Make a class remember its constructor's arguments: a decorator, with or without options, or a call.

        The arguments are described before the constructor runs, defaults filled in; those in `exclude` are left out.
        `name` is what `Module.of` calls its objects, `aliases` are dotted names that the class had earlier. Twice is
        once; the latest options hold. An object of a class with `__slots__` needs `"__weakref__"` among them.
        Raises InvalidValue for what is no class, or one that cannot be changed.
        """
        excluded = frozenset([exclude] if isinstance(exclude, str) else exclude)
        if cls is None:
            return functools.partial(self.register, exclude=excluded, name=name, aliases=tuple(aliases))
        if not isinstance(cls, type):
            raise InvalidValue("register", f"takes a class, not {type(cls).__name__}", hint="Options have names: name=")
        wrap(cls, excluded, name)
        self._add(cls, name, aliases)
        return cls

    def _add(self, cls: type, name: str | None, aliases: Iterable[str]) -> None:
        full = qualified(cls)
        for spelled in (full, *aliases):
            self._classes[spelled] = cls
        for short in {cls.__name__, name or cls.__name__}:
            self._names.setdefault(short, set()).add(full)

    def get(self, name: str) -> type | None:
        """The class of that name; None for an unknown or ambiguous one.

        Classes of torch, scikit-learn and Keras are found by their dotted name without being registered, if the program
        has imported them.
        """
        if (found := self._classes.get(name)) is not None:
            return found
        called = self._names.get(name, set())
        return self._classes[next(iter(called))] if len(called) == 1 else _imported(name)

    def names(self) -> list[str]:
        """The dotted names of all registered classes, aliases included, sorted."""
        return sorted(self._classes)


def _imported(name: str) -> type | None:
    module, _, attribute = name.rpartition(".")
    found = getattr(sys.modules.get(module), attribute, None) if name.startswith(_LIBRARIES) else None
    return found if isinstance(found, type) else None


REGISTRY = Registry()
register = REGISTRY.register


def arguments(thing: object) -> dict[str, Any] | None:
    """The arguments a registered object was made with, in JSON form; None where they are not known."""
    known = kept(thing)
    return None if known is None else known.arguments
