"""The folder of segments, listed only when it may have changed."""

from __future__ import annotations

import time
from pathlib import Path

from mltracker.events.segments.layout import SUFFIX, segment_names

RELIST_SECONDS = 10.0
"""It is listed at least this often, for network file systems whose folder times come late."""
COARSE_NS = 1_000_000_000
"""A folder changed this short before it was listed may have changed again within the same tick of its clock."""


class Folder:
    """Names in a folder that other processes add to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._changed_ns = -1
        self._listed_ns = 0
        self._listed = float("-inf")

    def may_have_changed(self) -> bool:
        changed = self._mtime()
        return (
            changed != self._changed_ns
            or self._listed_ns - changed < COARSE_NS
            or time.monotonic() - self._listed > RELIST_SECONDS
        )

    def names(self, suffix: str = SUFFIX) -> list[str]:
        self._listed, self._listed_ns = time.monotonic(), time.time_ns()
        self._changed_ns = self._mtime()
        return segment_names(self.path, suffix)

    def forget(self) -> None:
        """List it at the next chance, whatever its times say."""
        self._changed_ns = -1

    def _mtime(self) -> int:
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return 0
