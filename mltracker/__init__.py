"""mltracker: an experiment tracker that never loses a number.

Importing it is cheap: every name is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mltracker.capture.registry import register
    from mltracker.capture.seeds import seed_everything
    from mltracker.errors import (
        AlreadyExists,
        AppendFailed,
        Closed,
        Damaged,
        FutureClock,
        InvalidMetric,
        InvalidName,
        InvalidParameters,
        InvalidValue,
        MissingExtra,
        MLTrackerError,
        NewerFormat,
        NotAStore,
        NotFound,
        Notice,
        ProjectionError,
        ReadOnly,
        StoreError,
        UnreadableEvent,
    )
    from mltracker.events.envelope import Recorded
    from mltracker.events.log import Report
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
        Session,
        Training,
    )
    from mltracker.reproduce.recipe import Recipe
    from mltracker.reproduce.verdict import Verdict
    from mltracker.series import Series
    from mltracker.tracker import Tracker, open
    from mltracker.tracker.aggregates import TrackedAggregate
    from mltracker.tracker.default import get_aggregates_collection, get_experiment, get_experiments_collection
    from mltracker.tracker.experiments import TrackedExperiment

_HOMES = {
    "mltracker.capture.seeds": "seed_everything",
    "mltracker.capture.registry": "register",
    "mltracker.errors": (
        "AlreadyExists AppendFailed Closed Damaged FutureClock InvalidMetric InvalidName InvalidParameters "
        "InvalidValue MLTrackerError MissingExtra NewerFormat NotAStore NotFound Notice ProjectionError ReadOnly "
        "StoreError UnreadableEvent"
    ),
    "mltracker.events.envelope": "Recorded",
    "mltracker.events.log": "Report",
    "mltracker.models": (
        "Aggregate Checkpoint Correction Dataset Experiment Iteration Metric Module Reproduction Session Training"
    ),
    "mltracker.reproduce.recipe": "Recipe",
    "mltracker.reproduce.verdict": "Verdict",
    "mltracker.series": "Series",
    "mltracker.tracker": "Tracker open",
    "mltracker.tracker.aggregates": "TrackedAggregate",
    "mltracker.tracker.default": "get_aggregates_collection get_experiment get_experiments_collection",
    "mltracker.tracker.experiments": "TrackedExperiment",
}
_IMPORTED = {"TYPE_CHECKING", "annotations", "import_module"}
"""What this file itself needs, and offers to nobody."""
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Aggregate",
    "AlreadyExists",
    "AppendFailed",
    "Checkpoint",
    "Closed",
    "Correction",
    "Damaged",
    "Dataset",
    "Experiment",
    "FutureClock",
    "InvalidMetric",
    "InvalidName",
    "InvalidParameters",
    "InvalidValue",
    "Iteration",
    "MLTrackerError",
    "Metric",
    "MissingExtra",
    "Module",
    "NewerFormat",
    "NotAStore",
    "NotFound",
    "Notice",
    "ProjectionError",
    "ReadOnly",
    "Recipe",
    "Recorded",
    "Report",
    "Reproduction",
    "Series",
    "Session",
    "StoreError",
    "TrackedAggregate",
    "TrackedExperiment",
    "Tracker",
    "Training",
    "UnreadableEvent",
    "Verdict",
    "get_aggregates_collection",
    "get_experiment",
    "get_experiments_collection",
    "open",
    "register",
    "seed_everything",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'mltracker' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - _IMPORTED)
