"""The query halves of the ports, over documents and tables; every read model of ours answers with these."""

from __future__ import annotations

import builtins
from abc import abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, overload

from mltracker.events import values
from mltracker.events.log import Batch
from mltracker.models import Aggregate, Dataset, Experiment, Iteration, Metric, Module, Session, Training
from mltracker.ports import AggregateQueries, ExperimentQueries, IterationQueries, MetricQueries, ModuleQueries
from mltracker.ports.read_model import Hidden
from mltracker.projections import fold, summaries
from mltracker.projections.building import collector_off
from mltracker.projections.corrections import Corrections, Piece, find, point_ids
from mltracker.projections.intake import Clock
from mltracker.projections.read_model import StoredReadModel
from mltracker.projections.store import Document, Store
from mltracker.series import NO_STEP, Part, Series, Stamps, arranged, is_sorted, order

if TYPE_CHECKING:
    from mltracker.projections.columns import Ints


NESTED = (dict, list)


class FoldedReadModel(StoredReadModel):
    """A read model over a `Store`."""

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

    def sessions(self) -> list[Session]:
        started = [doc for doc in self._store.sessions() if "started" in doc]
        return [_session(doc) for doc in sorted(started, key=lambda doc: doc["started"])]

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
                    fold.raise_position(position, {writer: last})
        return position

    def iterations_position(self, aggregates: Sequence[str]) -> dict[str, int]:
        position: dict[str, int] = {}
        for state in filter(None, map(self._store.state, aggregates)):
            cleared = state.get("iterations_cleared", {})
            held = state.get("iterated", {}).items()
            fold.raise_position(position, {writer: seq for writer, seq in held if seq > cleared.get(writer, -1)})
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
    deleted = [(one["deletion"], one["key"]) for one in found if not _live(one)]
    return [Hidden(key, deletion, tuple(stamp)) for (stamp, deletion), key in sorted(deleted)]


def _live(summary: Document) -> bool:
    return summary["deletion"] is None or summary["deletion"][1] is None


def _session(doc: Document) -> Session:
    environment = {key: value for key, (_, value) in doc.get("environment", {}).items()}
    return Session(
        doc["key"],
        doc["at"],
        doc["ended"][1] if "ended" in doc else None,
        list(doc.get("command", ())),
        doc.get("host", ""),
        doc.get("pid"),
        values.decode(environment),
    )


# Experiments and aggregates ------------------------------------------------------------------------------------------


def _grouped(store: Store, found: list[Document], name: str) -> Iterator[tuple[Document, tuple[str, ...]]]:
    """Live things by name, oldest first: their summary and their keys, oldest first."""
    groups: dict[str, list[Document]] = {}
    for one in sorted(filter(_live, found), key=lambda one: one["created"]):
        groups.setdefault(one[name], []).append(one)
    for group in groups.values():
        keys = tuple(one["key"] for one in group)
        yield (group[0] if len(group) == 1 else summaries.summarize(store, _states(store, keys))), keys


def _states(store: Store, keys: Sequence[str]) -> list[Document]:
    return [state for state in map(store.state, keys) if state is not None]


def _live_keys(store: Store, aggregates: Sequence[str]) -> list[str]:
    """Those that neither a delete of their own nor one of their experiment hides."""
    keys = []
    for key in aggregates:
        summary = store.summary(key)
        if summary is not None and summary["kind"] == "aggregate" and _live(summary):
            above = store.summary(summary["experiment"])
            if above is not None and _live(above):
                keys.append(key)
    return keys


class ExperimentAnswers(ExperimentQueries):
    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, name: str) -> Experiment | None:
        return next(iter(self._answer([one for one in self._store.experiments() if one["name"] == name])), None)

    def list(self) -> builtins.list[Experiment]:
        return self._answer(self._store.experiments())

    def _answer(self, found: builtins.list[Document]) -> builtins.list[Experiment]:
        return [
            Experiment(
                one["name"],
                tags=_decoded(one["tags"]),
                note=one["note"],
                keys=keys,
                at=one["at"],
            )
            for one, keys in _grouped(self._store, found, "name")
        ]


class AnsweredModules(Sequence[Module]):
    """An aggregate's modules, made when looked at: whoever lists aggregates seldom does."""

    __slots__ = ("_docs",)

    def __init__(self, docs: Sequence[Document]) -> None:
        self._docs = docs

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Module]: ...

    def __getitem__(self, index: int | slice) -> Module | Sequence[Module]:
        return AnsweredModules(self._docs[index]) if isinstance(index, slice) else _module(self._docs[index])

    def __len__(self) -> int:
        return len(self._docs)

    def __repr__(self) -> str:
        return repr(list(self))


class AggregateAnswers(AggregateQueries):
    """`modules` of the answered ones are a sequence, `config` is flat, `metrics` and `iterations` are None."""

    def __init__(self, store: Store, experiments: Sequence[str]) -> None:
        self._store = store
        self._experiments = experiments

    def read(self, id: str) -> Aggregate | None:
        return next(iter(self._answer(id)), None)

    def list(self) -> builtins.list[Aggregate]:
        return self._answer(None)

    def _answer(self, id: str | None) -> builtins.list[Aggregate]:
        above = [one for one in map(self._store.summary, dict.fromkeys(self._experiments)) if one and _live(one)]
        with collector_off():
            found = [one for experiment in above for one in self._store.aggregates(experiment["key"], id)]
            return [_aggregate(one, keys) for one, keys in _grouped(self._store, found, "id")]


def _aggregate(one: Document, keys: tuple[str, ...]) -> Aggregate:
    return Aggregate(
        one["id"],
        AnsweredModules(one["modules"]),
        config=_decoded(one["config"]),
        tags=_decoded(one["tags"]),
        note=one["note"],
        epoch=one["epoch"],
        trainings=[Training(**training) for training in one["trainings"]],
        last={
            (phase, name): values.decode_number(value)
            for phase, numbers in one["last"]
            for name, value in numbers.items()
        },
        keys=keys,
        at=one["at"],
    )


def _module(module: Document) -> Module:
    return Module(module["type"], module["hash"], module["name"], _decoded(module.get("parameters", {})))


def _decoded(parameters: Document) -> Document:
    """As `values.decode`, a copy, and fast where there is nothing to decode."""
    for key, value in parameters.items():
        if key[:1] == "$" or type(value) in NESTED:
            return values.decode(parameters)  # type: ignore[no-any-return]
    return dict(parameters)


class ModuleAnswers(ModuleQueries):
    def __init__(self, store: Store, aggregates: Sequence[str]) -> None:
        self._store = store
        self._aggregates = aggregates

    def list(self, type: str | None = None) -> builtins.list[Module]:
        states = _states(self._store, _live_keys(self._store, self._aggregates))
        held = summaries.modules(summaries.merged(states)) if states else []
        return [_module(module) for module in held if type is None or module["type"] == type]


# Iterations ----------------------------------------------------------------------------------------------------------


class IterationAnswers(IterationQueries):
    def __init__(self, store: Store, aggregates: Sequence[str]) -> None:
        self._store = store
        self._aggregates = aggregates

    def list(self, phase: str | None = None, epoch: int | None = None) -> builtins.list[Iteration]:
        started = [
            doc
            for state in _states(self._store, _live_keys(self._store, self._aggregates))
            for doc in fold.uncleared(state, self._store.iterations(state["key"]))
        ]
        started.sort(key=lambda doc: doc["started"])
        held = {(doc["hash"], doc.get("phase"), doc.get("epoch")): doc for doc in started}
        return [
            _iteration(doc)
            for doc in sorted(held.values(), key=lambda doc: doc["started"])
            if phase in (None, doc.get("phase")) and epoch in (None, doc.get("epoch"))
        ]


def _iteration(doc: Document) -> Iteration:
    _, (status, ended_at, error, duration, metrics) = doc.get("ended", [None, ["running", None, None, None, {}]])
    if duration is None and ended_at is not None and ended_at > doc["at"]:
        duration = (ended_at - doc["at"]) / 1e6
    data = doc.get("dataset")
    return Iteration(
        doc["hash"],
        doc.get("phase"),
        doc.get("epoch"),
        Dataset(data["hash"], data["name"], values.decode(data.get("parameters", {}))) if data else None,
        values.decode(doc.get("parameters", {})),
        [_module(module) for module in doc.get("modules", ())],
        doc["id"],
        doc["at"],
        f"{doc['started'][1]}:0",
        status,
        error,
        None if duration is None else values.decode_number(duration),
        {name: values.decode_number(value) for name, value in metrics.items()},
    )


# Metrics -------------------------------------------------------------------------------------------------------------


class MetricAnswers(MetricQueries):
    def __init__(self, store: Store, aggregates: Sequence[str]) -> None:
        self._store = store
        self._aggregates = aggregates

    def list(
        self,
        name: str | None = None,
        phase: str | None = None,
        *,
        epoch: int | None = None,
        session: str | None = None,
        voided: bool = False,
    ) -> builtins.list[Metric]:
        pieces = self._pieces(name, phase, session)
        if voided:
            pieces = [one for piece in pieces for one in piece.voided()]
        pieces = [piece for piece in pieces if piece.size]
        with collector_off():
            points = [metric for piece in pieces for metric in _metrics(piece)]
        steps = array("q")
        for piece in pieces:
            steps.extend(piece.take(piece.table.column("steps")))
        if not is_sorted(steps, strictly=len(pieces) > 1):
            points = [points[row] for row in order(steps, lambda: _stamps(pieces))]
        return points if epoch is None else [metric for metric in points if metric.epoch == epoch]

    def series(self, name: str, phase: str | None = None, *, session: str | None = None, last: bool = False) -> Series:
        pieces = [piece for piece in self._pieces(name, phase, session) if piece.size]
        parts = [_part(piece) for piece in pieces]
        if len(parts) > 1:
            ranked = sorted(zip(parts, pieces, strict=True), key=lambda pair: pair[0].steps[0])
            parts, pieces = [part for part, _ in ranked], [piece for _, piece in ranked]
        return arranged(parts, lambda: _stamps(pieces), last=last)

    def names(self) -> builtins.list[tuple[str | None, str]]:
        found = {(piece.table.heading.phase, piece.name) for piece in self._pieces() if piece.size}
        return sorted(found, key=summaries.series_order)

    def _pieces(
        self, name: str | None = None, phase: str | None = None, session: str | None = None
    ) -> builtins.list[Piece]:
        writer = session.partition(":")[0] if session is not None else None
        pieces = []
        for key in _live_keys(self._store, self._aggregates):
            corrections = Corrections(self._store.state(key))
            for table in self._store.tables(key):
                if phase in (None, table.heading.phase) and writer in (None, table.heading.writer):
                    pieces += [piece for piece in corrections.pieces(table) if name in (None, piece.name)]
        return pieces


def _part(piece: Piece) -> Part:
    return Part(piece.take(piece.table.column("steps")), piece.take(piece.table.numbers(piece.position)))


def _stamps(pieces: Sequence[Piece]) -> Stamps:
    ranks = {writer: rank for rank, writer in enumerate(sorted({piece.table.heading.writer for piece in pieces}))}
    stamps = Stamps(array("q"), array("q"), array("q"), array("q"))
    for piece in pieces:
        stamps.ats.extend(piece.take(piece.table.column("ats")))
        stamps.writers.extend(array("q", (ranks[piece.table.heading.writer],)) * piece.size)
        stamps.seqs.extend(piece.take(piece.table.column("seqs")))
        if piece.table.heading.series:
            stamps.indexes.extend(piece.take(piece.table.column("indexes")))
        else:
            stamps.indexes.extend(array("q", (piece.table.heading.place(piece.position),)) * piece.size)
    return stamps


def _metrics(piece: Piece) -> list[Metric]:
    table, heading = piece.table, piece.table.heading
    recorded = heading.names[piece.position]
    seqs = piece.take(table.column("seqs"))
    if heading.series:
        indexes = piece.take(table.column("indexes"))
        ids = [f"{heading.writer}:{seq}:{recorded}:{index}" for seq, index in zip(seqs, indexes, strict=True)]
    else:
        ids = [f"{heading.writer}:{seq}:{recorded}" for seq in seqs]
    return list(
        map(
            Metric,
            repeat(piece.name),
            piece.take(table.numbers(piece.position)),
            _optional(piece.take(table.column("steps"))),
            _optional(piece.take(table.column("epochs"))),
            _optional(piece.take(table.column("batches"))),
            repeat(heading.phase),
            ids,
            piece.take(table.column("walls")),
            repeat(f"{heading.writer}:0"),
        )
    )


def _optional(column: Ints) -> Any:
    missing = column.count(NO_STEP)
    if missing == 0:
        return column
    return repeat(None) if missing == len(column) else [None if one == NO_STEP else one for one in column]
