"""Everything that a read model answers, in a form that compares exactly, down to the bits of numbers."""

from __future__ import annotations

import math
import struct
from typing import Any

from mltracker.models import Metric
from mltracker.ports import ReadModel

EDGES: list[float] = [0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 3.0, math.nan, math.inf, -math.inf]
INT_EDGES = [0, 3, -(2**63), 2**63 - 1, 2**53 + 1]


def bits(value: float) -> tuple[str, bytes]:
    """What tells every number from every other, its type included."""
    return (type(value).__name__, struct.pack("<q" if isinstance(value, int) else "<d", value))


def word(value: float) -> float | str:
    return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN" if value != value else value)


def shown(metric: Metric) -> tuple[Any, ...]:
    place = (metric.step, metric.epoch, metric.batch, metric.phase)
    return (metric.name, bits(metric.value), *place, metric.id, metric.at, metric.session)


def all_answers(model: ReadModel) -> dict[str, Any]:
    """Everything a read model can say, in a form that compares exactly."""
    said: dict[str, Any] = {"sessions": model.sessions()}
    for experiment in model.experiments.list():
        assert model.experiments.read(experiment.name).keys == experiment.keys
        below = said[f"experiment {experiment.name}"] = {
            **vars(experiment),
            "latest": model.latest_stamp(experiment.keys),
        }
        for aggregate in model.aggregates(experiment.keys).list():
            assert model.aggregates(experiment.keys).read(aggregate.id).keys == aggregate.keys
            below[f"aggregate {aggregate.id}"] = _aggregate_answers(model, aggregate)
    return said


def _aggregate_answers(model: ReadModel, aggregate: Any) -> dict[str, Any]:
    assert list(aggregate.modules) == model.modules(aggregate.keys).list()
    metrics, keys = model.metrics(aggregate.keys), aggregate.keys
    series = {}
    for phase, name in metrics.names():
        for last in (False, True):
            steps, values = metrics.series(name, phase, last=last)
            series[phase, name, last] = (list(steps), [bits(value) for value in values.tolist()])
    return {
        **vars(aggregate),
        "last": {key: bits(value) for key, value in aggregate.last.items()},
        "config": list(aggregate.config.items()),
        "tags": list(aggregate.tags.items()),
        "points": [shown(metric) for metric in metrics.list()],
        "voided": [shown(metric) for metric in metrics.list(voided=True)],
        "names": metrics.names(),
        "series": series,
        "modules": model.modules(keys).list(),
        "iterations": [
            (one, one.id, one.at, one.status, one.error, one.duration) for one in model.iterations(keys).list()
        ],
        "kept": [
            *((one, one.id, one.at, one.session) for one in model.checkpoints(keys).list()),
            *((one, one.id, one.at, one.session) for one in model.reproductions(keys)),
            *((one, one.id, one.at, one.session) for one in model.corrections(keys)),
        ],
        "writers": model.sessions(keys),
        "positions": (model.points_position(keys), model.iterations_position(keys), model.latest_stamp(keys)),
    }
