"""An aggregate's config: a mapping that is read live and changed by events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Self

from mltracker.commands import check, contents
from mltracker.commands.given import Given
from mltracker.models import Aggregate
from mltracker.ports import ReadModel
from mltracker.tracker.access import Access


class Config(MutableMapping[str, Any]):
    """Flat, its keys joined by dots. Each change is an event at once: history keeps what it was.

    `config["optimizer"] = {"lr": 0.1}` sets `optimizer.lr`, and `del config["optimizer"]` removes all that is below.
    """

    def __init__(self, access: Access, find: Callable[[ReadModel], Aggregate]) -> None:
        self._access = access
        self._find = find

    def update(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> None:  # type: ignore[override]
        """Set what a nested mapping holds; what it does not name stays. Raises InvalidParameters, NotFound."""
        merged = {**check.parameters("config", {} if changes is None else changes), **more}
        self._access.decide(lambda given: contents.change_config(given, self._now(given), merged))

    def remove(self, *keys: str) -> None:
        """Remove flat keys, or all that is below them. Raises NotFound where there is nothing."""
        self._access.decide(lambda given: contents.remove_config(given, self._now(given), keys))

    def clear(self) -> None:
        """Remove everything."""
        self.remove(*self)

    def __ior__(self, changes: Mapping[str, Any]) -> Self:
        self.update(changes)
        return self

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        self.remove(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())

    def _read(self) -> dict[str, Any]:
        return self._access.ask(lambda model: dict(self._find(model).config))

    def _now(self, given: Given) -> Aggregate:
        return self._find(given.model)
