"""What a decision rests on, and what decisions have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import orjson

from mltracker.commands import check
from mltracker.errors import FutureClock, NotFound
from mltracker.events import values
from mltracker.events.catalogue import Event, NoteChanged, TagsChanged
from mltracker.ports import ReadModel
from mltracker.ports.read_model import Hidden

DAY = 86_400_000_000
"""Microseconds. An event further ahead of this machine's clock was written under a broken one."""


@dataclass(frozen=True, slots=True)
class Given:
    """The read model, the wall clock in microseconds since 1970 UTC, and this process's writer if it has one."""

    model: ReadModel
    now: int
    writer: str | None = None

    def rests_on(self, keys: Sequence[str]) -> None:
        """Raises FutureClock where these keys' state is stamped too far in the future by another writer."""
        stamp = self.model.latest_stamp(keys)
        if stamp is not None:
            self.follows(stamp)

    def follows(self, stamp: tuple[int, str, int]) -> None:
        """Raises FutureClock where an event that comes now could not be later than that one."""
        at, writer, _ = stamp
        if writer != self.writer and at > self.now + DAY:
            raise FutureClock(
                f"this depends on an event of writer {writer}, stamped {(at - self.now) / DAY:.1f} days in the future",
                hint="Set the clock of the machine that wrote it, and repeat this once that time has come",
            )


class Seen(NamedTuple):
    """What the caller read, to find what it changed since."""

    name: str
    tags: Mapping[str, Any]
    note: str


class Described(Protocol):
    """Tags and note, as experiments and aggregates have them."""

    tags: dict[str, Any]
    note: str


def same(one: object, other: object) -> bool:
    """Equal as JSON: 1 is not 1.0 and not True, NaN is NaN."""
    return canonical(one) == canonical(other)


def canonical(value: object) -> bytes:
    """One spelling of anything of JSON. Raises InvalidParameters."""
    return orjson.dumps(values.encode(value), option=orjson.OPT_SORT_KEYS)


def differences(seen: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What was set and what was removed on the way from `seen` to `now`."""
    changes = {key: value for key, value in now.items() if key not in seen or not same(seen[key], value)}
    return changes, [key for key in seen if key not in now]


def description(keys: Sequence[str], seen: Seen, after: Described) -> list[Event]:
    """The events that carry changed tags and note: one per key."""
    changes, removed = differences(seen.tags, check.parameters("tags", after.tags))
    note = check.text("note", after.note)
    events: list[Event] = []
    for key in keys:
        if changes or removed:
            events.append(TagsChanged(stream=key, changes=changes, removed=removed))
        if note != seen.note:
            events.append(NoteChanged(stream=key, text=note))
    return events


def last_deletion(given: Given, hidden: Sequence[Hidden], what: str) -> tuple[str, list[str]]:
    """The last delete and the keys that it hid. Raises NotFound, FutureClock."""
    if not hidden:
        raise NotFound(f"there is no deleted {what} to restore")
    last = max(hidden, key=lambda entry: entry.stamp)
    given.follows(last.stamp)
    return last.deletion, [entry.key for entry in hidden if entry.deletion == last.deletion]
