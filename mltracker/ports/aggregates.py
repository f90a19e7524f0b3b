"""The collection of an experiment's aggregates."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
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

    def __iter__(self) -> Iterator[Aggregate]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __contains__(self, id: object) -> bool:
        """Whether there is a live one of that id (or of the id of that aggregate)."""
        id = id.id if isinstance(id, Aggregate) else id
        return isinstance(id, str) and self.read(id) is not None


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
