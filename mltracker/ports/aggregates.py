"""The collection of an experiment's aggregates."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from mltracker.models import Aggregate, Module


class AggregateQueries(ABC):
    """Answers about the aggregates of one experiment."""

    @abstractmethod
    def read(self, id: str) -> Aggregate | None:
        """The live aggregate of that id (the union of all live keys that bear it), or None."""

    @abstractmethod
    def list(self) -> builtins.list[Aggregate]:
        """All live aggregates, oldest first; empty if there are none."""


class Aggregates(AggregateQueries):
    """Queries and commands."""

    @abstractmethod
    def create(self, id: str, modules: Iterable[Module] = (), config: Mapping[str, Any] | None = None) -> Aggregate:
        """Create one. Raises AlreadyExists where a live one bears the id, InvalidName, InvalidParameters."""

    @abstractmethod
    def update(self, aggregate: Aggregate) -> None:
        """Write what the caller changed since reading it. Raises NotFound, InvalidValue."""

    @abstractmethod
    def delete(self, id: str) -> None:
        """Hide it. Raises NotFound where no live one bears the id."""

    @abstractmethod
    def restore(self, id: str) -> Aggregate:
        """Bring back what the last delete of that id hid. Raises NotFound, AlreadyExists."""
