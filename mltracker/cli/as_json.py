"""What the tracker answers, as JSON: numbers and parameters spelled as the log spells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mltracker.cli import output
from mltracker.events import values
from mltracker.events.envelope import Recorded
from mltracker.models import Metric, Module

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate
    from mltracker.tracker.experiments import TrackedExperiment


def series_name(phase: str | None, name: str) -> str:
    """A metric and its phase in one word: train/loss."""
    return f"{phase}/{name}" if phase else name


def metric_json(point: Metric) -> dict[str, Any]:
    """A point as JSON, its value as the log writes it."""
    known = {"step": point.step, "epoch": point.epoch, "batch": point.batch, "phase": point.phase}
    return {
        "name": point.name,
        "value": values.encode_number(point.value),
        **{key: value for key, value in known.items() if value is not None},
        "at": output.exact(point.at),
        "session": point.session,
        "id": point.id,
    }


def module_json(module: Module) -> dict[str, Any]:
    """A module as JSON."""
    return {
        "type": module.type,
        "hash": module.hash,
        "name": module.name,
        "parameters": values.encode(module.parameters),
    }


def experiment_json(experiment: TrackedExperiment) -> dict[str, Any]:
    """An experiment as JSON, its aggregates by id."""
    return {
        "name": experiment.name,
        "created": output.exact(experiment.at),
        "note": experiment.note,
        "tags": values.encode(experiment.tags),
        "aggregates": [aggregate.id for aggregate in experiment.aggregates.list()],
    }


def aggregate_json(aggregate: TrackedAggregate) -> dict[str, Any]:
    """An aggregate as JSON with its last metrics, not its points."""
    return {
        "id": aggregate.id,
        "status": aggregate.status,
        "epoch": aggregate.epoch,
        "created": output.exact(aggregate.at),
        "note": aggregate.note,
        "tags": values.encode(aggregate.tags),
        "config": values.encode(dict(aggregate.config)),
        "modules": [module_json(module) for module in aggregate.modules],
        "last": {series_name(*key): values.encode_number(value) for key, value in sorted_last(aggregate)},
    }


def sorted_last(aggregate: TrackedAggregate) -> Iterator[tuple[tuple[str | None, str], int | float]]:
    """The last metrics by phase and name."""
    yield from sorted(aggregate.last.items(), key=lambda item: (item[0][0] or "", item[0][1]))


def event_json(event: Recorded) -> dict[str, Any]:
    """An event as JSON, its data as it stands in the log, upcast."""
    return {
        "id": event.id,
        "at": output.exact(event.at),
        "type": event.type,
        "v": event.version,
        "stream": event.stream,
        "session": event.session,
        "data": event.data,
    }
