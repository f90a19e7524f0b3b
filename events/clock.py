"""The hybrid logical clock of a writer: stamps that only grow, and are later than everything the writer has read."""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns

DAY = 86_400_000_000
"""Microseconds. What lies further ahead of the wall clock is taken for another machine's broken clock."""


def wall_clock() -> int:
    """Microseconds since 1970 UTC."""
    return time_ns() // 1000


class Clock:
    """`last` is the latest stamp given or observed.

    Times are microseconds since 1970 UTC. Not thread-safe: a log ticks under its lock.
    """

    __slots__ = ("last", "now")

    def __init__(self, last: int = 0, now: Callable[[], int] = wall_clock) -> None:
        self.last = last
        self.now = now

    def tick(self) -> tuple[int, int]:
        """The next stamp, later than all before, and the wall clock; a line carries both where they differ."""
        wall = self.now()
        self.last = at = wall if wall > self.last else self.last + 1
        return at, wall

    def observe(self, at: int) -> None:
        """Note an event that was read, so that what follows is stamped later; unless it is over a day ahead."""
        if at > self.last and at - self.now() <= DAY:
            self.last = at
