"""Where two aggregates differ: diff."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mltracker.cli import output
from mltracker.cli.ids import Json, Projection, Store, aggregate_at, complete_aggregate, past, split_time
from mltracker.cli.summaries import in_order, series_name
from mltracker.events import values

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate

ABSENT = object()

Nested = dict[str, Any]
"""JSON, hence Any."""


class Fact(NamedTuple):
    """What can differ: a kind, such as config or metric, and a name within it; a metric's phase stands before it."""

    kind: str
    name: str = ""
    phase: str | None = None

    @property
    def label(self) -> str:
        return series_name(self.phase, self.name) if self.kind == "metrics" else self.name


Facts = dict[Fact, Any]
"""Values of config, parameters and tags may be anything of JSON, hence Any."""

SINGULAR = {"modules": "module", "parameters": "parameter", "tags": "tag", "metrics": "metric"}


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="mnist/1, or mnist/1@WHEN.", autocompletion=complete_aggregate)],
    b: Annotated[
        str,
        typer.Argument(metavar="B", help="Another, or the same at another time.", autocompletion=complete_aggregate),
    ],
    store: Store = None,
    projection: Projection = None,
    json: Json = False,
) -> None:
    """Show where two aggregates differ, or one at two times."""
    sides: list[Facts] = []
    for id in (a, b):
        name, when = split_time(id)
        with past(store, when, projection) as view:
            sides.append(dict(_facts(aggregate_at(view, name))))
    left, right = sides
    different = [
        fact for fact in dict.fromkeys([*left, *right]) if _differs(left.get(fact, ABSENT), right.get(fact, ABSENT))
    ]
    if json:
        output.json(_nested(different, left, right))
    elif different:
        rows = [
            (SINGULAR.get(fact.kind, fact.kind), fact.label, _shown(left, fact), _shown(right, fact))
            for fact in different
        ]
        output.table(("kind", "name", a, b), rows)
    else:
        output.line("no difference")


def _nested(different: list[Fact], left: Facts, right: Facts) -> Nested:
    """By kind, then by name; metrics as a list, since a phase and a name make no key. What a side lacks is left out."""
    nested: Nested = {}
    for fact in different:
        sides = {side: _encoded(fact, facts[fact]) for side, facts in (("a", left), ("b", right)) if fact in facts}
        if fact.kind == "metrics":
            nested.setdefault("metrics", []).append({"phase": fact.phase, "name": fact.name, **sides})
        elif fact.name:
            nested.setdefault(fact.kind, {})[fact.name] = sides
        else:
            nested[fact.kind] = sides
    return nested


def _encoded(fact: Fact, value: Any) -> Any:
    return values.encode_number(value) if fact.kind == "metrics" else values.encode(value)


def _shown(facts: Facts, fact: Fact) -> str:
    if fact not in facts:
        return ""
    if fact.kind == "modules":
        return ", ".join(f"{module['name']} ({module['hash']})" for module in facts[fact])
    return "null" if facts[fact] is None else output.text(facts[fact])


def _facts(aggregate: TrackedAggregate) -> Iterator[tuple[Fact, Any]]:
    yield Fact("status"), aggregate.status
    if aggregate.epoch is not None:
        yield Fact("epoch"), aggregate.epoch
    if aggregate.note:
        yield Fact("note"), aggregate.note
    modules: dict[str, list[dict[str, str]]] = {}
    for module in aggregate.modules:
        modules.setdefault(module.type, []).append({"name": module.name, "hash": module.hash})
    for type, those in modules.items():
        yield Fact("modules", type), those
    config = values.flatten(dict(aggregate.config))
    for key, value in config.items():
        yield Fact("config", key), value
    for key, value in aggregate.parameters.items():
        if key not in config:
            yield Fact("parameters", key), value
    for key, value in aggregate.tags.items():
        yield Fact("tags", key), value
    for phase, name in in_order(aggregate.last):
        yield Fact("metrics", name, phase), aggregate.last[phase, name]


def _differs(one: Any, other: Any) -> bool:
    both_nan = one != one and other != other
    return not both_nan and (one != other or type(one) is not type(other))
