"""Run an aggregate's programs again from their record, compare, keep the verdict on the original."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import replace
from pathlib import Path

from mltracker.errors import InvalidValue, ReadOnly
from mltracker.reproduce.compare import check_tolerance, require_metrics
from mltracker.reproduce.finish import Done, finish
from mltracker.reproduce.launch import ended_by_signals
from mltracker.reproduce.reasons import NotRunnable
from mltracker.reproduce.recipe import Recipe, recipe_of
from mltracker.reproduce.record import TAG, record
from mltracker.reproduce.repetition import Options, Repetition
from mltracker.reproduce.verdict import not_runnable
from mltracker.reproduce.watching import Silent, Watch
from mltracker.reproduce.workplace import Workplace, clean_up
from mltracker.tracker.opening import open
from mltracker.tracker.redirection import VARIABLE, redirection

DIGITS = 4
"""Bytes of the id of a reproduction; in hex twice as many digits."""


def run(store: Path, experiment: str, aggregate: str, options: Options, watch: Watch | None = None) -> Done:
    """Repeat an aggregate of the store in that folder; the verdict is recorded on it.

    Ended by Ctrl-C, SIGTERM or SIGHUP it records nothing and leaves nothing behind. Raises NotFound, InvalidValue,
    ReadOnly, StoreError, OSError.
    """
    if redirection() is not None:
        raise InvalidValue(VARIABLE, "is set: a reproduction does not reproduce", hint="Call this outside of it")
    options = replace(options, tolerance=check_tolerance(options.tolerance))
    recipe, running = _read(store, experiment, aggregate)
    if not os.access(store, os.W_OK | os.X_OK):
        raise ReadOnly(
            f"{store} cannot be written: the verdict could not be recorded", hint="Pull it into one that can"
        )
    require_metrics(recipe, options.metrics)
    with ended_by_signals():
        done = _done(store, recipe, running, options, watch or Silent())
        with open(store, projection="memory", capture="minimal") as tracker:
            found = tracker.experiments.read(experiment)
            original = None if found is None else found.aggregates.read(aggregate)
            if original is None:
                raise InvalidValue(recipe.id, "was deleted meanwhile", hint="Restore it")
            record(tracker, original, done.verdict)
    return done


def _read(store: Path, experiment: str, aggregate: str) -> tuple[Recipe, bool]:
    """The recipe, and whether it is still in the making. Raises NotFound, InvalidValue."""
    with open(store, projection="memory", read_only=True) as tracker:
        recipe = recipe_of(tracker, experiment, aggregate)
        found = tracker.experiments.read(experiment)
        assert found is not None
        if of := found.tags.get(TAG):
            raise InvalidValue(
                recipe.id,
                f"is itself a reproduction, of {of}",
                hint=f"Reproduce the original: mltracker reproduce {of}",
            )
        one = found.aggregates.read(aggregate)
        return recipe, one is not None and one.status == "running"


def _done(store: Path, recipe: Recipe, running: bool, options: Options, watch: Watch) -> Done:
    environment, notes, began = [], [], time.monotonic()
    kept: Path | None = None
    try:
        if running:
            raise NotRunnable("it is still running", hint="Wait for its end")
        clean_up()
        with Workplace(secrets.token_hex(DIGITS)) as place:
            if options.keep:
                place.keep()
                kept = place.folder
            made = Repetition(store, recipe, options, watch, place)
            environment, notes = made.environment, made.notes
            made.run()
            return replace(finish(made, time.monotonic() - began), kept=kept)
    except NotRunnable as why:
        if why.said:
            notes.append(why.said)
        verdict = not_runnable(
            recipe.id, recipe.keys[0], str(why), environment=environment, notes=notes,
            corrections=recipe.corrections, tolerance=options.tolerance,
        )  # fmt: skip
        return Done(verdict, kept=kept)
