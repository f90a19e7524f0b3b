"""The event catalogue as JSON Schema: one alternative for each type a line can have."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import typer

from mltracker.events.catalogue import REGISTRY, Event
from mltracker.events.upcasters import LATEST

ID = {"type": "string", "pattern": "^([0-9a-f]{32}:[0-9]+)?$"}
TIME = {"type": "string", "format": "date-time"}


def catalogue_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of one line of the log; `$defs` holds the payloads and their parts by name."""
    parts: dict[str, Any] = {}
    for event in REGISTRY.values():
        payload = event.model_json_schema(ref_template="#/$defs/{model}")
        parts |= payload.pop("$defs", {})
        payload.get("properties", {}).pop("stream", None)
        parts[event.type] = payload
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of an mltracker log",
        "oneOf": [_line(event) for event in REGISTRY.values()],
        "$defs": dict(sorted(parts.items())),
    }


def _line(event: type[Event]) -> dict[str, Any]:
    properties = {
        "seq": {"type": "integer", "minimum": 0},
        "at": TIME,
        "wall": TIME,
        "type": {"const": event.type},
        "v": {"const": event.version},
        "stream": ID,
        "data": {"$ref": f"#/$defs/{event.type}"},
        "crc": {"type": "string", "pattern": "^[0-9a-f]{8}$"},
    }
    return {"type": "object", "properties": properties, "required": [key for key in properties if key != "wall"]}


def unknown_type(name: str, others: Iterable[str] = ()) -> typer.BadParameter:
    """The error for an event type that is none, with those that come close."""
    known = sorted({*LATEST, *others})
    by_case = [each for each in known if each.lower() == name.lower()]
    close = by_case or get_close_matches(name, known, 3)
    hint = f"Did you mean {' or '.join(close)}?" if close else "`mltracker schema` shows all."
    return typer.BadParameter(f"no event type {name!r}. {hint}")
