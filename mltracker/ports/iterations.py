"""The collection of an aggregate's iterations."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterator

from mltracker.models import Iteration


class IterationQueries(ABC):
    """Answers about the iterations of one aggregate. Of equal (hash, phase, epoch), the one started last holds.

    Those of a deleted aggregate are hidden: the answers are empty until it is restored.
    """

    @abstractmethod
    def list(self, phase: str | None = None, epoch: int | None = None) -> builtins.list[Iteration]:
        """Those of that phase and epoch, or all, in the order of their start; empty if there are none."""

    def __iter__(self) -> Iterator[Iteration]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())


class Iterations(IterationQueries):
    """Queries and commands."""

    @abstractmethod
    def add(self, iteration: Iteration) -> None:
        """Record a whole iteration. Raises InvalidName, InvalidValue, InvalidParameters."""

    @abstractmethod
    def clear(self, why: str = "") -> None:
        """Hide the iterations there are now; history keeps them. Nothing happens where there are none."""
