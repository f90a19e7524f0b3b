"""Why a run cannot be run again. Inside of `reproduce` only: it ends as the verdict *not runnable*."""

from __future__ import annotations


class NotRunnable(Exception):
    """`reason` in one line, `hint` the next thing to do, `said` what a program had to say about it at length."""

    def __init__(self, reason: str, *, hint: str = "", said: str = "") -> None:
        super().__init__(f"{reason}. {hint}" if hint else reason)
        self.reason = reason
        self.hint = hint
        self.said = said
