"""The aggregates of an experiment, connected to the store."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from functools import cached_property
from typing import Any
from uuid import uuid4

from mltracker import html
from mltracker.commands import structure
from mltracker.commands.given import Seen
from mltracker.errors import AlreadyExists, InvalidValue, MLTrackerError, NotFound
from mltracker.events.values import flatten
from mltracker.html import Rows
from mltracker.models import (
    Aggregate,
    Correction,
    Dataset,
    Experiment,
    Module,
    Reproduction,
    Session,
    Training,
)
from mltracker.ports import Aggregates, ReadModel
from mltracker.tracker.access import Access
from mltracker.tracker.changes import Change, changes
from mltracker.tracker.checkpoints import TrackedCheckpoints
from mltracker.tracker.config import Config
from mltracker.tracker.iteration import RunningIteration, described, iteration
from mltracker.tracker.iterations import TrackedIterations
from mltracker.tracker.metrics import TrackedMetrics
from mltracker.tracker.modules import TrackedModules
from mltracker.tracker.provenance import Provenance, provenance
from mltracker.tracker.training import status, training


class TrackedAggregate(Aggregate):
    """An aggregate whose collections are connected to the store and load when they are asked.

    `tags` and `note` are as they were read; change them and call `aggregates.update(aggregate)`. `epoch`, `status`,
    `trainings`, `config` and `parameters` are read anew each time, and raise NotFound once it was deleted. `metrics`,
    `iterations`, `checkpoints`, `modules` and the like then answer nothing; points recorded all the same are kept,
    hidden until it is restored.
    """

    def __init__(self, access: Access, experiment: Experiment, found: Aggregate) -> None:
        self._access = access
        self._experiment = experiment.name
        self._experiments = experiment.keys
        self.id = found.id
        self.keys = found.keys
        self.at = found.at
        self.last = found.last
        self.take_description(found)

    def take_description(self, found: Aggregate) -> None:
        """Tags and note as they are stored; what differs from now on is the caller's change."""
        self.tags = dict(found.tags)
        self.note = found.note
        self.seen = Seen(self.id, deepcopy(self.tags) if self.tags else {}, self.note)

    @cached_property
    def modules(self) -> TrackedModules:  # type: ignore[override]
        return TrackedModules(self._access, self.keys)

    @cached_property
    def metrics(self) -> TrackedMetrics:  # type: ignore[override]
        return TrackedMetrics(self._access, self.keys, self._path)

    @cached_property
    def iterations(self) -> TrackedIterations:  # type: ignore[override]
        return TrackedIterations(self._access, self.keys, self._path)

    @cached_property
    def checkpoints(self) -> TrackedCheckpoints:  # type: ignore[override]
        return TrackedCheckpoints(self._access, self.keys, self._path)

    @cached_property
    def _config(self) -> Config:
        return Config(self._access, self._now)

    @property
    def config(self) -> Config:
        return self._config

    @config.setter
    def config(self, given: object) -> None:
        if given is not self._config:  # which it is after `config |= ...`
            raise InvalidValue(
                "config", "cannot be replaced as a whole",
                hint="Set what changes with config.update(...), remove with config.remove(...)",
            )  # fmt: skip

    @property
    def epoch(self) -> int | None:  # type: ignore[override]
        """The highest epoch of its iterations, else of its metrics, else None."""
        return self._access.ask(self._now).epoch

    @property
    def trainings(self) -> Sequence[Training]:  # type: ignore[override]
        """Every go at it, in the order of their starts."""
        return self._access.ask(self._now).trainings

    @property
    def status(self) -> str:
        """created, running, completed, failed or interrupted."""
        return status(self.trainings, self._access.alive)

    @property
    def parameters(self) -> dict[str, Any]:
        """Config and the parameters of all modules, flat; modules prefixed by their type, config wins."""
        modules, config = self._access.ask(lambda model: (model.modules(self.keys).list(), self._now(model).config))
        flat: dict[str, Any] = {}
        for module in modules:
            flat.update(flatten(module.parameters, f"{module.type}."))
        return {**flat, **flatten(config)}

    def training(self) -> AbstractContextManager[None]:
        """One go at it: started, then completed, or failed with the exception, which goes on its way."""
        return training(self._access, self.keys[0])

    def iteration(
        self,
        phase: str | None = None,
        epoch: int | None = None,
        dataset: Dataset | object | None = None,
        parameters: Mapping[str, Any] | None = None,
        modules: Iterable[Module | object] = (),
        hash: str | None = None,
        rng: bool = False,
    ) -> AbstractContextManager[RunningIteration]:
        """One pass over a dataset: started, then completed with duration, counts and final metrics, or failed.

        `dataset` and `modules` may be the objects themselves (`Dataset.of`, `Module.of` describe them; what is used in
        every epoch is better described once). Without a `hash` it is that of phase, dataset, parameters and modules.
        `rng` keeps the states of the random number generators at the start, as a checkpoint named "rng".
        Raises InvalidName, InvalidParameters, InvalidValue, AppendFailed.
        """
        key = self.keys[0]
        started = described(key, phase, epoch, dataset, parameters, modules, hash)
        return iteration(self._access, key, started, self.metrics, self.checkpoints, rng)

    def history(self, points: bool = False) -> Iterator[Change]:
        """Every change in order: what, who, when, before and after. `points`: what was recorded too.

        A deleted aggregate has one as well. What cannot be read is missing, with a Notice. Raises Closed, Damaged where
        `strict`.
        """
        return changes(self._access, self.keys, points=points)

    def blame(self, metric: str, step: int | None = None, phase: str | None = None) -> Provenance:
        """Where the last point of a metric (loss, train/loss) comes from, or the one at that step. Raises NotFound."""
        return provenance(self._access, self.keys, self._path, metric, step, phase)

    @property
    def reproductions(self) -> list[Reproduction]:
        """The verdicts on runs that repeated it, oldest first."""
        return Rows(self._access.ask(lambda model: model.reproductions(self.keys)))

    @property
    def corrections(self) -> list[Correction]:
        """What was done to its points and iterations, oldest first."""
        return Rows(self._access.ask(lambda model: model.corrections(self.keys)))

    @property
    def sessions(self) -> list[Session]:
        """The processes that wrote to it, oldest first; not those that only repeated it."""
        return Rows(self._access.ask(lambda model: model.sessions(self.keys)))

    def __repr__(self) -> str:
        return f"Aggregate({self.id!r}, experiment={self._experiment!r})"

    def _repr_html_(self) -> str:
        """As it is now; where the store cannot say, as it was read."""
        read = Aggregate(self.id, tags=self.tags, note=self.note, last=self.last, at=self.at)
        try:
            now, read.modules = self._access.ask(lambda model: (self._now(model), model.modules(self.keys).list()))
        except MLTrackerError as error:
            return html.card(read, {"now": str(error)})
        read.epoch, read.config, read.last = now.epoch, now.config, now.last
        told = {"experiment": self._experiment, "status": status(now.trainings, self._access.alive)}
        return html.card(read, told)

    @property
    def _path(self) -> str:
        return f"{self._experiment}/{self.id}"

    def _now(self, model: ReadModel) -> Aggregate:
        return structure.standing(model.aggregates(self._experiments).read(self.id), self.keys, self.id)


class TrackedAggregates(Aggregates):
    """The aggregates of the experiment as it was read: that is, of the keys seen."""

    def __init__(self, access: Access, experiment: Experiment) -> None:
        self._access = access
        self._experiment = experiment

    def read(self, id: str) -> TrackedAggregate | None:
        found = self._access.ask(lambda model: model.aggregates(self._experiment.keys).read(id))
        return None if found is None else self._tracked(found)

    def list(self) -> builtins.list[TrackedAggregate]:  # type: ignore[override]
        found = self._access.ask(lambda model: model.aggregates(self._experiment.keys).list())
        return Rows(self._tracked(aggregate) for aggregate in found)

    def create(
        self, id: str, modules: Iterable[Module] = (), config: Mapping[str, Any] | None = None
    ) -> TrackedAggregate:
        modules = builtins.list(modules)
        self._access.create(lambda given: structure.create_aggregate(given, self._experiment, id, modules, config))
        return self._existing(id)

    def get_or_create(
        self, id: str, modules: Iterable[Module] = (), config: Mapping[str, Any] | None = None
    ) -> TrackedAggregate:
        """Read or create it; attach the modules that it has not, merge the config that differs."""
        id, modules = structure.aggregate_id(id), builtins.list(modules)
        if self.read(id) is None:
            if self._access.read_only:
                raise NotFound(f"there is no aggregate {id!r}{self._access.moment}")
            try:
                return self.create(id, modules, config)
            except AlreadyExists:  # another process was faster
                pass
        aggregate = self._existing(id)
        if modules or config:
            self._access.decide(
                lambda given: structure.extend_aggregate(given, aggregate._now(given.model), modules, config)
            )
        return aggregate

    def update(self, aggregate: Aggregate) -> None:
        if not isinstance(aggregate, TrackedAggregate):
            id = getattr(aggregate, "id", aggregate)
            raise NotFound(
                f"aggregate {id!r} was not read from a store",
                hint=f"Read it, change that and update it: aggregates.read({id!r})",
            )
        self._access.decide(
            lambda given: structure.update_aggregate(
                given, self._experiment.keys, aggregate.keys, aggregate.seen, aggregate
            )
        )
        aggregate.take_description(self._existing(aggregate.id))

    def delete(self, id: str) -> None:
        keys, deletion = self._experiment.keys, uuid4().hex
        self._access.decide(lambda given: structure.delete_aggregate(given, keys, id, deletion))

    def restore(self, id: str) -> TrackedAggregate:
        self._access.create(lambda given: structure.restore_aggregate(given, self._experiment.keys, id))
        return self._existing(id)

    def __repr__(self) -> str:
        return f"<aggregates of {self._experiment!r}>"

    def _repr_html_(self) -> str:
        return Rows(self.list())._repr_html_()

    def _existing(self, id: str) -> TrackedAggregate:
        found = self.read(id)
        if found is None:
            raise NotFound(f"aggregate {id!r} was deleted meanwhile", hint="Create it again, or restore it")
        return found

    def _tracked(self, found: Aggregate) -> TrackedAggregate:
        return TrackedAggregate(self._access, self._experiment, found)
