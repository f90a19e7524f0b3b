"""Where two aggregates differ: diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mltracker.cli import output
from mltracker.cli.code import print_code
from mltracker.cli.facts import Fact, Facts, differs, facts, trained_by
from mltracker.cli.ids import Json, Projection, Store, aggregate_at, complete_aggregate, past, reading, split_time
from mltracker.cli.people import code_of
from mltracker.events import values

if TYPE_CHECKING:
    from collections.abc import Mapping

ABSENT = object()
LONGEST_LIST = 8

Nested = dict[str, Any]
"""JSON, hence Any."""

SINGULAR = {
    "modules": "module",
    "parameters": "parameter",
    "tags": "tag",
    "metrics": "metric",
    "datasets": "dataset",
    "iterations": "iteration",
    "packages": "package",
    "corrections": "correction",
}


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="mnist/1, or mnist/1@WHEN.", autocompletion=complete_aggregate)],
    b: Annotated[
        str,
        typer.Argument(metavar="B", help="Another, or the same at another time.", autocompletion=complete_aggregate),
    ],
    store: Store = None,
    code: Annotated[bool, typer.Option("--code", help="Print the diff of their code instead.")] = False,
    projection: Projection = None,
    json: Json = False,
) -> None:
    """Show where two aggregates differ, or one at two times.

    Parameters, modules, datasets, iterations, code, environment, corrections, and metrics with what B has more.
    """
    if code and json:
        raise typer.BadParameter("choose one of --code and --json")
    sides: list[tuple[Facts, Mapping[str, Any] | None]] = []
    for id in (a, b):
        name, when = split_time(id)
        with past(store, when, projection) as view:
            aggregate = aggregate_at(view, name)
            sides.append(({} if code else dict(facts(aggregate)), code_of(trained_by(aggregate))))
    (left, one), (right, other) = sides
    if code:
        with reading(store, projection) as tracker:
            print_code((a, one), (b, other), tracker.blobs)
    else:
        _print_facts(a, left, b, right, json)


def _print_facts(a: str, left: Facts, b: str, right: Facts, json: bool) -> None:
    different = [
        fact for fact in dict.fromkeys([*left, *right]) if differs(left.get(fact, ABSENT), right.get(fact, ABSENT))
    ]
    if json:
        output.json(_nested(different, left, right))
    elif different:
        rows = [
            (
                SINGULAR.get(fact.kind, fact.kind),
                fact.label,
                _shown(left, fact),
                _shown(right, fact),
                delta(fact, left, right),
            )
            for fact in different
        ]
        output.table(("kind", "name", a, b, "delta"), rows)
    else:
        output.line("no difference")


def _nested(different: list[Fact], left: Facts, right: Facts) -> Nested:
    """By kind, then by name; metrics as a list, since a phase and a name make no key. What a side lacks is left out."""
    nested: Nested = {}
    for fact in different:
        sides = {side: _encoded(fact, facts[fact]) for side, facts in (("a", left), ("b", right)) if fact in facts}
        if fact.kind == "metrics":
            if (more := delta(fact, left, right)) is not None:
                sides["delta"] = values.encode_number(more)
            nested.setdefault("metrics", []).append({"phase": fact.phase, "name": fact.name, **sides})
        elif fact.name or fact.kind == "iterations":
            nested.setdefault(fact.kind, {})[fact.name] = sides
        else:
            nested[fact.kind] = sides
    return nested


def delta(fact: Fact, left: Facts, right: Facts) -> int | float | None:
    """What b has more of a metric that both have; a float where the difference of ints leaves 64 bits."""
    if fact.kind != "metrics" or fact not in left or fact not in right:
        return None
    more: int | float = right[fact] - left[fact]
    return more if isinstance(more, float) or more in values.INT64 else float(more)


def _encoded(fact: Fact, value: Any) -> Any:
    return values.encode_number(value) if fact.kind == "metrics" else values.encode(value)


def _shown(facts: Facts, fact: Fact) -> str:
    if fact not in facts:
        return ""
    value = facts[fact]
    if fact.kind == "modules":
        return ", ".join(f"{module['name']} ({module['hash']})" for module in value)
    if isinstance(value, list) and len(value) > LONGEST_LIST and output.on_terminal():
        return f"[{len(value)} values]"
    return "null" if value is None else output.text(value)
