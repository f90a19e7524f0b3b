"""What is in the store: ls, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mltracker.cli import output
from mltracker.cli.as_json import aggregate_json, experiment_json, metric_json
from mltracker.cli.ids import (
    AsOf,
    Json,
    Projection,
    Store,
    aggregate_of,
    complete_aggregate,
    complete_experiment,
    experiment_of,
    past,
)
from mltracker.cli.plot import chart
from mltracker.cli.summaries import in_order, print_summaries, summaries
from mltracker.errors import NotFound
from mltracker.models import Metric
from mltracker.series import NO_STEP, Key, as_shown, series_name

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate
    from mltracker.tracker.experiments import TrackedExperiment

REPRODUCTION = "reproduction_of"
"""The tag of experiments that hold a reproduction."""
NAMED = 3
"""Metrics without a column that `ls` names."""
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
    projection: Projection = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="List reproductions too.")] = False,
    json: Json = False,
) -> None:
    """List experiments, or the aggregates of one.

    Aggregates come with the last value of each metric. Reproductions are left out, but for --all.
    """
    with past(store, as_of, projection) as view:
        if experiment is None:
            _list_experiments(view.experiments.list(), all, json)
        else:
            list_aggregates(experiment_of(view, experiment).aggregates.list(), json)


def _list_experiments(found: list[TrackedExperiment], all: bool, json: bool) -> None:
    experiments = [one for one in found if all or REPRODUCTION not in one.tags]
    rows = [(one.name, len(one.aggregates.list()), output.moment(one.at), one.note) for one in experiments]
    if json:
        output.json([experiment_json(one) for one in experiments])
    else:
        output.table(("experiment", "aggregates", "created", "note"), rows)
    if hidden := len(found) - len(experiments):
        typer.echo(f"({output.count(hidden, 'reproduction')} left out; --all lists all)", err=not output.on_terminal())


def list_aggregates(aggregates: list[TrackedAggregate], json: bool) -> None:
    """A line for each, with the last values of its metrics as far as there is room."""
    if json:
        output.json([aggregate_json(one) for one in aggregates])
        return
    keys = in_order({key for one in aggregates for key in one.last})
    names = [series_name(*key) for key in keys]
    rows = [(one.id, one.status, one.epoch, output.moment(one.at), *map(one.last.get, keys)) for one in aggregates]
    columns = ("aggregate", "status", "epoch", "created", *names)
    if left := output.table(columns, rows, optional=len(keys)):
        named = ", ".join(map(output.plain, names[-left:][:NAMED])) + (", ..." if left > NAMED else "")
        output.line(f"({output.count(left, 'more metric')}: {named}; a pipe or --json has all)")


def metrics(
    id: Id,
    name: Annotated[
        str | None, typer.Argument(help="One metric, NAME or PHASE/NAME; without it, a summary of all.")
    ] = None,
    store: Store = None,
    as_of: AsOf = None,
    projection: Projection = None,
    phase: Annotated[str | None, typer.Option("--phase", "-p", help="Only this phase: train, validation, ...")] = None,
    last: Annotated[int | None, typer.Option("-n", min=0, help="Only the last N points; 0 for all.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw them.")] = False,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one point a row.")] = False,
) -> None:
    """Print metrics: a summary, or the points.

    Without NAME a summary of all series, with it the points of one metric; JSON and CSV always hold points.
    """
    if plot + json + csv > 1:
        raise typer.BadParameter("choose one of --plot, --json and --csv")
    with past(store, as_of, projection) as view:
        aggregate = aggregate_of(view, id)
        known = in_order(aggregate.metrics.names())
        name, phase = (None, phase) if name is None else as_shown(known, name, phase)
        series = _chosen(id, known, name, phase)
        if json or csv:
            _export(_tail(aggregate.metrics.list(name, phase), last), json)
        elif plot and name:
            _plot(aggregate, series)
        elif name is None:
            print_summaries(summaries(aggregate, series), course=plot)
        else:
            _points(aggregate.metrics.list(name, phase), last)


def _chosen(id: str, known: list[Key], name: str | None, phase: str | None) -> list[Key]:
    chosen = [key for key in known if name in (None, key[1]) and phase in (None, key[0])]
    if chosen or name is phase is None:
        return chosen
    phases = dict.fromkeys(one or "none" for one, metric in known if name in (None, metric))
    if phase is not None and phases:
        what = "no metric" if name is None else f"no metric {name!r}"
        raise NotFound(f"{id} has {what} in phase {phase!r}", hint=f"It has phase {', '.join(phases)}")
    has = ", ".join(series_name(*key) for key in known) or "no metrics"
    raise NotFound(f"{id} has no metric {name!r}" if name else f"{id} has no phase {phase!r}", hint=f"It has {has}")


def _plot(aggregate: TrackedAggregate, series: list[Key]) -> None:
    width, height = (min(output.size()[0] - 14, 120), 12) if output.on_terminal() else (72, 12)
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
        output.line(f"({output.count(len(points) - len(shown), 'earlier point')}; -n 0 prints all)")
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
