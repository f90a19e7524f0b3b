"""What folding rests on: registers that keep the stamp of the event that set them, and positions that only grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mltracker.projections.store import Document, Store

Stamp = list[Any]
"""`[at, writer, seq]`, as documents hold it."""


class Fact(NamedTuple):
    """An event to be folded. `shown` is the time that people see: the wall clock's where the stamp's ran ahead."""

    id: str
    stamp: Stamp
    shown: int
    stream: str
    data: dict[str, Any]


def assign(registers: Document, name: str, stamp: Stamp, value: Any) -> None:
    """Set a register `[stamp, value]` unless a later event did. A stamp may end with the place in its event."""
    held = registers.get(name)
    if held is None or stamp >= held[0]:
        registers[name] = [stamp, value]


def raise_position(positions: Document, position: Mapping[str, int]) -> None:
    """Pointwise maximum."""
    for writer, seq in position.items():
        positions[writer] = max(seq, positions.get(writer, -1))


def subject(store: Store, fact: Fact) -> Document:
    """The state that an event is about to change, who and when noted in it."""
    state = bystander(store, fact)
    state.setdefault("writers", {})[fact.stamp[1]] = True
    return state


def bystander(store: Store, fact: Fact) -> Document:
    """As `subject`, for an event that only says something about it: its writer does not count as one of them."""
    state = store.entity(fact.stream or fact.id)
    state["latest"] = max(fact.stamp, state.get("latest", fact.stamp))
    return state
