"""One pass over a dataset as a block: what it was fed, what it measured, how it ended."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from mltracker.capture.hashing import of_parameters
from mltracker.capture.seeds import rng_states
from mltracker.commands import check
from mltracker.errors import Closed, InvalidValue
from mltracker.events.catalogue import DatasetData, IterationCompleted, IterationFailed, IterationStarted, ModuleData
from mltracker.models import Checkpoint, Dataset, Module
from mltracker.ports.checkpoints import Content
from mltracker.tracker.access import Access
from mltracker.tracker.checkpoints import TrackedCheckpoints
from mltracker.tracker.metrics import TrackedMetrics
from mltracker.tracker.progress import Bar, bar
from mltracker.tracker.training import ending

T = TypeVar("T")
RNG = "rng"
"""The name of the checkpoint that holds the states of the random number generators."""

PLAIN = frozenset((float, int))


class RunningIteration:
    """What `with aggregate.iteration(...) as it` gives. `id` is None where its start could not be recorded."""

    def __init__(
        self, started: IterationStarted, id: str | None, metrics: TrackedMetrics, checkpoints: TrackedCheckpoints
    ) -> None:
        self.id = id
        self.hash = started.hash
        self.phase = started.phase
        self.epoch = started.epoch
        self.batches = 0
        self.samples = 0
        self.metrics: dict[str, int | float] = {}
        self._record = metrics.log
        self._checkpoints = checkpoints
        self._bars: set[Bar] = set()
        self._ended = False

    def track(self, iterable: Iterable[T], total: int | None = None) -> Iterator[T]:
        """Its elements, counted: each is a batch, its samples the length of the first array or list in it.

        On a terminal a progress bar shows how far it is, and the latest metrics. `total` is the number of elements
        where the iterable has no length.
        """
        drawn = bar(iterable, total, self._label(), self.metrics)
        if drawn is None:
            for batch in iterable:
                self.batches += 1
                self.samples += samples(batch) or 0
                yield batch
            return
        self._bars.add(drawn)
        try:
            for batch in iterable:
                self.batches += 1
                self.samples += samples(batch) or 0
                yield batch
                drawn.advance()
        finally:
            drawn.stop()
            self._bars.discard(drawn)

    def log(
        self, values: Mapping[str, float], *, step: int | None = None, batch: int | None = None, **places: object
    ) -> None:
        """Record one point of each name; phase and epoch are the iteration's.

        Raises InvalidName, InvalidMetric, InvalidValue for another phase or epoch, Closed once the block has ended.
        """
        if places or self._ended:
            self._refuse(places)
        if type(values) is not dict or not PLAIN.issuperset(map(type, values.values())):
            values = check.numbers(values, "values")
        self._record(values, step=step, epoch=self.epoch, batch=batch, phase=self.phase)
        self.metrics.update(values)

    def checkpoint(self, content: Content, name: str | None = None) -> Checkpoint | None:
        """Keep bytes, the file at a path, or an open file, as `aggregate.checkpoints.add` does, naming this iteration.

        Raises NotFound, InvalidName, InvalidValue, AppendFailed.
        """
        return self._checkpoints.keep(content, name, self.id)

    def __repr__(self) -> str:
        return f"<iteration: {self._label()}>"

    def _label(self) -> str:
        epoch = "" if self.epoch is None else f"epoch {self.epoch}"
        return " ".join(filter(None, (self.phase, epoch))) or "iteration"

    def _refuse(self, places: Mapping[str, object]) -> NoReturn:
        for name in places:
            if name not in ("phase", "epoch"):
                raise TypeError(f"log() got an unexpected keyword argument {name!r}")
            raise InvalidValue(
                name, f"is the iteration's: {getattr(self, name)!r}", hint="For others use aggregate.metrics.log(...)"
            )
        raise Closed("this iteration has ended", hint="Log inside its with block, or with aggregate.metrics.log(...)")

    def close(self) -> None:
        """No more metrics, no more progress bars."""
        self._ended = True
        while self._bars:
            self._bars.pop().stop()


@contextmanager
def iteration(
    access: Access, key: str, started: IterationStarted, metrics: TrackedMetrics, checkpoints: TrackedCheckpoints,
    rng: bool,
) -> Iterator[RunningIteration]:  # fmt: skip
    """Started, then completed, or failed with the error, which goes on its way; as trainings are."""
    states = rng_states() if rng else None
    receipt, process, begun = access.append(started), os.getpid(), time.monotonic()
    id = None if receipt is None else receipt.id
    block = RunningIteration(started, id, metrics, checkpoints)
    if states is not None:
        block.checkpoint(states, RNG)

    def failed(kind: str, message: str) -> None:
        if id is not None:
            access.append(IterationFailed(stream=key, iteration=id, error_type=kind, message=message))

    try:
        with ending("iteration", process, failed):
            yield block
    finally:
        block.close()
    if id is not None and os.getpid() == process:
        counts = {name: count for name in ("batches", "samples") if (count := getattr(block, name))}
        duration = time.monotonic() - begun
        access.append(
            IterationCompleted(
                stream=key, iteration=id, parameters=counts, duration=duration, metrics=dict(block.metrics)
            )
        )


def described(
    key: str,
    phase: str | None,
    epoch: int | None,
    dataset: Dataset | object | None,
    parameters: Mapping[str, Any] | None,
    modules: Iterable[Module | object],
    hash: str | None,
) -> IterationStarted:
    """The start of an iteration. Raises InvalidName, InvalidParameters, InvalidValue."""
    phase, epoch = check.optional_name("phase", phase), check.place("epoch", epoch)
    data = _dataset(dataset)
    given = check.parameters("parameters", {} if parameters is None else parameters)
    others = _modules(modules)
    if hash is None:
        hash = _hash(phase, data, given, others)
    return IterationStarted(
        stream=key,
        hash=check.name("hash", hash),
        phase=phase,
        epoch=epoch,
        dataset=data,
        parameters=given,
        modules=others,
    )


def _hash(
    phase: str | None, dataset: DatasetData | None, parameters: Mapping[str, Any], modules: list[ModuleData]
) -> str:
    """SHA-256 over canonical JSON (`capture.hashing`) of the phase, the dataset's hash, the parameters and the modules'
    hashes, sorted: the same whenever the same is done, in whatever epoch and process."""
    return of_parameters(
        {
            "phase": phase,
            "dataset": None if dataset is None else dataset.hash,
            "parameters": parameters,
            "modules": sorted(module.hash for module in modules),
        }
    )


def _dataset(given: object) -> DatasetData | None:
    if given is not None and not isinstance(given, Dataset):
        given = Dataset.of(given)
    return check.dataset(given)


def _modules(given: object) -> list[ModuleData]:
    if not isinstance(given, Iterable) or isinstance(given, (str, bytes, Mapping)):
        raise InvalidValue("modules", f"must be a list of modules, not {type(given).__name__}")
    return check.modules([one if isinstance(one, Module) else Module.of(one, role(one)) for one in given])


ROLES = {
    "torch.optim.optimizer.Optimizer": "optimizer",
    "torch.optim.lr_scheduler.LRScheduler": "scheduler",
    "torch.optim.lr_scheduler._LRScheduler": "scheduler",
    "torch.optim.lr_scheduler.ReduceLROnPlateau": "scheduler",
    "torch.nn.modules.loss._Loss": "criterion",
    "torch.utils.data.dataloader.DataLoader": "loader",
    "torch.amp.grad_scaler.GradScaler": "scaler",
    "torch.nn.modules.module.Module": "model",
    "sklearn.base.BaseEstimator": "model",
}
"""What objects of these classes are in a training; by name, for nothing is imported to ask."""


def role(thing: object) -> str:
    """The type of a module that was given as an object: optimizer, criterion, ..., else "module"."""
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(thing).__mro__)
    return next((ROLES[name] for name in names if name in ROLES), "module")


def samples(batch: object) -> int | None:
    """How many samples a batch has: the length of the first tensor, array or list in it; None where it has none."""
    shape = getattr(batch, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else None
    if isinstance(batch, list):
        holds_arrays = bool(batch) and bool(getattr(batch[0], "shape", ()))
        return int(batch[0].shape[0]) if holds_arrays else len(batch)
    if isinstance(batch, tuple):
        parts: Iterable[object] = batch
    elif isinstance(batch, Mapping):
        parts = batch.values()
    else:
        return None
    return next((count for count in map(samples, parts) if count is not None), None)
