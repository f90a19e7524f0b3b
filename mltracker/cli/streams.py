"""Which stream is whose, learnt from the history itself, so that deleted and renamed ones have their names too."""

from __future__ import annotations

from collections.abc import Iterable

from mltracker.errors import NotFound
from mltracker.events.envelope import Recorded


class Streams:
    """Names of streams as far as the history has been read."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}
        self._now: dict[str, str] = {}
        self._parents: dict[str, str] = {}

    def learn(self, event: Recorded) -> None:
        """Take note of the names that an event gives."""
        if event.type == "ExperimentCreated":
            self._name(event.id, event.data.get("name", ""))
        elif event.type == "ExperimentRenamed":
            self._name(event.stream, event.data.get("name", ""))
        elif event.type == "AggregateCreated":
            self._parents[event.id] = event.data.get("experiment", "")
            self._name(event.id, event.data.get("id", ""))

    def _name(self, key: str, name: str) -> None:
        self._names.setdefault(key, set()).add(name)
        self._now[key] = name

    def label(self, event: Recorded) -> str:
        """What people call the event's stream: mnist, mnist/1, session, or the stream's id."""
        key = event.stream or event.id
        name = self._now.get(key)
        if name is None:
            return "session" if event.type.startswith("Session") else key
        above = self._now.get(self._parents.get(key, ""))
        return name if above is None else f"{above}/{name}"

    def covers(self, wanted: str, event: Recorded) -> bool:
        """Whether the event's stream is `wanted`, by id or by any name it has borne, or lies below it."""
        key = event.stream or event.id
        return wanted == key or wanted in self._called(key) or wanted in self._called(self._parents.get(key, ""))

    def _called(self, key: str) -> set[str]:
        names = self._names.get(key, set())
        if key not in self._parents:
            return names
        return {f"{above}/{name}" for above in self._called(self._parents[key]) for name in names}

    def require(self, wanted: str, events: Iterable[Recorded]) -> None:
        """Learn every name there ever was. Raises NotFound where none of them, nor a stream's id, is `wanted`."""
        found = False
        for event in events:
            self.learn(event)
            found = found or self.covers(wanted, event)
        if not found:
            raise NotFound(f"no stream {wanted!r} in this history", hint="`mltracker log` shows what there is")
