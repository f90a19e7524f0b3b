"""How things look in a notebook: small tables in which everything that users wrote is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mltracker.models import (
        Aggregate,
        Checkpoint,
        Correction,
        Dataset,
        Experiment,
        Iteration,
        Metric,
        Module,
        Reproduction,
    )

T = TypeVar("T")
LONGEST_TABLE = 100
LONGEST_CELL = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Rows(list[T]):
    """A list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return rows(self)


def rows(items: Sequence[Any]) -> str:
    """A table of things of one kind, cut after its first hundred."""
    return table((fields(item) for item in items[:LONGEST_TABLE]), len(items))


def table(records: Iterable[Mapping[str, object]], total: int) -> str:
    """A table of the first hundred records, out of so many."""
    shown = list(islice(records, LONGEST_TABLE))
    if not shown:
        return "<p>none</p>"
    names = list(dict.fromkeys(name for row in shown for name in row))
    body = "".join(_row("td", (row.get(name) for name in names)) for row in shown)
    more = f"<p>and {total - len(shown):,} more</p>" if total > len(shown) else ""
    return f"<table><thead>{_row('th', names)}</thead><tbody>{body}</tbody></table>{more}"


def card(item: object, more: Mapping[str, object] | None = None) -> str:
    """One thing: its kind, and a table of what it holds, and of what more is known of it."""
    kind = next(kind for kind in type(item).__mro__ if kind.__name__ in _FIELDS).__name__
    whole = {**fields(item), **(_REST[kind](item) if kind in _REST else {}), **(more or {})}
    held = {name: value for name, value in whole.items() if value not in (None, "", {})}
    body = "".join(f"<tr><th>{cell(name)}</th><td>{cell(value)}</td></tr>" for name, value in held.items())
    return f"<table><caption>{kind}</caption><tbody>{body}</tbody></table>"


def fields(item: object) -> dict[str, Any]:
    """What is shown of a thing, by name."""
    for kind in type(item).__mro__:
        if kind.__name__ in _FIELDS:
            return _FIELDS[kind.__name__](item)
    return {"": item}


def cell(value: object) -> str:
    """Any value as escaped text, of limited length."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        text = ", ".join(f"{key}={item!r}" for key, item in value.items())
    else:
        text = value if isinstance(value, str) else f"{value!r}"
    text = escape(text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + "…")
    return f'<span style="white-space: pre-wrap">{text}</span>' if "\n" in text else text


def _row(tag: str, cells: Iterable[object]) -> str:
    return "<tr>" + "".join(f"<{tag}>{cell(value)}</{tag}>" for value in cells) + "</tr>"


def _moment(micros: int | None) -> str | None:
    return None if micros is None else f"{_EPOCH + timedelta(microseconds=micros):%Y-%m-%d %H:%M:%S} UTC"


def _experiment(item: Experiment) -> dict[str, Any]:
    return {"name": item.name, "tags": item.tags, "note": item.note, "created": _moment(item.at)}


def _aggregate(item: Aggregate) -> dict[str, Any]:
    last = {f"{phase}/{name}" if phase else name: value for (phase, name), value in item.last.items()}
    described = {"id": item.id, "tags": item.tags, "note": item.note, "created": _moment(item.at)}
    return {**described, "last metrics": last}


def _aggregate_rest(item: Aggregate) -> dict[str, Any]:
    modules = ", ".join(f"{module.type} {module.name}" for module in item.modules)
    return {"epoch": item.epoch, "config": item.config, "modules": modules}


def _module(item: Module) -> dict[str, Any]:
    return {"type": item.type, "name": item.name, "hash": item.hash, "parameters": item.parameters}


def _dataset(item: Dataset) -> dict[str, Any]:
    return {"name": item.name, "hash": item.hash, "parameters": item.parameters}


def _metric(item: Metric) -> dict[str, Any]:
    places = {"step": item.step, "epoch": item.epoch, "batch": item.batch, "phase": item.phase}
    return {"name": item.name, "value": item.value, **places, "at": _moment(item.at)}


def _iteration(item: Iteration) -> dict[str, Any]:
    return {
        "phase": item.phase,
        "epoch": item.epoch,
        "status": item.status,
        "hash": item.hash,
        "dataset": item.dataset.name if item.dataset else None,
        "parameters": item.parameters,
        "modules": ", ".join(module.name for module in item.modules),
        "metrics": item.metrics,
        "seconds": item.duration,
        "batches": item.batches,
        "samples": item.samples,
        "started": _moment(item.at),
    }


def _checkpoint(item: Checkpoint) -> dict[str, Any]:
    return {"name": item.name, "bytes": item.size, "hash": item.hash, "at": _moment(item.at)}


def _reproduction(item: Reproduction) -> dict[str, Any]:
    return {"verdict": item.verdict, "reproduction": item.reproduction, "at": _moment(item.at)}


def _correction(item: Correction) -> dict[str, Any]:
    told = {"kind": item.kind, "name": item.name, "to": item.to, "why": item.why, "by": item.by}
    return {**told, "at": _moment(item.at or None), "session": item.session}


_FIELDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "Experiment": _experiment,
    "Aggregate": _aggregate,
    "Module": _module,
    "Dataset": _dataset,
    "Metric": _metric,
    "Iteration": _iteration,
    "Checkpoint": _checkpoint,
    "Reproduction": _reproduction,
    "Correction": _correction,
}
_REST: dict[str, Callable[[Any], dict[str, Any]]] = {"Aggregate": _aggregate_rest}
"""What a card shows besides."""
