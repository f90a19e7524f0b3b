"""Who did something, and what they did to what was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from mltracker.cli import output
from mltracker.models import Correction, Session

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate

INTERPRETER = "python"
SHORT_HASH = 8


def who(session: Session | None, by: str = "") -> str:
    """A session in short, host/pid/script; before it the person on whose behalf it acted."""
    if session is None:
        return by
    environment = session.environment
    words = [word for word in session.command if word != INTERPRETER and not word.startswith("-")]
    script = environment["script"]["path"] if "script" in environment else next(iter(words), "")
    parts = [session.host, "" if session.pid is None else str(session.pid), PurePath(script).name]
    label = "/".join(filter(None, parts)) or output.short(session.id)
    return f"{by} ({label})" if by else label


def code_of(session: Session | None) -> Mapping[str, Any] | None:
    """What the session found out of its code; None where it did not look, or not yet."""
    return None if session is None else session.environment.get("code")


def code_text(code: Mapping[str, Any] | None) -> str:
    """Code in one cell: its commit, the branch, whether anything was not committed."""
    if not code:
        return ""
    if not code.get("commit"):
        return str(code.get("problem", ""))
    branch = f" ({code['branch']})" if code.get("branch") else ""
    return f"{short_hash(code['commit'])}{branch}{' dirty' if code.get('dirty') else ''}"


def short_hash(hash: str) -> str:
    """Its first digits for people, whole for pipes."""
    return hash[:SHORT_HASH] if output.on_terminal() else hash


class Corrected(NamedTuple):
    """Corrections of one kind that somebody made one after the other, for one reason."""

    what: str
    who: str
    why: str
    at: int


def corrected(aggregate: TrackedAggregate) -> list[Corrected]:
    """The corrections of an aggregate in short, oldest first."""
    sessions = {session.id: session for session in aggregate.sessions}
    return corrections_in_short(aggregate.corrections, sessions)


def corrections_in_short(made: Sequence[Correction], sessions: Mapping[str, Session]) -> list[Corrected]:
    """Voided points are counted, all else is told one by one."""
    renames = {one.id: f"{one.name} to {one.to}" for one in made if one.kind == "rename"}
    told = []
    for (kind, session, by, why), group in groupby(made, lambda one: (one.kind, one.session, one.by, one.why)):
        for what, at in _told(kind, list(group), renames):
            told.append(Corrected(what, who(sessions.get(session), by), why, at))
    return told


def _told(kind: str, those: Sequence[Correction], renames: Mapping[str, str]) -> Iterable[tuple[str, int]]:
    number = output.count(len(those), "point")
    if kind in ("void", "unvoid"):
        yield f"{'voided' if kind == 'void' else 'brought back'} {number}", those[-1].at
        return
    for one in those:
        yield (
            {
                "rename": f"renamed {one.name} to {one.to}",
                "undo": f"took back that {renames.get(one.name, 'a metric')} was renamed",
                "clear": "cleared the metrics",
                "forget": "cleared the iterations",
            }.get(kind, kind),
            one.at,
        )
