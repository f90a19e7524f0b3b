"""The base of a user's own projection: handlers by event type, a state of JSON, queries as plain methods.

class BestLoss(Projection):
    name, version = "best_loss", 1

    @on(MetricsRecorded)
    def lowest(self, event):
        loss = event.event.values.get("loss")
        if loss is not None:
            self.state[event.stream] = min(loss, self.state.get(event.stream, loss))

    def best(self, key):
        return self.state.get(key)

tracker.view(BestLoss).best(key)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mltracker.errors import InvalidName, InvalidValue, ProjectionError
from mltracker.events import values
from mltracker.events.upcasters import LATEST

if TYPE_CHECKING:
    from mltracker.events.catalogue import Event
    from mltracker.events.envelope import Recorded

Method = TypeVar("Method", bound=Callable[..., None])

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
TAKEN = frozenset({"memory", "tinydb", "sqlite"})


def on(*events: type[Event] | str) -> Callable[[Method], Method]:
    """Mark a method as the handler of these event types, given as classes or by name. Raises InvalidValue."""
    types = tuple(event if isinstance(event, str) else getattr(event, "type", event) for event in events)
    if not types or not all(isinstance(name, str) for name in types):
        raise InvalidValue("on", f"takes event classes or names of event types, not {events!r}")

    def mark(method: Method) -> Method:
        method.__dict__["handles"] = types
        return method

    return mark


class Projection:
    """Fold events into `state`, which may be anything of JSON (its keys strings), and answer queries from it.

    A handler is a pure function of state and event: no clock, no randomness, no other read model. Raise `version`
    whenever a handler changes; the state is then folded again. With `commutes = True` the order of events does not
    matter; else they come in the order of their stamps, and one that arrives late folds again what followed it.

    An incomplete class fails when it is defined: InvalidName for its name, InvalidValue for its version or an event
    type that is not registered.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    commutes: ClassVar[bool] = False
    handlers: ClassVar[dict[str, str]] = {}
    """Event type -> name of the method; collected from the methods marked with `on`."""

    state: Any

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        _check_name(cls)
        cls.handlers = _collect(cls)

    def __init__(self) -> None:
        self.state = self.start()
        self._tried: set[str] = set()
        check_state(self.state, f"{self.name}: what start() returned")

    def start(self) -> Any:
        """The state before any event. Override for another than an empty dict."""
        return {}

    def apply(self, event: Recorded) -> None:
        """Hand the event to its handler, if there is one. Raises ProjectionError naming projection, event and type."""
        handler = self.handlers.get(event.type)
        if handler is None:
            return
        try:
            getattr(self, handler)(event)
            if handler not in self._tried:
                check_state(self.state, f"{self.name}: the state after {handler}()")
                self._tried.add(handler)
        except Exception as error:
            raise ProjectionError(
                f"projection {self.name} v{self.version}: {handler}() failed on event {event.id} ({event.type}): "
                f"{type(error).__name__}: {error}",
                hint="Correct the handler and raise the projection's version",
            ) from error


def _check_name(cls: type[Projection]) -> None:
    name: object = getattr(cls, "name", None)
    version: object = cls.version
    if not isinstance(name, str) or not NAME.fullmatch(name):
        rule = f"must be letters, digits and underscores, starting with a letter, at most 100, not {name!r}"
        raise InvalidName(f"{cls.__qualname__}.name", rule, hint=f'Write: name, version = "{_suggest(cls)}", 1')
    if name in TAKEN:
        raise InvalidName(f"{cls.__qualname__}.name", f"{name!r} is the name of a built-in read model")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidValue(f"{cls.__qualname__}.version", f"must be an int from 1 on, not {version!r}")


def _suggest(cls: type) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def _collect(cls: type[Projection]) -> dict[str, str]:
    handlers: dict[str, str] = {}
    for attribute, method in inspect.getmembers(cls, callable):
        for event_type in getattr(method, "handles", ()):
            _check_type(event_type, f"{cls.__qualname__}.{attribute}")
            other = handlers.setdefault(event_type, attribute)
            if other != attribute:
                raise InvalidValue(f"{cls.__qualname__}.{attribute}", f"{event_type} is handled by {other}() already")
    return handlers


def _check_type(event_type: str, where: str) -> None:
    if event_type not in LATEST:
        close = get_close_matches(event_type, LATEST, 1)
        hint = f"Did you mean {close[0]}?" if close else "Define its class (a subclass of Event) first"
        raise InvalidValue(where, f"no event type {event_type!r} is registered", hint=hint)


def check_state(value: Any, where: str, depth: int = 0) -> None:
    """Raise InvalidValue, with the path, for what would not come back from JSON as it was."""
    if value is None or isinstance(value, (str, bool, float)):
        return
    if depth > values.DEEPEST:
        raise InvalidValue(where, f"nesting beyond {values.DEEPEST} levels")
    if isinstance(value, int):
        if value not in values.INT64:
            raise InvalidValue(where, "an int must fit into signed 64 bits")
    elif type(value) is dict:
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidValue(where, f"a key must be a string, not {key!r}", hint="Write str(key)")
            check_state(item, f"{where}, {key!r}", depth + 1)
    elif type(value) is list:
        for index, item in enumerate(value):
            check_state(item, f"{where}, [{index}]", depth + 1)
    else:
        raise InvalidValue(where, f"{type(value).__name__} is not of JSON", hint="Use dicts, lists, text and numbers")
