"""One experiment or aggregate: show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mltracker.cli import output
from mltracker.cli.as_json import aggregate_json, experiment_json, iteration_json, seconds, summary_json, training_json
from mltracker.cli.ids import AsOf, Json, Projection, Store, aggregate_of, complete_aggregate, experiment_of, past
from mltracker.cli.reading import list_aggregates
from mltracker.cli.summaries import print_summaries, summaries
from mltracker.events import values
from mltracker.models import Iteration, Training

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate
    from mltracker.tracker.experiments import TrackedExperiment

SHOWN_ITERATIONS = 10
"""Iterations that `show` shows a person; a pipe gets all."""


def show(
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An experiment, or EXPERIMENT/AGGREGATE, such as mnist/1.",
            autocompletion=complete_aggregate,
        ),
    ],
    store: Store = None,
    as_of: AsOf = None,
    projection: Projection = None,
    json: Json = False,
) -> None:
    """Show an experiment or an aggregate.

    With config, modules, trainings and iterations, and a summary of its metrics.
    """
    with past(store, as_of, projection) as view:
        if "/" not in id:
            _show_experiment(experiment_of(view, id), json)
            return
        aggregate = aggregate_of(view, id)
        if json:
            _print_json(aggregate)
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
    list_aggregates(experiment.aggregates.list(), json=False)


def _print_json(aggregate: TrackedAggregate) -> None:
    output.json(
        {
            **aggregate_json(aggregate),
            "trainings": [training_json(training) for training in aggregate.trainings],
            "iterations": [iteration_json(iteration) for iteration in aggregate.iterations.list()],
            "metrics": [summary_json(summary) for summary in summaries(aggregate)],
        }
    )


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
    _show_trainings(aggregate.trainings)
    _show_iterations(aggregate.iterations.list())
    if found := summaries(aggregate):
        output.heading("metrics")
        print_summaries(found)


def _show_trainings(trainings: Sequence[Training]) -> None:
    if trainings:
        output.heading("trainings")
        rows = [
            (output.short(each.id), output.moment(each.started_at), each.ended, seconds(each), each.error)
            for each in trainings
        ]
        output.table(("id", "started", "ended", "seconds", "error"), rows)


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
