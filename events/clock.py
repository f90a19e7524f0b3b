"""The hybrid logical clock of a writer: stamps that only grow, and are later than everything the writer has read."""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns

from mltracker.errors import FutureClock

DAY = 86_400_000_000
"""Microseconds. What lies further ahead of the wall clock is taken for another machine's broken clock."""


def wall_clock() -> int:
    """Microseconds since 1970 UTC."""
    return time_ns() // 1000


class Clock:
    """`last` is the latest stamp given or observed, `ahead` the latest stamp of each writer too far in the future.

    Times are microseconds since 1970 UTC. Not thread-safe: a log ticks under its lock.
    """

    __slots__ = ("ahead", "last", "now")

    def __init__(self, last: int = 0, now: Callable[[], int] = wall_clock) -> None:
        self.last = last
        self.now = now
        self.ahead: dict[str, int] = {}

    def tick(self) -> tuple[int, int]:
        """The next stamp, later than all before, and the wall clock; a line carries both where they differ."""
        wall = self.now()
        self.last = at = wall if wall > self.last else self.last + 1
        return at, wall

    def observe(self, at: int, writer: str) -> None:
        """Note an event that was read, so that what follows is stamped later; unless it is over a day ahead."""
        if at <= self.last:
            return
        if at - self.now() <= DAY:
            self.last = at
        else:
            self.ahead[writer] = max(at, self.ahead.get(writer, 0))

    def require(self, at: int, writer: str) -> None:
        """Before a command that depends on this event: the next stamp will be later. Raises FutureClock."""
        self.observe(at, writer)
        if at > self.last:
            hours = (at - self.now()) // 3_600_000_000
            raise FutureClock(
                f"this depends on an event of writer {writer} stamped {hours} hours in the future",
                hint="Set the clocks of the machines that write to this store, or wait until then",
            )
