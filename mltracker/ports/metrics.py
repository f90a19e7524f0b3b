"""The collection of an aggregate's metrics."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping

from mltracker.models import Metric
from mltracker.series import Series


class MetricQueries(ABC):
    """Answers about the metrics of one aggregate: cleared and voided points are hidden, renamed ones bear the new name.

    Those of a deleted aggregate are hidden too: the answers are empty until it is restored. Points recorded meanwhile
    are kept and come back with the rest.
    """

    @abstractmethod
    def list(
        self,
        name: str | None = None,
        phase: str | None = None,
        *,
        epoch: int | None = None,
        session: str | None = None,
        voided: bool = False,
    ) -> builtins.list[Metric]:
        """The matching points by (step, stamp), those without a step last. `voided` answers the voided ones instead."""

    @abstractmethod
    def series(self, name: str, phase: str | None = None, *, session: str | None = None, last: bool = False) -> Series:
        """The matching points as columns; empty if there are none. `last`: of equal steps, the latest stamp only."""

    @abstractmethod
    def names(self) -> builtins.list[tuple[str | None, str]]:
        """The (phase, name) of every series with at least one visible point, sorted."""


class Metrics(MetricQueries):
    """Queries and commands. Only the abstract ones need an implementation."""

    @abstractmethod
    def add(self, metric: Metric) -> None:
        """Record one point. Raises InvalidName, InvalidMetric."""

    def log(
        self,
        values: Mapping[str, float],
        *,
        step: int | None = None,
        epoch: int | None = None,
        batch: int | None = None,
        phase: str | None = None,
    ) -> None:
        """Record one point of each name, all or none. Raises InvalidName, InvalidMetric."""
        for name, value in values.items():
            self.add(Metric(name, value, step, epoch, batch, phase))

    def log_series(
        self,
        name: str,
        values: Iterable[float],
        steps: Iterable[int] | None = None,
        *,
        epoch: int | None = None,
        phase: str | None = None,
    ) -> None:
        """Record many points of one name. Raises InvalidName, InvalidMetric, InvalidValue where the lengths differ."""
        points = list(values)
        places = [None] * len(points) if steps is None else list(steps)
        for value, step in zip(points, places, strict=True):
            self.add(Metric(name, value, step, epoch, phase=phase))

    @abstractmethod
    def void(self, metric: Metric | str, why: str = "") -> None:
        """Hide one point (a Metric as answered, or its id), visibly and reversibly. Raises NotFound."""

    @abstractmethod
    def unvoid(self, metric: Metric | str, why: str = "") -> None:
        """Show a voided point again. Raises NotFound."""

    @abstractmethod
    def rename(self, old: str, new: str, why: str = "") -> Callable[[], None]:
        """Rename the points there are now; call what it returns to undo it. Raises NotFound, InvalidName."""

    @abstractmethod
    def clear(self, why: str = "") -> None:
        """Hide the points there are now; history keeps them. Nothing happens where there are none."""
