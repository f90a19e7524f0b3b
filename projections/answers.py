"""What the ports of experiments, aggregates, modules and iterations answer, over documents."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import Any, overload

from mltracker.events import values
from mltracker.models import (
    Aggregate,
    Checkpoint,
    Correction,
    Dataset,
    Experiment,
    Iteration,
    Module,
    Reproduction,
    Session,
    Training,
)
from mltracker.ports import AggregateQueries, CheckpointQueries, ExperimentQueries, IterationQueries, ModuleQueries
from mltracker.projections import fold, summaries
from mltracker.projections.building import collector_off
from mltracker.projections.store import Document, Store

NESTED = (dict, list)


def live(summary: Document) -> bool:
    return "deletion" not in summary


def session(doc: Document) -> Session:
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
    for one in sorted(filter(live, found), key=lambda one: one["created"]):
        groups.setdefault(one[name], []).append(one)
    for group in groups.values():
        keys = tuple(one["key"] for one in group)
        yield (group[0] if len(group) == 1 else summaries.summarize(store, states_of(store, keys))), keys


def states_of(store: Store, keys: Sequence[str]) -> list[Document]:
    return [state for state in map(store.state, keys) if state is not None]


def live_keys(store: Store, aggregates: Sequence[str]) -> list[str]:
    """Those that neither a delete of their own nor one of their experiment hides."""
    keys = []
    for key in aggregates:
        summary = store.summary(key)
        if summary is not None and summary["kind"] == "aggregate" and live(summary):
            above = store.summary(summary["experiment"])
            if above is not None and live(above):
                keys.append(key)
    return keys


def writers(store: Store, aggregates: Sequence[str]) -> set[str]:
    """Those who wrote to them, more than verdicts on their reproductions."""
    keys = live_keys(store, aggregates)
    points = {table.heading.writer for key in keys for table in store.tables(key)}
    return points.union(*(state.get("writers", {}) for state in states_of(store, keys)))


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
                tags=_decoded(one.get("tags", {})),
                note=one.get("note", ""),
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
        above = [one for one in map(self._store.summary, dict.fromkeys(self._experiments)) if one and live(one)]
        with collector_off():
            found = [one for experiment in above for one in self._store.aggregates(experiment["key"], id)]
            return [_aggregate(one, keys) for one, keys in _grouped(self._store, found, "id")]


def _aggregate(one: Document, keys: tuple[str, ...]) -> Aggregate:
    get = one.get
    return Aggregate(
        one["id"],
        AnsweredModules(get("modules", ())),
        config=_decoded(get("config", {})),
        tags=_decoded(get("tags", {})),
        note=get("note", ""),
        epoch=get("epoch"),
        trainings=[Training(**training) for training in get("trainings", ())],
        last={
            (phase, name): values.decode_number(value)
            for phase, numbers in get("last", ())
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
        states = states_of(self._store, live_keys(self._store, self._aggregates))
        held = summaries.modules(summaries.merged(states)) if states else []
        return [_module(module) for module in held if type is None or module["type"] == type]


# Iterations ----------------------------------------------------------------------------------------------------------

RUNNING: list[Any] = [None, ["running", None, None, None, {}]]
"""The end of an iteration that has none: stamp, then status, time, error, duration and metrics."""


class IterationAnswers(IterationQueries):
    def __init__(self, store: Store, aggregates: Sequence[str]) -> None:
        self._store = store
        self._aggregates = aggregates

    def list(self, phase: str | None = None, epoch: int | None = None) -> builtins.list[Iteration]:
        started = [
            doc
            for state in states_of(self._store, live_keys(self._store, self._aggregates))
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
    _, (status, ended_at, error, duration, metrics, *counts) = doc.get("ended", RUNNING)
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
        *counts,
    )


# Checkpoints, reproductions, corrections -----------------------------------------------------------------------------


class CheckpointAnswers(CheckpointQueries):
    def __init__(self, store: Store, aggregates: Sequence[str]) -> None:
        self._store = store
        self._aggregates = aggregates

    def list(self, name: str | None = None) -> builtins.list[Checkpoint]:
        return [
            Checkpoint(doc["name"], doc["hash"], doc["size"], doc["iteration"], id, doc["at"], _session_of(doc))
            for id, doc in _kept(self._store, self._aggregates, "checkpoints")
            if name in (None, doc["name"])
        ]


def reproductions(store: Store, aggregates: Sequence[str]) -> list[Reproduction]:
    return [
        Reproduction(
            doc["verdict"], doc["reproduction"], values.decode(doc["details"]), id, doc["at"], _session_of(doc)
        )
        for id, doc in _kept(store, aggregates, "reproductions")
    ]


def corrections(store: Store, aggregates: Sequence[str]) -> list[Correction]:
    return [
        Correction(
            **{name: doc[name] for name in ("kind", "name", "to", "why", "by", "at") if name in doc},
            id=id,
            session=_session_of(doc),
        )
        for id, doc in _kept(store, aggregates, "corrections")
    ]


def _kept(store: Store, aggregates: Sequence[str], place: str) -> list[tuple[str, Document]]:
    """What lies in that place of their states by the events' ids, oldest first."""
    states = states_of(store, live_keys(store, aggregates))
    held = [item for state in states for item in state.get(place, {}).items()]
    return sorted(held, key=lambda item: item[1]["stamp"])


def _session_of(doc: Document) -> str:
    return f"{doc['stamp'][1]}:0"
