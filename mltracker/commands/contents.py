"""What an aggregate holds: modules, config, metrics and iterations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mltracker.commands import check
from mltracker.commands.given import Given, differences
from mltracker.errors import InvalidValue, NotFound
from mltracker.events import values
from mltracker.events.catalogue import (
    ConfigChanged,
    Event,
    IterationCompleted,
    IterationsCleared,
    MetricRenamed,
    MetricsCleared,
    MetricUnvoided,
    MetricVoided,
    ModuleAttached,
    ModuleDetached,
)
from mltracker.models import Aggregate, Iteration, Metric, Module

Keys = Sequence[str]


def attach(given: Given, keys: Keys, module: Module) -> list[Event]:
    """Raises InvalidName, InvalidParameters, InvalidValue, FutureClock."""
    data = check.module(module)
    given.rests_on(keys)
    return [ModuleAttached(stream=keys[0], module=data)]


def detach(given: Given, keys: Keys, module: Module) -> list[Event]:
    """Raises InvalidValue, NotFound, FutureClock."""
    data = check.module(module)
    attached = {(known.type, known.hash) for known in given.model.modules(keys).list()}
    if (data.type, data.hash) not in attached:
        raise NotFound(f"module {data.type} {data.name!r} with hash {data.hash!r} is not attached")
    given.rests_on(keys)
    return [ModuleDetached(stream=key, module_type=data.type, hash=data.hash) for key in keys]


def change_config(given: Given, found: Aggregate, changes: Mapping[str, Any]) -> list[Event]:
    """Only what differs. Raises InvalidParameters, FutureClock."""
    differing, _ = differences(found.config, check.flat("config", changes))
    if not differing:
        return []
    given.rests_on(found.keys)
    return [ConfigChanged(stream=key, changes=differing) for key in found.keys]


def remove_config(given: Given, found: Aggregate, keys: Sequence[str]) -> list[Event]:
    """Flat keys, or what a nested mapping below them holds. Raises NotFound, InvalidValue, FutureClock."""
    removed: list[str] = []
    for key in check.keys("config key", keys):
        below = [known for known in found.config if known == key or known.startswith(f"{key}.")]
        if not below:
            raise NotFound(f"the config has no {key!r}")
        removed.extend(below)
    if not removed:
        return []
    given.rests_on(found.keys)
    return [ConfigChanged(stream=key, removed=removed) for key in found.keys]


def void(given: Given, keys: Keys, metric: Metric | str, why: str) -> list[Event]:
    """Raises InvalidValue, NotFound, FutureClock."""
    key, point = _point(given, keys, metric)
    return [MetricVoided(stream=key, point=point, why=check.text("why", why))]


def unvoid(given: Given, keys: Keys, metric: Metric | str, why: str) -> list[Event]:
    """Raises InvalidValue, NotFound, FutureClock."""
    key, point = _point(given, keys, metric)
    return [MetricUnvoided(stream=key, point=point, why=check.text("why", why))]


def rename_metric(given: Given, keys: Keys, old: str, new: str, why: str) -> list[Event]:
    """Raises InvalidName, InvalidValue, NotFound, FutureClock."""
    old, new, why = check.name("old", old), check.name("new", new), check.text("why", why)
    if old == new:
        raise InvalidValue("new", f"the metric bears the name {new!r} already")
    if all(name != old for _, name in given.model.metrics(keys).names()):
        raise NotFound(f"there is no metric {old!r}")
    given.rests_on(keys)
    position = given.model.points_position(keys)
    return [MetricRenamed(stream=key, old=old, new=new, position=position, why=why) for key in keys]


def clear_metrics(given: Given, keys: Keys, why: str) -> list[Event]:
    """Raises InvalidValue, FutureClock."""
    why = check.text("why", why)
    metrics = given.model.metrics(keys)
    if not metrics.names() and not metrics.list(voided=True):
        return []
    given.rests_on(keys)
    position = given.model.points_position(keys)
    return [MetricsCleared(stream=key, position=position, why=why) for key in keys]


def clear_iterations(given: Given, keys: Keys, why: str) -> list[Event]:
    """Raises InvalidValue, FutureClock."""
    why = check.text("why", why)
    if not given.model.iterations(keys).list():
        return []
    given.rests_on(keys)
    position = given.model.iterations_position(keys)
    return [IterationsCleared(stream=key, position=position, why=why) for key in keys]


def iteration(key: str, made: Iteration) -> IterationCompleted:
    """A whole iteration as one event. Raises InvalidName, InvalidMetric, InvalidParameters, InvalidValue."""
    if not isinstance(made, Iteration):
        raise InvalidValue("iteration", f"must be an Iteration, not {type(made).__name__}")
    return IterationCompleted(
        stream=key,
        hash=check.name("iteration hash", made.hash),
        phase=check.optional_name("phase", made.phase),
        epoch=check.place("epoch", made.epoch),
        dataset=check.dataset(made.dataset),
        parameters=check.parameters("parameters", made.parameters),
        modules=check.modules(made.modules),
        duration=None if made.duration is None else values.number("duration", made.duration),
        metrics=check.numbers(made.metrics),
    )


def _point(given: Given, keys: Keys, metric: Metric | str) -> tuple[str, str]:
    point = metric.id if isinstance(metric, Metric) else metric
    if point is None:
        raise NotFound("this metric was not read from a store", hint="Pass one that metrics.list() answered, or its id")
    point = check.text("metric", point)
    key = given.model.point_exists(keys, point)
    if key is None:
        raise NotFound(f"this aggregate has no metric point {point!r}")
    given.rests_on(keys)
    return key, point
