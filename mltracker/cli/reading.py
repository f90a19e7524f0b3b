"""What is in the store: ls, show, metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from mltracker.cli import output
from mltracker.cli.as_json import aggregate_json, experiment_json, metric_json, series_name
from mltracker.cli.ids import (
    AsOf,
    Json,
    Store,
    aggregate_of,
    complete_aggregate,
    complete_experiment,
    experiment_of,
    past,
)
from mltracker.cli.plot import chart, sparkline
from mltracker.errors import NotFound
from mltracker.events import values
from mltracker.models import Iteration, Metric
from mltracker.series import NO_STEP

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate
    from mltracker.tracker.experiments import TrackedExperiment

SHOWN_METRICS = 6
"""Metrics that `ls` shows a person; a pipe gets all."""
SHOWN_ITERATIONS = 10
"""Iterations that `show` shows a person; a pipe gets all."""
SHOWN_POINTS = 40
"""Points that `metrics` shows a person; a pipe gets all."""

Id = Annotated[
    str, typer.Argument(metavar="ID", help="EXPERIMENT/AGGREGATE, such as mnist/1.", autocompletion=complete_aggregate)
]


def ls(
    experiment: Annotated[
        str | None, typer.Argument(help="List this experiment's aggregates.", autocompletion=complete_experiment)
    ] = None,
    store: Store = None,
    as_of: AsOf = None,
    json: Json = False,
) -> None:
    """List experiments, or the aggregates of one.

    Aggregates come with the last value of each metric.
    """
    with past(store, as_of) as view:
        if experiment is None:
            _list_experiments(view.experiments.list(), json)
        else:
            _list_aggregates(experiment_of(view, experiment).aggregates.list(), json)


def _list_experiments(experiments: list[TrackedExperiment], json: bool) -> None:
    rows = [(one.name, len(one.aggregates.list()), output.moment(one.at), one.note) for one in experiments]
    if json:
        output.json([experiment_json(one) for one in experiments])
    else:
        output.table(("experiment", "aggregates", "created", "note"), rows)


def _list_aggregates(aggregates: list[TrackedAggregate], json: bool) -> None:
    if json:
        output.json([aggregate_json(one) for one in aggregates])
        return
    keys = sorted({key for one in aggregates for key in one.last}, key=lambda key: (key[0] or "", key[1]))
    shown = keys[:SHOWN_METRICS] if output.on_terminal() else keys
    columns = ("aggregate", "status", "epoch", "created", *(series_name(*key) for key in shown))
    rows = [(one.id, one.status, one.epoch, output.moment(one.at), *map(one.last.get, shown)) for one in aggregates]
    output.table(columns, rows)
    if len(shown) < len(keys):
        output.line(f"({len(keys) - len(shown)} more metrics; a pipe gets all)")


def show(id: Id, store: Store = None, as_of: AsOf = None, json: Json = False) -> None:
    """Show an experiment or an aggregate.

    With config, modules, trainings and iterations, and a summary of its metrics.
    """
    with past(store, as_of) as view:
        if "/" not in id:
            _show_experiment(experiment_of(view, id), json)
            return
        aggregate = aggregate_of(view, id)
        if json:
            output.json(aggregate_json(aggregate))
        else:
            _show_aggregate(id, aggregate)


def _show_experiment(experiment: TrackedExperiment, json: bool) -> None:
    if json:
        output.json(experiment_json(experiment))
        return
    _describe(experiment.name, {"created": output.moment(experiment.at), "note": experiment.note or None})
    if experiment.tags:
        output.pairs("tags", experiment.tags)
    output.heading("aggregates")
    _list_aggregates(experiment.aggregates.list(), json=False)


def _describe(title: str, about: Mapping[str, object]) -> None:
    output.pairs(title, {name: value for name, value in about.items() if value is not None})


def _show_aggregate(id: str, aggregate: TrackedAggregate) -> None:
    about = {"status": aggregate.status, "epoch": aggregate.epoch, "created": output.moment(aggregate.at)}
    _describe(id, {**about, "note": aggregate.note or None})
    for title, items in (("tags", aggregate.tags), ("config", aggregate.config)):
        if items:
            output.pairs(title, items)
    for module in aggregate.modules:
        output.pairs(f"{module.type} {module.name} ({module.hash})", values.flatten(module.parameters))
    trainings = [(each.id, output.moment(each.started_at), each.ended, each.error) for each in aggregate.trainings]
    if trainings:
        output.heading("trainings")
        output.table(("id", "started", "ended", "error"), trainings)
    _show_iterations(aggregate.iterations.list())
    if aggregate.metrics.names():
        output.heading("metrics")
        _summary(aggregate, aggregate.metrics.names(), bars=False)


def _show_iterations(iterations: list[Iteration]) -> None:
    if not iterations:
        return
    shown = iterations[-SHOWN_ITERATIONS:] if output.on_terminal() else iterations
    output.heading(
        "iterations" if len(shown) == len(iterations) else f"iterations (the last {len(shown)} of {len(iterations)})"
    )
    rows = [
        (one.phase, one.epoch, one.status, one.dataset.name if one.dataset else None, one.duration, one.hash)
        for one in shown
    ]
    output.table(("phase", "epoch", "status", "dataset", "seconds", "hash"), rows)


def metrics(
    id: Id,
    name: Annotated[str | None, typer.Argument(help="One metric; without it, a summary of all.")] = None,
    store: Store = None,
    as_of: AsOf = None,
    phase: Annotated[str | None, typer.Option("--phase", "-p", help="Only this phase: train, validation, ...")] = None,
    last: Annotated[int | None, typer.Option("-n", min=0, help="Only the last N points; 0 for all.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw them.")] = False,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one point a row.")] = False,
) -> None:
    """Print metrics: a summary, or the points.

    Without NAME a summary of all series, with it the points of one metric; JSON and CSV always hold points.
    """
    with past(store, as_of) as view:
        aggregate = aggregate_of(view, id)
        series = _chosen(id, aggregate, name, phase)
        if json or csv:
            _export(_tail(aggregate.metrics.list(name, phase), last), json)
        elif plot and name:
            _plot(aggregate, series)
        elif name is None:
            _summary(aggregate, series, bars=plot)
        else:
            _points(aggregate.metrics.list(name, phase), last)


def _chosen(id: str, aggregate: TrackedAggregate, name: str | None, phase: str | None) -> list[tuple[str | None, str]]:
    known = aggregate.metrics.names()
    chosen = [key for key in known if name in (None, key[1]) and phase in (None, key[0])]
    if not chosen and (name or phase):
        has = ", ".join(series_name(*key) for key in known) or "no metrics"
        raise NotFound(f"{id} has no metric {series_name(phase, name or '*')!r}", hint=f"It has {has}")
    return chosen


def _summary(aggregate: TrackedAggregate, series: list[tuple[str | None, str]], *, bars: bool) -> None:
    columns = ("phase", "metric", "points", "first", "last", "lowest", "highest")
    rows = []
    for phase, name in series:
        points = aggregate.metrics.series(name, phase).values.tolist()
        numbers = [point for point in points if not math.isnan(point)] or [math.nan]
        row = (phase, name, len(points), points[0], points[-1], min(numbers), max(numbers))
        rows.append((*row, sparkline(points)) if bars else row)
    output.table((*columns, "course") if bars else columns, rows)


def _plot(aggregate: TrackedAggregate, series: list[tuple[str | None, str]]) -> None:
    size = output.console().size
    width, height = (min(size.width - 14, 120), 12) if output.on_terminal() else (72, 12)
    for phase, name in series:
        columns = aggregate.metrics.series(name, phase)
        steps = [index if step == NO_STEP else step for index, step in enumerate(columns.steps.tolist())]
        output.heading(series_name(phase, name))
        for row in chart(list(zip(steps, columns.values.tolist(), strict=True)), max(width, 10), height):
            output.line(row)


def _tail(points: list[Metric], last: int | None) -> list[Metric]:
    return points[-last:] if last else points


def _points(points: list[Metric], last: int | None) -> None:
    shown = _tail(points, SHOWN_POINTS if last is None and output.on_terminal() else last)
    if len(shown) < len(points) and output.on_terminal():
        output.line(f"({len(points) - len(shown)} earlier points; -n 0 prints all)")
    rows = [(p.step, p.epoch, p.batch, p.phase, p.value, output.moment(p.at), p.id) for p in shown]
    if output.on_terminal():
        output.table(("step", "epoch", "batch", "phase", "value", "at"), [row[:-1] for row in rows])
    else:
        output.table(("step", "epoch", "batch", "phase", "value", "at", "id"), rows)


def _export(points: list[Metric], json: bool) -> None:
    if json:
        output.json([metric_json(point) for point in points])
        return
    columns = ("name", "phase", "step", "epoch", "batch", "value", "at", "session", "id")
    rows = ((p.name, p.phase, p.step, p.epoch, p.batch, p.value, output.exact(p.at), p.session, p.id) for p in points)
    output.csv_rows(columns, rows)
