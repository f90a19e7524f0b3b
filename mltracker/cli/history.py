"""What happened: log."""

from __future__ import annotations

import signal
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mltracker.cli import output
from mltracker.cli.as_json import event_json
from mltracker.cli.changes import print_changes
from mltracker.cli.ids import AsOf, Store, complete_aggregate, reading, segment_log
from mltracker.cli.schema import unknown_type
from mltracker.cli.streams import Streams
from mltracker.errors import Notice
from mltracker.events import values
from mltracker.events.envelope import Recorded, format_time
from mltracker.events.history import merged
from mltracker.events.log import Reader, Section
from mltracker.events.upcasters import LATEST

if TYPE_CHECKING:
    from mltracker.tracker import Tracker

POLL_SECONDS = 0.2
LONGEST_LIST = 8
FOLLOWED_FROM = 10
"""Past events that --follow shows first, unless -n says otherwise."""
TYPE_WIDTH = max(map(len, LATEST))
STREAM_WIDTH = 20
ID_WIDTH = len("01234567:1234")
EMPTY: tuple[object, ...] = ("", [], {}, None)

Chosen = Callable[[Recorded], bool]
Show = Callable[[Recorded], None]


def log(
    id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="The changes of one aggregate, such as mnist/1: before and after, who, why.",
            autocompletion=complete_aggregate,
        ),
    ] = None,
    store: Store = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events arrive; oldest first.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
    stream: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Of one experiment or aggregate, or of a stream's id.", autocompletion=complete_aggregate
        ),
    ] = None,
    type: Annotated[
        list[str] | None, typer.Option(metavar="TYPE", help="Only events of this type; repeatable.")
    ] = None,
    as_of: AsOf = None,
    last: Annotated[int | None, typer.Option("-n", min=0, help="Only the last N events.")] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Oldest first.")] = False,
    points: Annotated[bool, typer.Option("--points", help="With ID: metrics that were recorded, too.")] = False,
) -> None:
    """Show the history, latest event first.

    A pipe gets time, type, stream, content and id between tabs.
    """
    if follow and as_of:
        raise typer.BadParameter("--follow shows what is to come; it cannot be combined with --as-of")
    if id is not None:
        if follow or stream is not None or type:
            raise typer.BadParameter("ID shows changes; for the events of one aggregate use --stream ID without it")
        print_changes(store, id, as_of, points=points, last=last, reverse=reverse, json=json)
        return
    if points:
        raise typer.BadParameter("--points goes with an ID")
    streams = Streams()
    show = _print_json if json else partial(_print_event, streams=streams)
    if follow:
        _follow_store(store, streams, show, stream, type or [], FOLLOWED_FROM if last is None else last)
        return
    with reading(store) as tracker:
        _require(tracker, streams, stream, type or [])
        chosen = partial(_chosen, streams=streams, stream=stream, types=frozenset(type or ()))
        events: Iterable[Recorded] = filter(chosen, tracker.history(until=as_of))
        if last is not None or not reverse:
            kept = deque(events, maxlen=last)
            events = kept if reverse else reversed(kept)
        for event in events:
            show(event)


def _require(tracker: Tracker, streams: Streams, stream: str | None, types: Sequence[str]) -> None:
    """Learn the names of streams. Raises NotFound for a stream, BadParameter for a type that never was."""
    if stream is not None:
        streams.require(stream, tracker.history())
    unknown = {type for type in types if type not in LATEST}
    if unknown:  # a type of the user's own is known by the events that have it
        met = {event.type for event in tracker.history()}
        for type in sorted(unknown - met):
            raise unknown_type(type, met)


def _follow_store(
    store: str | None, streams: Streams, show: Show, stream: str | None, types: Sequence[str], last: int
) -> None:
    for type in types:
        if type not in LATEST:
            warnings.warn(Notice(f"this release has no event type {type!r}; waiting for one"), stacklevel=2)
    chosen = partial(_chosen, streams=streams, stream=stream, types=frozenset(types))
    with closing(segment_log(store)) as source, _interrupted() as stop:
        _follow(source.reader(), chosen, show, last, stop)


@contextmanager
def _interrupted() -> Iterator[Event]:
    """Set by Ctrl-C. As an exception it could land where it is only printed and passed over, in a finalizer."""
    stop = Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _chosen(event: Recorded, *, streams: Streams, stream: str | None, types: frozenset[str]) -> bool:
    streams.learn(event)
    return (stream is None or streams.covers(stream, event)) and (not types or event.type in types)


def _follow(reader: Reader, chosen: Chosen, show: Show, last: int, stop: Event) -> None:
    first = True
    while first or not stop.wait(POLL_SECONDS):
        arrived = [event for event in merged([Section(0, [batch]) for batch in reader.poll()]) if chosen(event)]
        for event in arrived[max(len(arrived) - last, 0) :] if first else arrived:
            show(event)
        for problem in reader.notices:
            where = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
            warnings.warn(Notice(f"{where}: {problem.reason}"), stacklevel=2)
        first = False
        output.flush()


def _print_json(event: Recorded) -> None:
    output.line(output.dumps(event_json(event)))


def _print_event(event: Recorded, streams: Streams) -> None:
    where = output.plain(streams.label(event))
    if not output.on_terminal():
        output.cells([(format_time(event.at), event.type, where, summary(event.data), event.id)])
        return
    filled = {key: value for key, value in event.data.items() if value not in EMPTY}
    columns = (
        output.moment(event.at),
        output.fit(event.type, TYPE_WIDTH),
        output.fit(output.short(where), STREAM_WIDTH),
        output.short(event.id).ljust(ID_WIDTH),
        output.short(summary(filled)),
    )
    output.line("  ".join(columns).rstrip())


def summary(data: Mapping[str, Any]) -> str:
    """What an event carries, in one line; long lists by their length."""
    flat = values.flatten({key: value for key, value in data.items() if key != "values"})
    if isinstance(data.get("values"), dict):
        flat = {**data["values"], **flat}
    elif "values" in data:
        flat["values"] = data["values"]
    return " ".join(f"{output.plain(key)}={_short(value)}" for key, value in flat.items())


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > LONGEST_LIST:
        return f"[{len(value)} values]"
    return output.text(value)
