"""Classes of libraries that the program may have imported; nothing is imported here."""

from __future__ import annotations

import sys
from typing import Any


def loaded(module: str, name: str) -> Any:
    """A class of a library, if the program has imported it, else (): what `isinstance` takes."""
    found = getattr(sys.modules.get(module), name, ())
    return found if isinstance(found, type) else ()


def is_a(thing: object, module: str, *names: str) -> bool:
    """Whether it is an object of one of these classes of a library."""
    return any(isinstance(thing, loaded(module, name)) for name in names)
