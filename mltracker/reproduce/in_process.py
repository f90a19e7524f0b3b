"""Repeat an aggregate by calling a function: for notebooks and tests."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mltracker.errors import InvalidValue
from mltracker.reproduce.account import account
from mltracker.reproduce.compare import check_tolerance, compare, require_metrics
from mltracker.reproduce.recipe import Recipe, experiment_of, folded
from mltracker.reproduce.record import TAG, record
from mltracker.reproduce.verdict import Verdict, not_runnable

if TYPE_CHECKING:
    from mltracker.reproduce.build import Classes
    from mltracker.tracker import Tracker
    from mltracker.tracker.aggregates import TrackedAggregate

LONGEST_NAME = 256
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def reproduce(
    tracker: Tracker,
    original: TrackedAggregate,
    train: Callable[..., object],
    *,
    registry: Classes | None = None,
    tolerance: float | None = None,
    metrics: Sequence[str] | None = None,
) -> Verdict:
    """Call `train` with a fresh aggregate and compare. See `Tracker.reproduce`."""
    tolerance = check_tolerance(tolerance)
    told = account(tracker, original)
    recipe = folded(tracker, experiment_of(tracker, original, told), original, told)
    require_metrics(recipe, metrics)
    call = _call(train)
    if not recipe.series and not any(one.metrics for one in recipe.iterations):
        verdict = not_runnable(recipe.id, original.keys[0], "it recorded nothing to compare")
        record(tracker, original, verdict)
        return verdict
    again = _fresh(tracker, recipe)
    _seed(recipe)  # before the modules, which may draw their weights
    modules = recipe.build(registry) if "modules" in call else None
    started, failure = time.perf_counter(), None
    try:
        train(*_given(call, again, recipe), **({} if modules is None else {"modules": modules}))
    except Exception as error:  # noqa: BLE001 - the user's function may raise anything; the verdict names it
        failure = f"{type(error).__qualname__}: {error}"
    seconds = time.perf_counter() - started
    verdict = compare(tracker, original, again, tolerance, metrics, failure=failure, seconds=seconds, in_process=True)
    record(tracker, original, verdict)
    return verdict


def _call(train: object) -> list[str]:
    """The names it takes: first the aggregate, then the recipe; `modules` by name. Raises InvalidValue."""
    if not callable(train):
        raise InvalidValue("train_function", f"must be a function, not {type(train).__name__}")
    if inspect.iscoroutinefunction(train) or inspect.isgeneratorfunction(train) or inspect.isasyncgenfunction(train):
        raise InvalidValue(
            "train_function", "returns before it has trained: it is asynchronous or a generator",
            hint="Pass a plain function: lambda aggregate: asyncio.run(train(aggregate))",
        )  # fmt: skip
    try:
        takes = inspect.signature(train).parameters
    except ValueError:  # built in: it does not tell
        return ["aggregate"]
    places = [name for name, parameter in takes.items() if parameter.kind in POSITIONAL and name != "modules"]
    several = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in takes.values())
    if not places and not several:
        raise InvalidValue("train_function", f"must take the aggregate: it is {inspect.signature(train)}")
    required = [name for name in places[2:] if takes[name].default is inspect.Parameter.empty]
    required += [
        name
        for name, parameter in takes.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        and parameter.default is inspect.Parameter.empty
        and name != "modules"
    ]
    if required:
        raise InvalidValue(
            "train_function", f"takes {', '.join(required)}, but is called with (aggregate, recipe, modules=...)",
            hint="Bind the rest: functools.partial(train, ...)",
        )  # fmt: skip
    second = len(places) > 1 and (places[1] == "recipe" or takes[places[1]].default is inspect.Parameter.empty)
    return ["aggregate", *(["recipe"] if second else []), *(["modules"] if "modules" in takes else [])]


def _given(call: Sequence[str], aggregate: TrackedAggregate, recipe: Recipe) -> list[Any]:
    return [aggregate, recipe] if "recipe" in call else [aggregate]


def _fresh(tracker: Tracker, recipe: Recipe) -> TrackedAggregate:
    """An aggregate of its own with the modules and config of the original, in an experiment that says what it is."""
    suffix = f"~{uuid4().hex[:8]}"
    experiment = tracker.experiments.create(recipe.experiment[: LONGEST_NAME - len(suffix)] + suffix)
    experiment.tags[TAG] = recipe.id
    tracker.experiments.update(experiment)
    return experiment.aggregates.create(
        recipe.aggregate, [module.module() for module in recipe.modules], recipe.config
    )  # fmt: skip


def _seed(recipe: Recipe) -> None:
    """Seed as the last call of `seed_everything` did."""
    seeds = [seed for session in recipe.runs for seed in session.seeds if isinstance(seed.get("seed"), int)]
    if seeds:
        from mltracker.capture.seeds import seed_everything

        flags = seeds[-1].get("flags")
        deterministic = flags.get("deterministic", True) if isinstance(flags, dict) else True
        seed_everything(seeds[-1]["seed"], deterministic=bool(deterministic))
