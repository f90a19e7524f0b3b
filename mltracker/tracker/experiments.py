"""The experiments of a store, connected to it."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any
from uuid import uuid4

from mltracker.commands import structure
from mltracker.commands.given import Seen
from mltracker.errors import AlreadyExists, NotFound
from mltracker.html import Rows
from mltracker.models import Experiment, Module
from mltracker.ports import Experiments
from mltracker.tracker.access import Access
from mltracker.tracker.aggregates import TrackedAggregate, TrackedAggregates

DEFAULT_EXPERIMENT = "default"


class TrackedExperiment(Experiment):
    """An experiment whose aggregates are connected to the store.

    `name`, `tags` and `note` are as they were read; change them and call `experiments.update(experiment)`.
    """

    def __init__(self, access: Access, found: Experiment) -> None:
        self._access = access
        self.keys = found.keys
        self.at = found.at
        self.take_description(found)

    def take_description(self, found: Experiment) -> None:
        """Name, tags and note as they are stored; what differs from now on is the caller's change."""
        self.name = found.name
        self.tags = dict(found.tags)
        self.note = found.note
        self.seen = Seen(self.name, deepcopy(self.tags) if self.tags else {}, self.note)

    @cached_property
    def aggregates(self) -> TrackedAggregates:  # type: ignore[override]
        return TrackedAggregates(self._access, self)

    def aggregate(
        self, id: str, modules: Iterable[Module] = (), config: Mapping[str, Any] | None = None
    ) -> TrackedAggregate:
        """Read or create an aggregate; attach the modules that it has not, merge the config that differs.

        Raises InvalidName, InvalidParameters, InvalidValue, NotFound where it cannot be created here, AppendFailed.
        """
        return self.aggregates.get_or_create(id, modules, config)


class TrackedExperiments(Experiments):
    """All experiments of the store."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def read(self, name: str) -> TrackedExperiment | None:
        found = self._access.ask(lambda model: model.experiments.read(name))
        return None if found is None else TrackedExperiment(self._access, found)

    def list(self) -> builtins.list[TrackedExperiment]:  # type: ignore[override]
        found = self._access.ask(lambda model: model.experiments.list())
        return Rows(TrackedExperiment(self._access, experiment) for experiment in found)

    def create(self, name: str) -> TrackedExperiment:
        self._access.create(lambda given: structure.create_experiment(given, name))
        return self._existing(name)

    def get_or_create(self, name: str | None = None) -> TrackedExperiment:
        """Read or create it. Raises InvalidName, NotFound where it cannot be created here, AppendFailed."""
        name = structure.experiment_name(DEFAULT_EXPERIMENT if name is None else name)
        found = self.read(name)
        if found is not None:
            return found
        if self._access.read_only:
            raise NotFound(f"there is no experiment {name!r}{self._access.moment}")
        try:
            return self.create(name)
        except AlreadyExists:  # another process was faster
            return self._existing(name)

    def update(self, experiment: Experiment) -> None:
        if not isinstance(experiment, TrackedExperiment):
            name = getattr(experiment, "name", experiment)
            raise NotFound(
                f"experiment {name!r} was not read from a store",
                hint=f"Read it, change that and update it: experiments.read({name!r})",
            )
        write = self._access.decide if experiment.name == experiment.seen.name else self._access.create
        write(lambda given: structure.update_experiment(given, experiment.keys, experiment.seen, experiment))
        experiment.take_description(self._existing(experiment.name))

    def delete(self, name: str) -> None:
        deletion = uuid4().hex
        self._access.decide(lambda given: structure.delete_experiment(given, name, deletion))

    def restore(self, name: str) -> TrackedExperiment:
        self._access.create(lambda given: structure.restore_experiment(given, name))
        return self._existing(name)

    def __repr__(self) -> str:
        return f"<experiments: {len(self.list())}>"

    def _repr_html_(self) -> str:
        return Rows(self.list())._repr_html_()

    def _existing(self, name: str) -> TrackedExperiment:
        found = self.read(name)
        if found is None:
            raise NotFound(f"experiment {name!r} was deleted meanwhile", hint="Create it again, or restore it")
        return found
