"""The composition root: `open` puts a log, a projection and the collections together. Only here are they named."""

from mltracker.tracker.opening import open
from mltracker.tracker.tracker import PastTracker, Tracker, TrackerQueries

__all__ = ["PastTracker", "Tracker", "TrackerQueries", "open"]
