"""What happened: log, diff."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mltracker.cli import output
from mltracker.cli.as_json import event_json, series_name
from mltracker.cli.ids import AsOf, Json, Store, aggregate_of, complete_aggregate, past, segment_log, split_time
from mltracker.cli.streams import Streams
from mltracker.events import values
from mltracker.events.envelope import Recorded, format_time
from mltracker.events.history import merged, parse_moment
from mltracker.events.log import Reader, Section

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate

POLL_SECONDS = 0.2
LONGEST_LIST = 8
FOLLOWED_FROM = 10
"""Past events that --follow shows first, unless -n says otherwise."""

ABSENT = object()

Chosen = Callable[[Recorded], bool]


def log(
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
) -> None:
    """Show the history, latest event first."""
    if follow and as_of:
        raise typer.BadParameter("--follow shows what is to come; it cannot be combined with --as-of")
    streams = Streams()
    show = _print_json if json else partial(_print_event, streams=streams)
    with closing(segment_log(store)) as source:
        if stream is not None and not follow:
            streams.require(stream, source.history())
        chosen = partial(_chosen, streams=streams, stream=stream, types=frozenset(type or ()))
        if follow:
            with suppress(KeyboardInterrupt):
                _follow(source.reader(), chosen, show, FOLLOWED_FROM if last is None else last)
            return
        events: Iterable[Recorded] = filter(chosen, source.history(parse_moment(as_of, source) if as_of else None))
        if last is not None or not reverse:
            kept = deque(events, maxlen=last)
            events = kept if reverse else reversed(kept)
        for event in events:
            show(event)


def _chosen(event: Recorded, *, streams: Streams, stream: str | None, types: frozenset[str]) -> bool:
    streams.learn(event)
    return (stream is None or streams.covers(stream, event)) and (not types or event.type in types)


def _follow(reader: Reader, chosen: Chosen, show: Callable[[Recorded], None], last: int) -> None:
    first = True
    while True:
        arrived = [event for event in merged([Section(0, [batch]) for batch in reader.poll()]) if chosen(event)]
        for event in arrived[max(len(arrived) - last, 0) :] if first else arrived:
            show(event)
        first = False
        output.flush()
        time.sleep(POLL_SECONDS)


def _print_json(event: Recorded) -> None:
    output.line(output.dumps(event_json(event)))


def _print_event(event: Recorded, streams: Streams) -> None:
    where = streams.label(event)
    output.line(
        f"{format_time(event.at)}  {event.type:<21} {output.plain(where):<12} {summary(event.data)}  {event.id}"
    )


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


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="mnist/1, or mnist/1@WHEN.", autocompletion=complete_aggregate)],
    b: Annotated[
        str,
        typer.Argument(metavar="B", help="Another, or the same at another time.", autocompletion=complete_aggregate),
    ],
    store: Store = None,
    json: Json = False,
) -> None:
    """Show where two aggregates differ, or one at two times."""
    left, right = _facts(a, store), _facts(b, store)
    different = [
        key for key in dict.fromkeys([*left, *right]) if _differs(left.get(key, ABSENT), right.get(key, ABSENT))
    ]
    if json:
        sides = {"a": left, "b": right}
        output.json(
            {
                key: {side: values.encode(facts[key]) for side, facts in sides.items() if key in facts}
                for key in different
            }
        )
    elif different:
        output.table(("", a, b), [(key, _shown(left, key), _shown(right, key)) for key in different])
    else:
        output.line("no difference")


def _shown(facts: Mapping[str, Any], key: str) -> str:
    return "" if key not in facts else "null" if facts[key] is None else output.text(facts[key])


def _facts(id: str, store: str | None) -> dict[str, Any]:
    name, when = split_time(id)
    with past(store, when) as view:
        aggregate = aggregate_of(view, name)
        return dict(_facts_of(aggregate))


def _facts_of(aggregate: TrackedAggregate) -> Iterator[tuple[str, Any]]:
    yield "status", aggregate.status
    if aggregate.epoch is not None:
        yield "epoch", aggregate.epoch
    if aggregate.note:
        yield "note", aggregate.note
    for module in aggregate.modules:
        yield f"{module.type}", f"{module.name} ({module.hash})"
    for key, value in values.flatten(dict(aggregate.parameters)).items():
        yield key, value
    for key, value in aggregate.tags.items():
        yield f"tag {key}", value
    for (phase, name), value in sorted(aggregate.last.items(), key=lambda item: (item[0][0] or "", item[0][1])):
        yield series_name(phase, name), value


def _differs(one: Any, other: Any) -> bool:
    both_nan = one != one and other != other
    return not both_nan and (one != other or type(one) is not type(other))
