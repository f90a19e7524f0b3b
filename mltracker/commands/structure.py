"""Experiments and aggregates: create, update, delete, restore."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mltracker.commands import check
from mltracker.commands.given import Given, Seen, description, differences, last_deletion, same
from mltracker.errors import AlreadyExists, InvalidValue, NotFound
from mltracker.events.catalogue import (
    AggregateCreated,
    AggregateDeleted,
    ConfigChanged,
    Event,
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRenamed,
    ModuleAttached,
    ModuleData,
    Restored,
)
from mltracker.models import Aggregate, Experiment, Module

Keys = Sequence[str]


def create_experiment(given: Given, name: str) -> list[Event]:
    """Raises InvalidName, AlreadyExists."""
    name = experiment_name(name)
    _refuse_live_experiment(given, name)
    return [ExperimentCreated(name=name)]


def update_experiment(given: Given, keys: Keys, seen: Seen, after: Experiment) -> list[Event]:
    """Raises InvalidName, InvalidParameters, NotFound, AlreadyExists, FutureClock."""
    keys = live_experiments(given, keys, seen.name)
    described = description(keys, seen, after)
    if after.name == seen.name:
        return described
    name = experiment_name(after.name)
    _refuse_live_experiment(given, name)
    return [*(ExperimentRenamed(stream=key, name=name) for key in keys), *described]


def delete_experiment(given: Given, name: str, deletion: str) -> list[Event]:
    """`deletion` is a new token that what this hides will share. Raises NotFound, FutureClock."""
    found = given.model.experiments.read(name)
    if found is None:
        raise NotFound(f"there is no experiment {name!r}")
    given.rests_on(found.keys)
    return [ExperimentDeleted(stream=key, deletion=deletion) for key in found.keys]


def restore_experiment(given: Given, name: str) -> list[Event]:
    """Raises NotFound, AlreadyExists, FutureClock."""
    deletion, keys = last_deletion(given, given.model.deleted_experiments(name), f"experiment {name!r}")
    _refuse_live_experiment(given, name)
    return [Restored(stream=key, deletion=deletion) for key in keys]


def live_experiments(given: Given, keys: Keys, name: str) -> list[str]:
    """Those of these keys that are not deleted, oldest first. Raises NotFound, FutureClock."""
    found = given.model.experiments.read(name)
    live = {*found.keys} if found else set()
    if not live.intersection(keys):
        live = {key for experiment in given.model.experiments.list() for key in experiment.keys}
    held = [key for key in keys if key in live]
    if not held:
        raise NotFound(
            f"experiment {name!r} is not in this store, or was deleted",
            hint="Read it again, create it, or bring it back with experiments.restore(name)",
        )
    given.rests_on(held)
    return held


def create_aggregate(
    given: Given, experiment: Experiment, id: str, modules: Iterable[Module], config: Mapping[str, Any] | None
) -> list[Event]:
    """Raises InvalidName, InvalidParameters, InvalidValue, NotFound, AlreadyExists, FutureClock."""
    id = aggregate_id(id)
    attached, flat = check.modules(modules), check.flat("config", config or {})
    experiments = live_experiments(given, experiment.keys, experiment.name)
    _refuse_live_aggregate(given, experiments, id)
    return [AggregateCreated(experiment=experiments[0], id=id, modules=attached, config=flat)]


def extend_aggregate(
    given: Given, found: Aggregate, modules: Iterable[Module], config: Mapping[str, Any] | None
) -> list[Event]:
    """Attach the modules that it has not, merge the config that differs. Raises as `create_aggregate` does."""
    attached, flat = check.modules(modules), check.flat("config", config or {})
    known = {(module.type, module.hash): module for module in given.model.modules(found.keys).list()}
    events: list[Event] = [
        ModuleAttached(stream=found.keys[0], module=module)
        for module in attached
        if not _is(known.get((module.type, module.hash)), module)
    ]
    changes, _ = differences(found.config, flat)
    if changes:
        events.extend(ConfigChanged(stream=key, changes=changes) for key in found.keys)
    if events:
        given.rests_on(found.keys)
    return events


def update_aggregate(given: Given, experiments: Keys, keys: Keys, seen: Seen, after: Aggregate) -> list[Event]:
    """Raises InvalidValue, InvalidParameters, NotFound, FutureClock."""
    if after.id != seen.name:
        raise InvalidValue("id", f"an aggregate's id never changes: {seen.name!r}", hint="Create a new aggregate")
    return description(live_aggregates(given, experiments, keys, seen.name), seen, after)


def delete_aggregate(given: Given, experiments: Keys, id: str, deletion: str) -> list[Event]:
    """`deletion` is a new token that what this hides will share. Raises NotFound, FutureClock."""
    found = given.model.aggregates(experiments).read(id)
    if found is None:
        raise NotFound(f"there is no aggregate {id!r}")
    given.rests_on(found.keys)
    return [AggregateDeleted(stream=key, deletion=deletion) for key in found.keys]


def restore_aggregate(given: Given, experiments: Keys, id: str) -> list[Event]:
    """Raises NotFound, AlreadyExists, FutureClock."""
    hidden = given.model.deleted_aggregates(experiments, id)
    deletion, keys = last_deletion(given, hidden, f"aggregate {id!r}")
    _refuse_live_aggregate(given, experiments, id)
    return [Restored(stream=key, deletion=deletion) for key in keys]


def live_aggregates(given: Given, experiments: Keys, keys: Keys, id: str) -> list[str]:
    """Those of these keys that are not deleted, oldest first. Raises NotFound, FutureClock."""
    held = standing(given.model.aggregates(experiments).read(id), keys, id)
    given.rests_on(held.keys)
    return [key for key in keys if key in held.keys]


def standing(found: Aggregate | None, keys: Keys, id: str) -> Aggregate:
    """`found` if it still is what these keys meant. Raises NotFound."""
    if found is None or not set(found.keys).intersection(keys):
        raise NotFound(
            f"aggregate {id!r} is not in this experiment, or was deleted",
            hint="Read it again, create it, or bring it back with aggregates.restore(id)",
        )
    return found


def experiment_name(name: object) -> str:
    """Raises InvalidName."""
    return check.name("experiment name", name, slashes=False)


def aggregate_id(id: object) -> str:
    """Raises InvalidName."""
    return check.name("aggregate id", id, slashes=False)


def _is(known: Module | None, module: ModuleData) -> bool:
    return known is not None and known.name == module.name and same(known.parameters, module.parameters)


def _refuse_live_experiment(given: Given, name: str) -> None:
    if given.model.experiments.read(name) is not None:
        raise AlreadyExists(f"experiment {name!r} exists already", hint="Read it, or choose another name")


def _refuse_live_aggregate(given: Given, experiments: Keys, id: str) -> None:
    if given.model.aggregates(experiments).read(id) is not None:
        raise AlreadyExists(f"aggregate {id!r} exists already", hint="Read it, or choose another id")
