"""Trainings: one go at an aggregate, from its start to its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mltracker.errors import MLTrackerError
from mltracker.events.catalogue import TrainingCompleted, TrainingFailed, TrainingStarted
from mltracker.models import Training
from mltracker.tracker.access import Access


@contextmanager
def training(access: Access, key: str) -> Iterator[None]:
    """Started, then completed, or failed with the error, which goes on its way."""
    started, process = access.append(TrainingStarted(stream=key)), os.getpid()

    def failed(kind: str, message: str) -> None:
        if started is not None:
            access.append(TrainingFailed(stream=key, training=started.id, error_type=kind, message=message))

    with ending("training", process, failed):
        yield
    if started is not None and os.getpid() == process:
        access.append(TrainingCompleted(stream=key, training=started.id))


@contextmanager
def ending(what: str, process: int, failed: Callable[[str, str], None]) -> Iterator[None]:
    """Record an error that ends the block, by its type and message, and let it go on its way.

    A child forked inside records no end: the block is its parent's. A generator closed amid it, or a block entered and
    dropped, has none either: it was interrupted. The user's error must not be hidden by one of ours: that becomes a
    note on it.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        if os.getpid() == process:
            try:
                failed(type(error).__qualname__, _message(error))
            except MLTrackerError as failure:
                error.add_note(f"mltracker: that the {what} failed was not recorded: {failure}")
        raise


def _message(error: BaseException) -> str:
    try:
        return str(error).encode(errors="backslashreplace").decode()
    except Exception as failure:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"(its text cannot be had: {type(failure).__name__})"


def status(trainings: Sequence[Training], alive: Callable[[str], bool]) -> str:
    """created, running, completed, failed or interrupted: running if any lives, else as the one started last."""
    if not trainings:
        return "created"
    if any(training.ended is None and alive(training.writer) for training in trainings):
        return "running"
    return max(trainings, key=lambda training: (training.started_at, training.id)).ended or "interrupted"
