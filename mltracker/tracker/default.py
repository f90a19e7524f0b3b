"""The tracker that `mltracker.get_experiment` and its siblings use: one per process and address."""

from __future__ import annotations

import os
from threading import Lock

from mltracker.tracker.aggregates import TrackedAggregates
from mltracker.tracker.experiments import TrackedExperiment, TrackedExperiments
from mltracker.tracker.opening import default_uri, open
from mltracker.tracker.tracker import Tracker

_trackers: dict[str, Tracker] = {}
_opening = Lock()


def get_experiment(name: str | None = None) -> TrackedExperiment:
    """Read or create an experiment of the default store ($MLTRACKER_URI, else ./.mltracker).

    None means the one named "default". Raises InvalidName, AppendFailed.
    """
    return _tracker().experiment(name)


def get_experiments_collection() -> TrackedExperiments:
    """The experiments of the default store: create, read, update, delete, list, restore."""
    return _tracker().experiments


def get_aggregates_collection(experiment: str | None = None) -> TrackedAggregates:
    """The aggregates of an experiment of the default store, which is created where it is missing."""
    return get_experiment(experiment).aggregates


def _tracker() -> Tracker:
    uri = default_uri()
    with _opening:
        tracker = _trackers.get(uri)
        if tracker is None or tracker.closed:
            tracker = _trackers[uri] = open()
        return tracker


def _renew_lock() -> None:
    global _opening
    _opening = Lock()


os.register_at_fork(after_in_child=_renew_lock)
