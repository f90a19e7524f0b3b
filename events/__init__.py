"""Events: what happened, as immutable facts, and the log that keeps them.

The event classes are the typed API for logging events directly. They load on first use, since they need pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltracker.events.envelope import Recorded
from mltracker.events.log import EventLog, Problem, Receipt, Report

if TYPE_CHECKING:
    from mltracker.events.catalogue import (
        AggregateCreated,
        AggregateDeleted,
        CheckpointStored,
        ConfigChanged,
        DatasetData,
        Erased,
        Event,
        EventErased,
        ExperimentCreated,
        ExperimentDeleted,
        ExperimentRenamed,
        IterationCompleted,
        IterationFailed,
        IterationsCleared,
        IterationStarted,
        MetricRenamed,
        MetricRenameUndone,
        MetricsCleared,
        MetricSeriesRecorded,
        MetricsRecorded,
        MetricUnvoided,
        MetricVoided,
        ModuleAttached,
        ModuleData,
        ModuleDetached,
        NoteChanged,
        ReproductionRecorded,
        Restored,
        SessionDescribed,
        SessionEnded,
        SessionStarted,
        Steps,
        TagsChanged,
        TrainingCompleted,
        TrainingFailed,
        TrainingStarted,
    )

__all__ = [
    "AggregateCreated",
    "AggregateDeleted",
    "CheckpointStored",
    "ConfigChanged",
    "DatasetData",
    "Erased",
    "Event",
    "EventErased",
    "EventLog",
    "ExperimentCreated",
    "ExperimentDeleted",
    "ExperimentRenamed",
    "IterationCompleted",
    "IterationFailed",
    "IterationStarted",
    "IterationsCleared",
    "MetricRenameUndone",
    "MetricRenamed",
    "MetricSeriesRecorded",
    "MetricUnvoided",
    "MetricVoided",
    "MetricsCleared",
    "MetricsRecorded",
    "ModuleAttached",
    "ModuleData",
    "ModuleDetached",
    "NoteChanged",
    "Problem",
    "Receipt",
    "Recorded",
    "Report",
    "ReproductionRecorded",
    "Restored",
    "SessionDescribed",
    "SessionEnded",
    "SessionStarted",
    "Steps",
    "TagsChanged",
    "TrainingCompleted",
    "TrainingFailed",
    "TrainingStarted",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mltracker.events import catalogue

    value = globals()[name] = getattr(catalogue, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
