"""What the tracker answers, as JSON: metrics and parameters spelled as the log spells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mltracker.cli import output
from mltracker.cli.summaries import Summary, in_order
from mltracker.events import values
from mltracker.events.envelope import Recorded
from mltracker.models import (
    Checkpoint,
    Correction,
    Dataset,
    Iteration,
    Metric,
    Module,
    Reproduction,
    Session,
    Training,
)

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate
    from mltracker.tracker.experiments import TrackedExperiment


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
        "last": last_json(aggregate),
    }


def last_json(aggregate: TrackedAggregate) -> list[dict[str, Any]]:
    """The last value of each metric."""
    return [
        {"phase": phase, "name": name, "value": values.encode_number(aggregate.last[phase, name])}
        for phase, name in in_order(aggregate.last)
    ]


def training_json(training: Training) -> dict[str, Any]:
    """A training as JSON."""
    return {
        "id": training.id,
        "started": output.exact(training.started_at),
        "ended": output.exact(training.ended_at),
        "outcome": training.ended,
        "seconds": seconds(training),
        "error": training.error,
    }


def seconds(training: Training) -> float | None:
    """How long it took, None while it has no end."""
    return None if training.ended_at is None else (training.ended_at - training.started_at) / 1e6


def iteration_json(iteration: Iteration) -> dict[str, Any]:
    """An iteration as JSON."""
    return {
        "hash": iteration.hash,
        "phase": iteration.phase,
        "epoch": iteration.epoch,
        "status": iteration.status,
        "error": iteration.error,
        "started": output.exact(iteration.at),
        "seconds": iteration.duration,
        "batches": iteration.batches,
        "samples": iteration.samples,
        "dataset": dataset_json(iteration.dataset),
        "parameters": values.encode(iteration.parameters),
        "modules": [module_json(module) for module in iteration.modules],
        "metrics": {name: values.encode_number(value) for name, value in iteration.metrics.items()},
        "id": iteration.id,
    }


def dataset_json(dataset: Dataset | None) -> dict[str, Any] | None:
    """A dataset as JSON."""
    if dataset is None:
        return None
    return {"hash": dataset.hash, "name": dataset.name, "parameters": values.encode(dataset.parameters)}


def checkpoint_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint as JSON, without its content."""
    return {
        "name": checkpoint.name,
        "hash": checkpoint.hash,
        "size": checkpoint.size,
        "iteration": checkpoint.iteration,
        "at": output.exact(checkpoint.at),
        "session": checkpoint.session,
        "id": checkpoint.id,
    }


def reproduction_json(reproduction: Reproduction) -> dict[str, Any]:
    """A verdict as JSON."""
    return {
        "verdict": reproduction.verdict,
        "reproduction": reproduction.reproduction,
        "details": values.encode(reproduction.details),
        "at": output.exact(reproduction.at),
        "session": reproduction.session,
        "id": reproduction.id,
    }


def correction_json(correction: Correction) -> dict[str, Any]:
    """A correction as JSON."""
    told = {name: getattr(correction, name) for name in ("kind", "name", "to", "why", "by")}
    return {**told, "at": output.exact(correction.at), "session": correction.session, "id": correction.id}


def session_json(session: Session) -> dict[str, Any]:
    """A session as JSON."""
    return {
        "id": session.id,
        "started": output.exact(session.started_at),
        "ended": output.exact(session.ended_at),
        "command": list(session.command),
        "host": session.host,
        "pid": session.pid,
        "environment": values.encode(session.environment),
    }


def summary_json(summary: Summary) -> dict[str, Any]:
    """A series in short, as JSON."""
    return {
        "phase": summary.phase,
        "name": summary.name,
        "points": summary.points,
        "first": values.encode_number(summary.first),
        "last": values.encode_number(summary.last),
        "lowest": values.encode_number(summary.lowest),
        "highest": values.encode_number(summary.highest),
    }


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
