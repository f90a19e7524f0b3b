"""The collection of an aggregate's modules."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterator

from mltracker.models import Module


class ModuleQueries(ABC):
    """Answers about the modules of one aggregate. A module is (type, hash); what was attached last holds."""

    @abstractmethod
    def list(self, type: str | None = None) -> builtins.list[Module]:
        """Those of that type, or all, in the order in which they were attached; empty if there are none."""

    def __iter__(self) -> Iterator[Module]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __getitem__(self, index: int) -> Module:
        return self.list()[index]


class Modules(ModuleQueries):
    """Queries and commands."""

    @abstractmethod
    def add(self, module: Module) -> None:
        """Attach it; one of the same type and hash is replaced. Raises InvalidName, InvalidParameters."""

    @abstractmethod
    def remove(self, module: Module) -> None:
        """Detach it. Raises NotFound where it is not attached."""
