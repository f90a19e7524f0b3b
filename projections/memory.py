"""The read model that keeps nothing: dictionaries and arrays, gone with the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from mltracker.projections.columns import Heading, Points, Table
from mltracker.projections.folded import FoldedReadModel
from mltracker.projections.store import Document, Store, heading_order
from mltracker.projections.summaries import summarize


class MemoryStore(Store):
    """Everything in dictionaries, with summaries made when asked for."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        self.states: dict[str, Document] = {}
        self.docs: dict[str, dict[str, Document]] = {}
        self.session_docs: dict[str, Document] = {}
        self._summaries: dict[str, Document] = {}
        self._experiments: dict[str, None] = {}
        self._below: dict[str, dict[str, dict[str, None]]] = {}
        self._tables: dict[tuple[Any, ...], Points] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._tables_of: dict[str, list[Points]] = {}

    def seen(self, writer: str) -> int:
        return self.positions.get(writer, -1)

    def saw(self, writer: str, seq: int) -> None:
        self.positions[writer] = seq

    def entity(self, key: str) -> Document:
        self._summaries.pop(key, None)
        return self.states.setdefault(key, {"key": key})

    def created(self, state: Document) -> None:
        if state["kind"] == "experiment":
            self._experiments[state["key"]] = None
        else:
            self._below.setdefault(state["experiment"], {}).setdefault(state["id"], {})[state["key"]] = None

    def iteration(self, aggregate: str, id: str) -> Document:
        return self.docs.setdefault(aggregate, {}).setdefault(id, {"id": id, "aggregate": aggregate})

    def session(self, key: str) -> Document:
        return self.session_docs.setdefault(key, {"key": key})

    def table(self, heading: tuple[Any, ...]) -> Table:
        table = self._tables.get(heading)
        if not isinstance(table, Table):
            table = Table(self.named(heading))
            self.hold(table)
        return table

    def named(self, heading: tuple[Any, ...]) -> Heading:
        """To be kept: names are shared by all tables that have them."""
        aggregate, writer, phase, names, kind, event = heading
        return Heading(aggregate, writer, phase, self._names.setdefault(names, names), kind, event)

    def hold(self, table: Points) -> None:
        self._tables[table.heading] = table
        self._tables_of.setdefault(table.heading.aggregate, []).append(table)

    def grown(self, numbers: int) -> None:
        """All of it lies in memory."""

    def touch(self, aggregate: str) -> None:
        self._summaries.pop(aggregate, None)

    def state(self, key: str) -> Document | None:
        return self.states.get(key)

    def summary(self, key: str) -> Document | None:
        held = self._summaries.get(key)
        if held is None:
            state = self.states.get(key)
            if state is None or "created" not in state:
                return None
            held = self._summaries[key] = summarize(self, [state])
        return held

    def experiments(self) -> list[Document]:
        return self._all(self._experiments)

    def aggregates(self, experiment: str, id: str | None = None) -> list[Document]:
        below = self._below.get(experiment, {})
        if id is not None:
            return self._all(below.get(id, ()))
        return self._all([key for keys in below.values() for key in keys])

    def iterations(self, aggregate: str) -> list[Document]:
        return list(self.docs.get(aggregate, {}).values())

    def sessions(self) -> list[Document]:
        return list(self.session_docs.values())

    def tables(self, aggregate: str) -> list[Points]:
        return sorted(self._tables_of.get(aggregate, ()), key=heading_order)

    def all_tables(self) -> Iterable[Points]:
        return self._tables.values()

    def remember(self, summary: Document) -> None:
        """Take a summary that was worked out before."""
        self._summaries[summary["key"]] = summary

    def _all(self, keys: Iterable[str]) -> list[Document]:
        return [summary for summary in map(self.summary, keys) if summary is not None]


class MemoryReadModel(FoldedReadModel):
    """In memory only: `commit` stores nothing, so `discard` forgets everything, and the checkpoint with it."""

    name: ClassVar[str] = "memory"
    version: ClassVar[int] = 3

    def __init__(self, path: object = None) -> None:
        super().__init__()
        self._held = MemoryStore()
        self._checkpoint: dict[str, Any] | None = None

    @property
    def _store(self) -> Store:
        return self._held

    def checkpoint(self) -> dict[str, Any] | None:
        return self._checkpoint

    def commit(self, checkpoint: Mapping[str, Any]) -> None:
        self._checkpoint = dict(checkpoint)

    def discard(self) -> None:
        self._held = MemoryStore()
        self._checkpoint = None

    def close(self) -> None:
        """Nothing is open."""
