"""An aggregate's iterations, connected to the store."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

from mltracker.commands import contents
from mltracker.html import Rows
from mltracker.models import Iteration
from mltracker.ports import Iterations
from mltracker.tracker.access import Access


class TrackedIterations(Iterations):
    """The iterations of the aggregate that these keys mean."""

    def __init__(self, access: Access, keys: Sequence[str], path: str) -> None:
        self._access = access
        self._path = path
        self._keys = keys

    def list(self, phase: str | None = None, epoch: int | None = None) -> builtins.list[Iteration]:
        return Rows(self._access.ask(lambda model: model.iterations(self._keys).list(phase, epoch)))

    def add(self, iteration: Iteration) -> None:
        self._access.append(contents.iteration(self._keys[0], iteration))

    def clear(self, why: str = "") -> None:
        self._access.decide(lambda given: contents.clear_iterations(given, self._keys, why))

    def __repr__(self) -> str:
        return f"<iterations of {self._path}>"

    def _repr_html_(self) -> str:
        return Rows(self.list())._repr_html_()
