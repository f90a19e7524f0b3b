"""A read model over a `Store`: events are folded into it, answers are taken out of it."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence

from mltracker.events.log import Batch
from mltracker.models import Correction, Reproduction, Session
from mltracker.ports import (
    AggregateQueries,
    CheckpointQueries,
    ExperimentQueries,
    IterationQueries,
    MetricQueries,
    ModuleQueries,
)
from mltracker.ports.read_model import Hidden
from mltracker.projections import answers, fold
from mltracker.projections.answers import (
    AggregateAnswers,
    CheckpointAnswers,
    ExperimentAnswers,
    IterationAnswers,
    ModuleAnswers,
    live,
    session,
)
from mltracker.projections.corrections import Corrections, find, point_ids
from mltracker.projections.intake import Clock
from mltracker.projections.points import MetricAnswers
from mltracker.projections.read_model import StoredReadModel
from mltracker.projections.registers import raise_position
from mltracker.projections.store import Document, Store


class FoldedReadModel(StoredReadModel):
    """Base of the read models; they differ only in their store."""

    def __init__(self) -> None:
        self._clock = Clock()
        self.unknown = Counter()

    @property
    @abstractmethod
    def _store(self) -> Store: ...

    def apply(self, batch: Batch) -> None:
        fold.apply(self._store, self._clock, self.unknown, batch)

    @property
    def experiments(self) -> ExperimentQueries:
        return ExperimentAnswers(self._store)

    def aggregates(self, experiments: Sequence[str]) -> AggregateQueries:
        return AggregateAnswers(self._store, experiments)

    def modules(self, aggregates: Sequence[str]) -> ModuleQueries:
        return ModuleAnswers(self._store, aggregates)

    def metrics(self, aggregates: Sequence[str]) -> MetricQueries:
        return MetricAnswers(self._store, aggregates)

    def iterations(self, aggregates: Sequence[str]) -> IterationQueries:
        return IterationAnswers(self._store, aggregates)

    def checkpoints(self, aggregates: Sequence[str]) -> CheckpointQueries:
        return CheckpointAnswers(self._store, aggregates)

    def reproductions(self, aggregates: Sequence[str]) -> list[Reproduction]:
        return answers.reproductions(self._store, aggregates)

    def corrections(self, aggregates: Sequence[str]) -> list[Correction]:
        return answers.corrections(self._store, aggregates)

    def sessions(self, aggregates: Sequence[str] | None = None) -> list[Session]:
        wanted = None if aggregates is None else answers.writers(self._store, aggregates)
        started = [doc for doc in self._store.sessions() if "started" in doc]
        if wanted is not None:
            started = [doc for doc in started if doc["started"][1] in wanted]
        return [session(doc) for doc in sorted(started, key=lambda doc: doc["started"])]

    def deleted_experiments(self, name: str) -> list[Hidden]:
        return _hidden([one for one in self._store.experiments() if one["name"] == name])

    def deleted_aggregates(self, experiments: Sequence[str], id: str) -> list[Hidden]:
        return _hidden([one for key in experiments for one in self._store.aggregates(key, id)])

    def points_position(self, aggregates: Sequence[str]) -> dict[str, int]:
        position: dict[str, int] = {}
        for key in aggregates:
            cleared = Corrections(self._store.state(key)).cleared
            for table in self._store.tables(key):
                writer, last = table.heading.writer, table.tail.last_seq
                if last > cleared.get(writer, -1):
                    raise_position(position, {writer: last})
        return position

    def iterations_position(self, aggregates: Sequence[str]) -> dict[str, int]:
        position: dict[str, int] = {}
        for state in filter(None, map(self._store.state, aggregates)):
            cleared = state.get("iterations_cleared", {})
            held = state.get("iterated", {}).items()
            raise_position(position, {writer: seq for writer, seq in held if seq > cleared.get(writer, -1)})
        return position

    def point_exists(self, aggregates: Sequence[str], point: str) -> str | None:
        candidates = point_ids(point)
        for key in aggregates if candidates else ():
            for table in self._store.tables(key):
                if any(find(table, candidate) is not None for candidate in candidates):
                    return key
        return None

    def latest_stamp(self, keys: Sequence[str]) -> tuple[int, str, int] | None:
        stamps = [state["latest"] for state in map(self._store.state, keys) if state and "latest" in state]
        return tuple(max(stamps)) if stamps else None


def _hidden(found: list[Document]) -> list[Hidden]:
    deleted = [(one["deletion"], one["key"]) for one in found if not live(one)]
    return [Hidden(key, deletion, tuple(stamp)) for (stamp, deletion), key in sorted(deleted)]
