"""An aggregate's modules, connected to the store."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

from mltracker.commands import contents
from mltracker.html import Rows
from mltracker.models import Module
from mltracker.ports import Modules
from mltracker.tracker.access import Access


class TrackedModules(Modules):
    """The modules of the aggregate that these keys mean."""

    def __init__(self, access: Access, keys: Sequence[str]) -> None:
        self._access = access
        self._keys = keys

    def list(self, type: str | None = None) -> builtins.list[Module]:
        return Rows(self._access.ask(lambda model: model.modules(self._keys).list(type)))

    def add(self, module: Module) -> None:
        self._access.decide(lambda given: contents.attach(given, self._keys, module))

    def remove(self, module: Module) -> None:
        self._access.decide(lambda given: contents.detach(given, self._keys, module))

    def __repr__(self) -> str:
        return repr(self.list())

    def _repr_html_(self) -> str:
        return Rows(self.list())._repr_html_()
