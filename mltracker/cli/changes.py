"""What changed an aggregate: log ID."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mltracker.cli import output
from mltracker.cli.as_json import module_json
from mltracker.cli.ids import aggregate_of, past
from mltracker.cli.people import short_hash, who
from mltracker.events import values
from mltracker.models import Module

if TYPE_CHECKING:
    from mltracker.tracker.changes import Change

COLUMNS = ("at", "kind", "name", "before", "after", "who", "why")


def print_changes(
    store: str | None, id: str, as_of: str | None, *, points: bool, last: int | None, reverse: bool, json: bool
) -> None:
    """The changes of an aggregate, latest first. Raises NotFound."""
    with past(store, as_of) as view:
        changes: Iterable[Change] = aggregate_of(view, id).history(points=points)
        if last is not None or not reverse:
            kept = deque(changes, maxlen=last)
            changes = kept if reverse else reversed(kept)
        sessions = {session.id: who(session) for session in view.sessions()}
        if json:
            for change in changes:
                output.line(output.dumps(_json(change, sessions.get(change.session, ""))))
            return
        rows = [_row(change, sessions.get(change.session, "")) for change in changes]
    columns = COLUMNS if output.on_terminal() else (*COLUMNS, "id")
    output.table(columns, [row[: len(columns)] for row in rows])


def _row(change: Change, session: str) -> tuple[str, ...]:
    by = f"{change.by} ({session})" if change.by else session
    sides = (_text(change, side) for side in (change.before, change.after))
    return (output.moment(change.at), change.kind, output.short(change.name), *sides, by, change.why, change.id)


def _text(change: Change, side: Any) -> str:
    from mltracker.tracker.changes import ABSENT

    if side is ABSENT:
        return ""
    if isinstance(side, Module):
        return f"{side.name} ({short_hash(side.hash)})"
    if change.kind == "checkpoint":
        return short_hash(side)
    return "null" if side is None else output.text(side)


def _json(change: Change, session: str) -> dict[str, Any]:
    from mltracker.tracker.changes import ABSENT

    sides = {"before": change.before, "after": change.after}
    return {
        "at": output.exact(change.at),
        "kind": change.kind,
        "name": change.name,
        **{name: _encoded(change, side) for name, side in sides.items() if side is not ABSENT},
        "who": session,
        "by": change.by,
        "why": change.why,
        "session": change.session,
        "id": change.id,
    }


def _encoded(change: Change, side: Any) -> Any:
    if isinstance(side, Module):
        return module_json(side)
    if change.kind == "point":
        return values.encode_number(side)
    return values.encode(side) if change.kind in ("config", "tag") else side
