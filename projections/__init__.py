"""Projections: read models folded out of the history, the built-in ones and the user's own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mltracker.projections.projection import Projection, on
    from mltracker.projections.read_model import StoredReadModel
    from mltracker.projections.runner import Runner
    from mltracker.projections.views import View

HOMES = {
    "Projection": "projection",
    "Runner": "runner",
    "StoredReadModel": "read_model",
    "View": "views",
    "on": "projection",
}

__all__ = ["Projection", "Runner", "StoredReadModel", "View", "on"]


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
