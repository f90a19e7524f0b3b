"""What a projection offers to queries and decisions: the query half of every port, and where things stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from mltracker.models import Correction, Reproduction, Session
from mltracker.ports.aggregates import AggregateQueries
from mltracker.ports.checkpoints import CheckpointQueries
from mltracker.ports.experiments import ExperimentQueries
from mltracker.ports.iterations import IterationQueries
from mltracker.ports.metrics import MetricQueries
from mltracker.ports.modules import ModuleQueries


class Hidden(NamedTuple):
    """A deleted key: `deletion` is shared by what one delete hid, `stamp` is `(at, writer, seq)` of that delete."""

    key: str
    deletion: str
    stamp: tuple[int, str, int]


class ReadModel(ABC):
    """Keys are ids of creating events; several stand for one thing made twice (see names and keys in FORMAT.md)."""

    @property
    @abstractmethod
    def experiments(self) -> ExperimentQueries: ...

    @abstractmethod
    def aggregates(self, experiments: Sequence[str]) -> AggregateQueries:
        """Queries over the aggregates of these experiment keys."""

    @abstractmethod
    def modules(self, aggregates: Sequence[str]) -> ModuleQueries:
        """Queries over the modules of these aggregate keys."""

    @abstractmethod
    def metrics(self, aggregates: Sequence[str]) -> MetricQueries:
        """Queries over the metrics of these aggregate keys."""

    @abstractmethod
    def iterations(self, aggregates: Sequence[str]) -> IterationQueries:
        """Queries over the iterations of these aggregate keys."""

    @abstractmethod
    def checkpoints(self, aggregates: Sequence[str]) -> CheckpointQueries:
        """Queries over the checkpoints of these aggregate keys."""

    @abstractmethod
    def reproductions(self, aggregates: Sequence[str]) -> list[Reproduction]:
        """The verdicts on runs that repeated these aggregate keys, oldest first; none where they are deleted."""

    @abstractmethod
    def corrections(self, aggregates: Sequence[str]) -> list[Correction]:
        """What was done to the points and iterations of these aggregate keys, oldest first; none where deleted."""

    @abstractmethod
    def sessions(self, aggregates: Sequence[str] | None = None) -> list[Session]:
        """Every session, or those that wrote to these aggregate keys, oldest first.

        Who only recorded reproductions of an aggregate did not write to it.
        """

    @abstractmethod
    def deleted_experiments(self, name: str) -> list[Hidden]:
        """The hidden keys that bear that name."""

    @abstractmethod
    def deleted_aggregates(self, experiments: Sequence[str], id: str) -> list[Hidden]:
        """The hidden keys below these experiments that bear that id."""

    @abstractmethod
    def points_position(self, aggregates: Sequence[str]) -> dict[str, int]:
        """The last seq of each writer that recorded points on these keys: what a clear or rename now would touch."""

    @abstractmethod
    def iterations_position(self, aggregates: Sequence[str]) -> dict[str, int]:
        """The same for iterations."""

    @abstractmethod
    def point_exists(self, aggregates: Sequence[str], point: str) -> str | None:
        """The key whose point that id (`writer:seq:name[:index]`) is, or None."""

    @abstractmethod
    def latest_stamp(self, keys: Sequence[str]) -> tuple[int, str, int] | None:
        """The highest stamp among the events that these keys' present state rests on."""
