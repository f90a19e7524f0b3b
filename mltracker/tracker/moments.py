"""What users may mean by a moment, a stream or a type of events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from difflib import get_close_matches

from mltracker.errors import InvalidValue
from mltracker.events.catalogue import REGISTRY, Event
from mltracker.events.envelope import Recorded, format_time
from mltracker.events.history import EVENT_ID, Stamp, parse_moment
from mltracker.events.log import EventLog, Receipt
from mltracker.models import Aggregate, Experiment, Iteration, Metric

Moment = str | int | datetime | Recorded | Receipt | Metric | Iteration
"""A time: a datetime (a naive one is local time, as everywhere in Python), RFC 3339 text (without an offset it is UTC),
or microseconds since 1970 UTC. Or an event, and what history was right after it: its id `writer:seq`, itself as history
answered it, the receipt of an append, a point of a metric (or its id, `writer:seq:name[:index]`), an iteration."""

EventTypes = type[Event] | str | Iterable[type[Event] | str]


def spelled(moment: Moment) -> str:
    """As text: RFC 3339, or an event's id. Raises InvalidValue."""
    if isinstance(moment, datetime):
        return moment.astimezone(timezone.utc).isoformat()
    if isinstance(moment, int) and not isinstance(moment, bool):
        return _time(moment)
    if isinstance(moment, (Recorded, Receipt, Metric, Iteration)):
        if moment.id is None:
            raise InvalidValue(
                "moment", f"this {type(moment).__name__} was not read from a store", hint="Pass one of list()"
            )
        moment = moment.id
    if not isinstance(moment, str):
        raise InvalidValue("moment", f"must be a time or an event, not {type(moment).__name__}")
    event = ":".join(moment.split(":", 2)[:2])
    return event if EVENT_ID.fullmatch(event) else moment


def through(moment: Moment, log: EventLog) -> Stamp:
    """The stamp of the last event that is meant. Raises NotFound, InvalidValue."""
    return parse_moment(spelled(moment), log)


def after(moment: Moment, log: EventLog) -> Stamp:
    """What the first event that is meant comes after: an event, or all before a time. Raises NotFound, InvalidValue."""
    at, writer, seq = through(moment, log)
    return (at, writer, seq) if EVENT_ID.fullmatch(spelled(moment)) else (at, "", -1)


def streams(stream: object) -> set[str]:
    """The keys that are meant. Raises InvalidValue."""
    if isinstance(stream, (Experiment, Aggregate)):
        if not stream.keys:
            raise InvalidValue("stream", f"{stream!r} was not read from a store", hint="Pass one that was read")
        return set(stream.keys)
    if not isinstance(stream, str) or not EVENT_ID.fullmatch(stream):
        raise InvalidValue(
            "stream", f"must be an experiment, an aggregate or a key of one (writer:seq), not {stream!r}",
            hint="Such as tracker.experiment(name).aggregates.read(id)",
        )  # fmt: skip
    return {stream}


def type_names(types: EventTypes) -> set[str]:
    """Names of event types, known or not. Raises InvalidValue."""
    kinds: Iterable[object] = types if isinstance(types, Iterable) and not isinstance(types, str) else [types]
    return {_type_name(kind) for kind in kinds}


def require_known(names: set[str], met: set[str]) -> None:
    """Raises InvalidValue for a type that is neither of this release, nor registered, nor met in the log."""
    known = met | REGISTRY.keys()
    for name in sorted(names - known):
        close = get_close_matches(name, known)
        raise InvalidValue(
            "types", f"there is no event type {name!r}", hint=f"Did you mean {' or '.join(close)}?" if close else ""
        )


def _type_name(kind: object) -> str:
    name = getattr(kind, "type", kind)
    if not isinstance(name, str):
        raise InvalidValue("types", f"must be event classes or names of event types, not {kind!r}")
    return name


def _time(micros: int) -> str:
    try:
        return format_time(micros)
    except OverflowError:
        raise InvalidValue("moment", f"{micros} microseconds are no time of the calendar") from None
