"""What a fold keeps: documents of plain JSON, one for each experiment, aggregate, iteration and session, and tables of
points. The fold changes documents in place; how they are kept, found and committed is the business of each storage.

A document of an experiment or aggregate is its *state*, registers that each hold the stamp that set them, so that
events may come in any order. Its *summary* is what people and queries see of it, worked out of the state and the tables
when something changed. Stamps in documents are lists `[at, writer, seq]`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from mltracker.projections.columns import Points, Table

Document = dict[str, Any]
"""Plain JSON."""


class Store(ABC):
    """Documents handed out by `entity`, `iteration` and `session` are about to be changed and count as changed."""

    # what the fold asks ---------------------------------------------------------------------------------------------

    @abstractmethod
    def seen(self, writer: str) -> int:
        """The last seq folded of that writer, -1 if none."""

    @abstractmethod
    def saw(self, writer: str, seq: int) -> None: ...

    @abstractmethod
    def entity(self, key: str) -> Document:
        """The state of an experiment or aggregate, made where there is none: its creation may come later."""

    @abstractmethod
    def created(self, state: Document) -> None:
        """A state has become an experiment or aggregate."""

    @abstractmethod
    def iteration(self, aggregate: str, id: str) -> Document: ...

    @abstractmethod
    def session(self, key: str) -> Document: ...

    @abstractmethod
    def table(self, heading: tuple[Any, ...]) -> Table:
        """The table to append to; the heading may be a plain tuple."""

    @abstractmethod
    def grown(self, numbers: int) -> None:
        """So many values were appended."""

    @abstractmethod
    def touch(self, aggregate: str) -> None:
        """Its points changed."""

    # what the answers ask -------------------------------------------------------------------------------------------

    @abstractmethod
    def state(self, key: str) -> Document | None: ...

    @abstractmethod
    def summary(self, key: str) -> Document | None:
        """None where nothing of that key was created."""

    @abstractmethod
    def experiments(self) -> list[Document]:
        """The summaries of all, deleted ones included."""

    @abstractmethod
    def aggregates(self, experiment: str, id: str | None = None) -> list[Document]:
        """The summaries of those below that key, deleted ones included."""

    @abstractmethod
    def iterations(self, aggregate: str) -> list[Document]: ...

    @abstractmethod
    def sessions(self) -> list[Document]: ...

    @abstractmethod
    def tables(self, aggregate: str) -> list[Points]:
        """In the order of their headings."""


def heading_order(table: Points) -> tuple[object, ...]:
    """The same order however the tables came to be."""
    aggregate, writer, phase, names, kind, event = table.heading
    return (aggregate, writer, phase or "", names, kind, event is not None, event)
