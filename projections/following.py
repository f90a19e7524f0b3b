"""A reader at the pace that queries need: own events at once, those of others within 100 ms."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from mltracker.events.log import Batch, EventLog, Position, Problem, Reader

OTHERS_EVERY = 0.1
"""Seconds. Looking for other writers' files costs more than looking at one's own."""


class Follower:
    """Where a read model stands in the log, and what it had to pass over on the way.

    After a fork the child goes on with a reader of its own.
    """

    def __init__(self, log: EventLog, checkpoint: Mapping[str, Any] | None = None) -> None:
        """`checkpoint` is what `checkpoint()` answered. Raises LostEvents where the log is behind it."""
        self._log = log
        self._reader: Reader
        self._passed_over: dict[str, str]
        self._pid: int
        self._looked: float
        self._own_only: bool
        self._notices: list[Problem] | None
        self._start(checkpoint or {})

    def batches(self, own_only: bool = False, everyone: bool = False) -> Iterator[Batch]:
        """What is new; `everyone` looks at the others too however short ago that was. Raises LostEvents."""
        now = time.monotonic()
        self._own_only = not everyone and (own_only or now - self._looked < OTHERS_EVERY)
        if self._pid != os.getpid():
            self._start(self.checkpoint())
        if not self._own_only:
            self._looked = now
            self._notices = None
        return self._reader.poll(own_only=self._own_only)

    def healed(self) -> bool:
        """Whether something that was passed over can be read now, as far as the last poll looked."""
        if self._own_only:
            return False
        before, self._passed_over = self._passed_over, self._unreadable()
        return bool(before.keys() - self._passed_over.keys())

    def checkpoint(self) -> dict[str, Any]:
        """Where this stands, as JSON."""
        return {"reader": self._reader.checkpoint(), "passed_over": self._passed_over | self._unreadable()}

    @property
    def position(self) -> Position:
        return self._reader.position

    @property
    def notices(self) -> list[Problem]:
        """What could not be read, as of the last look at all writers: asking the reader takes a walk over all files."""
        if self._notices is None:
            notices = list(self._reader.notices)
            if self._own_only:
                return notices
            self._notices = notices
        return self._notices

    def _start(self, checkpoint: Mapping[str, Any]) -> None:
        self._reader = self._log.reader(checkpoint.get("reader"))
        self._passed_over = dict(checkpoint.get("passed_over", {}))
        self._pid = os.getpid()
        self._looked = -OTHERS_EVERY
        self._own_only = True
        self._notices = None

    def _unreadable(self) -> dict[str, str]:
        return {problem.file: problem.reason for problem in self.notices}
