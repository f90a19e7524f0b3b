"""The default log: JSON Lines, one segment per writer. FORMAT.md beside this folder is its description."""

from mltracker.events.segments.compact import CompactReport, compact
from mltracker.events.segments.erase import erase
from mltracker.events.segments.log import SegmentLog
from mltracker.events.segments.pull import PullReport, pull
from mltracker.events.segments.repair import repair

__all__ = ["CompactReport", "PullReport", "SegmentLog", "compact", "erase", "pull", "repair"]
