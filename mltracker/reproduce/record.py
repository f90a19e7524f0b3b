"""The verdict as an event on the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltracker.events.catalogue import ReproductionRecorded

if TYPE_CHECKING:
    from mltracker.events.log import Receipt
    from mltracker.models import Aggregate
    from mltracker.reproduce.verdict import Verdict
    from mltracker.tracker import Tracker

TAG = "reproduction_of"
"""The tag of experiments that hold a reproduction: it names the original."""


def record(tracker: Tracker, original: Aggregate, verdict: Verdict) -> Receipt:
    """Append it to the original's stream. Raises Closed, ReadOnly, AppendFailed."""
    event = ReproductionRecorded(
        stream=original.keys[0],
        verdict=verdict.verdict,
        reproduction=verdict.reproduction or "",
        details=verdict.compact(),
    )
    return tracker.append(event)
