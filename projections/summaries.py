"""What people and queries see of an experiment or aggregate, worked out of the state of its keys and its tables.

Several keys that mean one thing are merged register by register, so a summary of many keys reads like that of one.
What is empty is left out: lists of ten thousand are made of these. `deletion` is there if it is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from mltracker.events.values import encode_number
from mltracker.projections.columns import Points
from mltracker.projections.corrections import Corrections, Piece
from mltracker.projections.fold import highest
from mltracker.projections.store import Document, Store

Latest = dict[tuple[str | None, str], tuple[tuple[int, str, int, int], float]]


def summarize(store: Store, states: Sequence[Document]) -> Document:
    """The summary of one thing's keys, oldest first."""
    state = merged(states)
    summary = {
        "key": state["key"],
        "kind": state["kind"],
        "created": state["created"],
        "at": state["at"],
        "deletion": _deletion(state),
        "tags": {key: value[0] for key, (_, value) in _by_stamp(state.get("tags")) if value},
        "note": state["note"][1] if "note" in state else "",
    }
    if state["kind"] == "experiment":
        summary = {"name": state["name"][1], **summary}
    else:
        summary = {
            "id": state["id"],
            "experiment": state["experiment"],
            **summary,
            **_aggregate(store, state, states),
        }
    return {name: value for name, value in summary.items() if value or value == 0}


def _deletion(state: Document) -> Any:
    register = state.get("deletion")
    return register if register is not None and register[1] is not None else None


def _aggregate(store: Store, state: Document, states: Sequence[Document]) -> Document:
    last, epoch = standing(
        (table, corrections)
        for corrections, key in [(Corrections(one), one["key"]) for one in states]
        for table in store.tables(key)
    )
    return {
        "config": config(state.get("config", {})),
        "modules": modules(state),
        "trainings": trainings(state.get("trainings", {})),
        "epoch": state["epoch"] if state.get("epoch") is not None else epoch,
        "last": _by_phase(last),
    }


def _by_phase(last: Latest) -> list[tuple[str | None, dict[str, int | float | str]]]:
    phases: dict[str | None, dict[str, int | float | str]] = {}
    for phase, name in sorted(last, key=series_order):
        phases.setdefault(phase, {})[name] = encode_number(last[phase, name][1])
    return list(phases.items())


def series_order(series: tuple[str | None, str]) -> tuple[str, str]:
    return (series[0] or "", series[1])


def _by_stamp(registers: Document | None) -> list[tuple[str, Any]]:
    return sorted((registers or {}).items(), key=lambda item: item[1][0])


def modules(state: Document) -> list[Document]:
    """Those attached, in the order of their attachment."""
    return [module for _, (_, module) in _by_stamp(state.get("modules")) if module]


def config(settings: Document) -> Document:
    """The flat config: of keys above and below each other, the older ones are hidden."""
    hidden = set()
    for key in settings:
        for above in _above(key):
            if above in settings and "set" in settings[above] and "set" in settings[key]:
                older, newer = sorted((above, key), key=lambda one: settings[one]["set"][0])
                if settings[older]["set"][0][:3] < settings[newer]["set"][0][:3]:
                    hidden.add(older)
    held = [
        (*setting["set"], key)
        for key, setting in settings.items()
        if key not in hidden and "set" in setting and setting["set"][0] > setting.get("removed", [])
    ]
    return {key: value for _, value, key in sorted(held, key=lambda item: item[0])}


def _above(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def trainings(held: Document) -> list[Document]:
    """Those that were started, in the order of their start."""
    started = sorted((item["started"], id) for id, item in held.items() if "started" in item)
    return [{"id": id, "started_at": shown, **_ended(held[id].get("ended"))} for (_, shown), id in started]


def _ended(register: Any) -> Document:
    if register is None:
        return {}
    how, at, error = register[1]
    return {"ended": how, "ended_at": at, "error": error}


# Several keys --------------------------------------------------------------------------------------------------------


def merged(states: Sequence[Document]) -> Document:
    """One state for the keys of one thing, oldest first. The corrections of their points are not merged."""
    if len(states) == 1:
        return states[0]
    result = dict(states[0])
    for state in states[1:]:
        result["latest"] = max(result["latest"], state["latest"])
        result["epoch"] = highest(result.get("epoch"), state.get("epoch"))
        for name in ("tags", "modules"):
            result[name] = _merged_registers(result.get(name, {}), state.get(name, {}))
        notes = [register for register in (result.get("note"), state.get("note")) if register is not None]
        if notes:
            result["note"] = max(notes, key=lambda register: register[0])
        result["trainings"] = {**result.get("trainings", {}), **state.get("trainings", {})}
        result["config"] = _merged_config(result.get("config", {}), state.get("config", {}))
    return result


def _merged_registers(one: Document, other: Document) -> Document:
    result = dict(one)
    for key, register in other.items():
        if key not in result or register[0] >= result[key][0]:
            result[key] = register
    return result


def _merged_config(one: Document, other: Document) -> Document:
    result = dict(one)
    for key, setting in other.items():
        held = result.get(key, {})
        both = {**held, **setting}
        if "set" in held and "set" in setting:
            both["set"] = max(held["set"], setting["set"], key=lambda register: register[0])
        if "removed" in held and "removed" in setting:
            both["removed"] = max(held["removed"], setting["removed"])
        result[key] = both
    return result


# Points --------------------------------------------------------------------------------------------------------------


def standing(tables: Iterable[tuple[Points, Corrections]]) -> tuple[Latest, int | None]:
    """The latest visible value of each (phase, name) with its stamp, and the highest epoch of visible points."""
    last: Latest = {}
    top: int | None = None
    for table, corrections in tables:
        if corrections.touch(table):
            for piece in corrections.pieces(table):
                if piece.size:
                    _keep_latest(last, table, piece)
                    top = highest(top, _highest_epoch(table, piece))
        else:
            tail, heading = table.tail, table.heading
            for position, (name, value) in enumerate(zip(heading.names, tail.values, strict=True)):
                series = (heading.phase, name)
                place = tail.last_index if heading.series else position
                stamp = (tail.last_at, heading.writer, tail.last_seq, place)
                if series not in last or last[series][0] < stamp:
                    last[series] = (stamp, value)
            top = highest(top, tail.epoch)
    return last, top


def _keep_latest(last: Latest, table: Points, piece: Piece) -> None:
    row, heading = piece.newest(), table.heading
    series = (heading.phase, piece.name)
    place = table.column("indexes")[row] if heading.series else heading.place(piece.position)
    stamp = (table.column("ats")[row], heading.writer, table.column("seqs")[row], place)
    if series not in last or last[series][0] < stamp:
        last[series] = (stamp, table.numbers(piece.position)[row])


def _highest_epoch(table: Points, piece: Piece) -> int | None:
    top = None
    for before, after in pairwise([piece.start - 1, *piece.left_out, piece.stop]):
        top = highest(top, table.highest_epoch(before + 1, after))
    return top
