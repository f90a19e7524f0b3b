"""Trainings: one go at an aggregate, from its start to its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mltracker.events.catalogue import TrainingCompleted, TrainingFailed, TrainingStarted
from mltracker.models import Training
from mltracker.tracker.access import Access


@contextmanager
def training(access: Access, key: str) -> Iterator[None]:
    """Started, then completed, or failed with the error, which goes on its way.

    A child forked inside records no end: the training is its parent's. A generator closed amid its training, or a
    training entered and dropped, has none either: it was interrupted.
    """
    started, process = access.append(TrainingStarted(stream=key)), os.getpid()
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        if started is not None and os.getpid() == process:
            kind, message = type(error).__qualname__, str(error).encode(errors="backslashreplace").decode()
            access.append(TrainingFailed(stream=key, training=started.id, error_type=kind, message=message))
        raise
    if started is not None and os.getpid() == process:
        access.append(TrainingCompleted(stream=key, training=started.id))


def status(trainings: Sequence[Training], alive: Callable[[str], bool]) -> str:
    """created, running, completed, failed or interrupted: running if any lives, else as the one started last."""
    if not trainings:
        return "created"
    if any(training.ended is None and alive(training.writer) for training in trainings):
        return "running"
    return max(trainings, key=lambda training: (training.started_at, training.id)).ended or "interrupted"
