"""From the scratch store into the original one: what was recorded, and the verdict on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mltracker.errors import NotFound, StoreError
from mltracker.events.segments.pull import pull
from mltracker.reproduce.compare import compare
from mltracker.reproduce.record import TAG
from mltracker.reproduce.repetition import Repetition
from mltracker.reproduce.verdict import Difference, Verdict
from mltracker.tracker.aggregates import TrackedAggregate
from mltracker.tracker.opening import open
from mltracker.tracker.tracker import Tracker

NAMED = 3


class Name(NamedTuple):
    """An aggregate of the reproduction, as it is stored."""

    experiment: str
    aggregate: str

    def __str__(self) -> str:
        return f"{self.experiment}/{self.aggregate}"


@dataclass(frozen=True)
class Done:
    """The verdict; `reproduction` as `mnist~1a2b3c4d/1`, None where nothing was recorded; `kept`, the folder if any."""

    verdict: Verdict
    reproduction: str | None = None
    kept: Path | None = None


def finish(made: Repetition, seconds: float) -> Done:
    """Bring what was recorded into the original store and compare it. Raises StoreError, OSError."""
    made.set_unused_aside()
    name = _found(made)
    if (made.place.store / "store.json").exists():
        _mark(made)
        report = pull(made.place.store, made.store)
        if report.refused:
            raise StoreError(
                f"what was recorded cannot be taken over: {report.refused[0].reason}", path=str(made.store)
            )
    if name is None:
        return Done(_nothing(made, seconds))
    with open(made.store, projection="memory", capture="minimal") as tracker:
        original = _aggregate(tracker, Name(made.recipe.experiment, made.recipe.aggregate))
        again = _aggregate(tracker, name)
        options = made.options
        verdict = compare(
            tracker, original, again, options.tolerance, options.metrics, failure=made.failure, seconds=seconds
        )
    return Done(_judged(verdict, made, name), str(name))


def _aggregate(tracker: Tracker, name: Name) -> TrackedAggregate:
    experiment = tracker.experiments.read(name.experiment)
    found = None if experiment is None else experiment.aggregates.read(name.aggregate)
    if found is None:
        raise NotFound(f"{name} was deleted meanwhile", hint="Restore it")
    return found


def _found(made: Repetition) -> Name | None:
    """The aggregate that repeats the original: of the same names; else of the same id, or the only one."""
    with open(made.place.store, projection="memory", read_only=True) as tracker:
        names = [Name(one.name, each.id) for one in tracker.experiments.list() for each in one.aggregates.list()]
    recipe = made.recipe
    same = [name for name in names if name == (recipe.experiment + made.suffix, recipe.aggregate)]
    alike = [name for name in names if name.aggregate == recipe.aggregate]
    for found in (same, alike, names):
        if len(found) == 1:
            return found[0]
    return None


def _mark(made: Repetition) -> None:
    """Before they are taken over, so that no moment shows them as experiments of their own."""
    with open(made.place.store, projection="memory", capture="minimal") as tracker:
        for experiment in tracker.experiments.list():
            experiment.tags[TAG] = made.recipe.id
            tracker.experiments.update(experiment)


def _nothing(made: Repetition, seconds: float) -> Verdict:
    recipe = made.recipe
    failed = f": it failed with {made.failure}" if made.failure else ""
    return Verdict(
        verdict="incomplete",
        reason=f"nothing was recorded as {recipe.id}{failed}",
        of=recipe.id, original=recipe.keys[0], tolerance=made.options.tolerance,
        metrics=None if made.options.metrics is None else list(made.options.metrics),
        differences=made.code, environment=made.environment, corrections=recipe.corrections, notes=made.notes,
        seconds=seconds,
    )  # fmt: skip


def _judged(verdict: Verdict, made: Repetition, name: Name) -> Verdict:
    """With what only the one who ran it knows: other code decides, what could not be seen is not called the same."""
    notes = [*verdict.notes, *made.notes]
    if name.aggregate != made.recipe.aggregate:
        notes.append(f"the run recorded it as {name}")
    ours = str(made.place.folder)
    surroundings = [one for one in verdict.environment if not (isinstance(one.found, str) and ours in one.found)]
    changes: dict[str, object] = {"notes": notes, "environment": surroundings}
    if made.code:
        changes["differences"] = [*made.code, *(one for one in verdict.differences if one.kind != "code")]
        unnamed = [one for one in made.code if one.name not in verdict.reason]
        if verdict.reproduced:
            reason = f"same numbers by other means: code differs in {_names(made.code)}"
            changes |= {"verdict": "diverged", "reason": reason}
        elif unnamed:
            changes["reason"] = f"code differs in {_names(unnamed)}; {verdict.reason}"
    elif not made.swept and verdict.reproduced:
        reason = "the program ended so abruptly that it cannot be known what code it had loaded"
        changes |= {"verdict": "not runnable", "reason": reason}
    return verdict.model_copy(update=changes)


def _names(code: list[Difference]) -> str:
    told = ", ".join(one.name for one in code[:NAMED])
    return told if len(code) <= NAMED else f"{told} and {len(code) - NAMED} more"
