"""The collection of experiments."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterator

from mltracker.models import Experiment


class ExperimentQueries(ABC):
    """Answers about experiments."""

    @abstractmethod
    def read(self, name: str) -> Experiment | None:
        """The live experiment of that name (the union of all live keys that bear it), or None."""

    @abstractmethod
    def list(self) -> builtins.list[Experiment]:
        """All live experiments, oldest first; empty if there are none."""

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __contains__(self, name: object) -> bool:
        """Whether there is a live one of that name (or of the name of that experiment)."""
        name = name.name if isinstance(name, Experiment) else name
        return isinstance(name, str) and self.read(name) is not None


class Experiments(ExperimentQueries):
    """Queries and commands."""

    @abstractmethod
    def create(self, name: str) -> Experiment:
        """Create one. Raises AlreadyExists where a live one bears the name, InvalidName."""

    @abstractmethod
    def update(self, experiment: Experiment) -> None:
        """Write what the caller changed since reading it. Raises NotFound, AlreadyExists, InvalidName."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Hide it and all below it. Raises NotFound where no live one bears the name."""

    @abstractmethod
    def restore(self, name: str) -> Experiment:
        """Bring back what the last delete of that name hid. Raises NotFound, AlreadyExists."""
