"""Two aggregates compared: every point bit for bit, and by what means the numbers were made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mltracker.errors import InvalidValue, NotFound
from mltracker.reproduce.account import Account, Key, Try, accounts
from mltracker.reproduce.means import Asked, Means, means
from mltracker.reproduce.points import Number, Points, aligned, close, same
from mltracker.reproduce.recipe import Recipe, corrections, experiment_of, folded
from mltracker.reproduce.verdict import Compared, Difference, FirstDifference, Outcome, Verdict, series_name

if TYPE_CHECKING:
    from mltracker.tracker import Tracker
    from mltracker.tracker.aggregates import TrackedAggregate

NAMED = 3
"""Things of one kind that a reason names."""


def compare(
    tracker: Tracker,
    original: TrackedAggregate,
    reproduction: TrackedAggregate,
    tolerance: float | None = None,
    metrics: Sequence[str] | None = None,
    *,
    failure: str | None = None,
    seconds: float | None = None,
    in_process: bool = False,
) -> Verdict:
    """The verdict on a reproduction of an aggregate, both of this tracker's store.

    Without a `tolerance` every number must be the same bit for bit; with one, `abs(a - b) <= tolerance * max(1, abs(a),
    abs(b))`. `metrics` are names, or `phase/name`; None for all. `failure` is the error, `Type: message`, with which
    the reproduction ended outside of a training. `in_process`: a function repeated it, whose program may be any.
    Raises NotFound for a metric that the original has not, InvalidValue, Damaged where `strict`.
    """
    tolerance = check_tolerance(tolerance)
    told, again = accounts(tracker, [original, reproduction])
    recipe = folded(tracker, experiment_of(tracker, original, told), original, told)
    other = folded(tracker, experiment_of(tracker, reproduction, again), reproduction, again)
    require_metrics(recipe, metrics)
    numbers = _numbers(told, again, tolerance, metrics)
    outcome = _outcome(told, again, failure)
    by = means(
        recipe,
        other,
        told,
        again,
        Asked(tolerance, metrics, lambda hash: tracker.blobs.get(hash), in_process),
        broke=outcome.broke is not None,
    )
    verdict, reason = _decided(told, again, numbers, by, outcome, tolerance)
    return Verdict(
        verdict=verdict,
        reason=reason,
        of=recipe.id,
        original=original.keys[0],
        reproduction=reproduction.keys[0],
        tolerance=tolerance,
        metrics=None if metrics is None else list(metrics),
        first=numbers.first,
        largest=numbers.largest,
        differences=[*by.causes, *outcome.differences, *by.effects, *numbers.differences],
        environment=by.environment,
        corrections=corrections(told),
        notes=[*numbers.notes, *outcome.notes, *_checkpoints(told, again), *_damage(tracker), *_unread(told, again)],
        compared=Compared(
            series=numbers.series, points=numbers.points, iterations=by.iterations, modules=len(recipe.modules)
        ),
        seconds=seconds,
    )


def check_tolerance(tolerance: float | None) -> float | None:
    """Raises InvalidValue for what is no finite number from 0."""
    if tolerance is None:
        return None
    given: object = tolerance
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= tolerance < float("inf"):
        raise InvalidValue("tolerance", f"must be a finite number from 0, not {tolerance!r}", hint="Such as 1e-6")
    return float(tolerance)


def require_metrics(recipe: Recipe, metrics: Sequence[str] | None) -> None:
    """Raises NotFound for a metric that was never recorded, InvalidValue for an empty or bare text."""
    if metrics is None:
        return
    if isinstance(metrics, str) or not metrics:
        raise InvalidValue("metrics", f"must be names of metrics, not {metrics!r}", hint="Leave it out to compare all")
    known = [(series.phase, series.name) for series in recipe.series]
    for metric in metrics:
        if not any(chosen(key, [metric]) for key in known):
            has = ", ".join(series_name(*key) for key in known) or "none"
            raise NotFound(f"{recipe.id} has no metric {metric!r}", hint=f"It has {has}")


def chosen(key: Key, metrics: Sequence[str] | None) -> bool:
    """Whether a series is meant by these names, or `phase/name`; None means all."""
    return metrics is None or key[1] in metrics or (key[0] is not None and series_name(*key) in metrics)


class Numbers:
    """What the points say."""

    def __init__(self) -> None:
        self.first: FirstDifference | None = None
        self.largest: Number | None = None
        self.differences: list[Difference] = []
        self.notes: list[str] = []
        self.series = 0
        self.points = 0
        self.inexact = 0
        self.missing = 0
        self.extra = 0
        self.left_out = 0
        self._at: int | None = None

    def take(self, key: Key, one: Points, other: Points, left_out: set[int], tolerance: float | None) -> None:
        """Compare a series."""
        missing = extra = different = 0
        earliest: tuple[int, int, int] | None = None
        mine, its, ats = one.values, other.values, one.ats
        for row, found in aligned(one, other):
            if row is None:
                extra += 1
            elif row in left_out:
                self.left_out += 1
            elif found is None:
                missing += 1
            else:
                self.points += 1
                if same(mine[row], its[found]):
                    continue
                self.inexact += 1
                self._measure(mine[row], its[found])
                if tolerance is not None and close(mine[row], its[found], tolerance):
                    continue
                different += 1
                if earliest is None or ats[row] < earliest[0]:
                    earliest = (ats[row], row, found)
        self.series += 1
        self.missing, self.extra = self.missing + missing, self.extra + extra
        if earliest is not None:
            self._differs(key, one, other, earliest, different)
        if missing or extra:
            present = len(one) - len(left_out)
            self.differences.append(
                Difference(
                    kind="metric", name=f"{series_name(*key)} points", expected=present, found=present - missing + extra
                )
            )

    def _measure(self, one: Number, other: Number) -> None:
        size = abs(one - other)
        if size - size == 0 and (self.largest is None or size > self.largest):
            self.largest = size

    def _differs(self, key: Key, one: Points, other: Points, earliest: tuple[int, int, int], different: int) -> None:
        at, row, found = earliest
        step, epoch, batch = one.place(row)
        first = FirstDifference(
            metric=key[1], phase=key[0], step=step, epoch=epoch, batch=batch,
            expected=one.values[row], found=other.values[found],
        )  # fmt: skip
        name = first.where if different == 1 else f"{first.where} and {different - 1:,} more"
        self.differences.append(Difference(kind="metric", name=name, expected=first.expected, found=first.found))
        if self._at is None or at < self._at:
            self._at, self.first = at, first


def _numbers(told: Account, again: Account, tolerance: float | None, metrics: Sequence[str] | None) -> Numbers:
    numbers, left_out = Numbers(), told.left_out()
    for key in dict.fromkeys([*told.series, *again.series]):
        if chosen(key, metrics):
            one, other = told.series.get(key, Points()), again.series.get(key, Points())
            numbers.take(key, one, other, left_out.get(key, set()), tolerance)
    if numbers.left_out:
        numbers.notes.append(f"{numbers.left_out:,} voided points of the original were left out on both sides")
    return numbers


class Ending(NamedTuple):
    """How the trainings ended: `broke` is the error of a reproduction that should not have failed."""

    differences: list[Difference]
    notes: list[str]
    broke: str | None


def _outcome(told: Account, again: Account, failure: str | None) -> Ending:
    """Trainings in the order of their starts; of an error its type must be the same, its message may name a path."""
    before, after = list(told.trainings.values()), list(again.trainings.values())
    if failure is not None and not _explained(failure, after):
        last = before[-1] if before and not any(one.ended == "failed" for one in after) else None
        if last is None or last.ended != "failed" or _kind(last.error_type) != _kind(failure):
            return Ending([Difference(kind="outcome", name="run", expected="completed", found=failure)], [], failure)
        if not after:
            return Ending([], [f"both failed with {last.error}"], None)
    if before and not after:
        return Ending([], ["the reproduction recorded no training; how the original's ended was not compared"], None)
    differences: list[Difference] = []
    notes: list[str] = []
    broke = None
    for number, (one, other) in enumerate(zip(before, after, strict=False), 1):
        if (one.ended, one.error_type) == (other.ended, other.error_type):
            notes += [f"training {number} failed in both, with {one.error}"] if one.ended == "failed" else []
            continue
        name = f"training {number}"
        differences.append(Difference(kind="outcome", name=name, expected=_ended(one), found=_ended(other)))
        broke = broke or (other.error if other.ended == "failed" else None)
    if len(before) != len(after):
        differences.append(Difference(kind="outcome", name="trainings", expected=len(before), found=len(after)))
    return Ending(differences, notes, broke)


def _explained(failure: str, trainings: Sequence[Try]) -> bool:
    """Whether it is the failure of a training, or an exit code after one."""
    kinds = {_kind(one.error_type) for one in trainings if one.ended == "failed"}
    return _kind(failure) in kinds or (_kind(failure) == "SystemExit" and bool(kinds))


def _kind(error: str) -> str:
    """Of `module.Type: message` the type: a traceback tells the module, a training does not."""
    return error.partition(":")[0].rpartition(".")[2]


def _ended(one: Try) -> str:
    return f"failed with {one.error}" if one.ended == "failed" else one.ended or "without an end"


def _decided(
    told: Account, again: Account, numbers: Numbers, by: Means, outcome: Ending, tolerance: float | None
) -> tuple[Outcome, str]:
    """Other numbers or means first, then what is missing or too many, then how exactly it is the same."""
    if not told.points and not by.results:
        return "not runnable", "it recorded nothing to compare"
    changed = by.changed
    if numbers.first is not None or changed:
        return "diverged", _diverged(numbers, by, changed)
    if outcome.broke is not None:
        return "incomplete", f"the reproduction failed with {outcome.broke}{_lacking(numbers, by)}"
    if (numbers.points or by.results) and not (numbers.missing or numbers.extra or by.lacking):
        return _complete(told, again, numbers, outcome, by, tolerance)
    if told.points and not again.points:
        return "incomplete", "the reproduction recorded no metrics: there was nothing to compare"
    return "incomplete", _lacking(numbers, by).removeprefix("; ") or "there was nothing to compare"


def _diverged(numbers: Numbers, by: Means, changed: list[Difference]) -> str:
    """Causes before effects."""
    causes = [*by.explaining, *changed]
    if numbers.first is None:
        return f"same numbers by other means: {_named(causes)}"
    told = f"{_named(causes)}; first " if causes else "first "
    return f"{told}different number: {numbers.first}"


def _complete(
    told: Account, again: Account, numbers: Numbers, outcome: Ending, by: Means, tolerance: float | None
) -> tuple[Outcome, str]:
    unread = told.unknown.total() + again.unknown.total()
    if unread:
        return "incomplete", f"{unread} events cannot be read by this release: they may say otherwise"
    if outcome.differences:
        return "incomplete", f"the trainings ended otherwise: {_named(outcome.differences)}"
    aside = f"; though {_named(by.explaining)}" if by.explaining else ""
    count = f"all {numbers.points + by.results:,} numbers"
    if tolerance is not None and (numbers.inexact or by.inexact):
        most = "" if numbers.largest is None else f"; the largest difference is {numbers.largest:.3g}"
        return "within tolerance", f"{count} agree within {tolerance:g}{most}{aside}"
    return "identical", f"{count} are the same bit for bit{aside}"


def _lacking(numbers: Numbers, by: Means) -> str:
    parts = [f"{numbers.missing:,} points are missing"] if numbers.missing else []
    parts += [f"{numbers.extra:,} points are too many"] if numbers.extra else []
    parts += [_named(by.lacking)] if by.lacking else []
    return f"; {' and '.join(parts)}" if parts else ""


def _named(differences: Sequence[Difference]) -> str:
    told = ", ".join(map(str, differences[:NAMED]))
    return told if len(differences) <= NAMED else f"{told} and {len(differences) - NAMED} more"


def _damage(tracker: Tracker) -> Iterable[str]:
    for problem in tracker.notices:
        if not problem.harmless:
            yield f"both may lack something: {problem.file}: {problem.reason}"


def _checkpoints(told: Account, again: Account) -> Iterable[str]:
    """Those that differ, by their names and order. Formats such as torch's need not be the same byte by byte."""
    found: dict[str, list[str]] = {}
    for *_, data in again.checkpoints:
        found.setdefault(data["name"], []).append(data["hash"])
    for *_, data in told.checkpoints:
        expected, now = data["hash"], next(iter(found.get(data["name"], [])), None)
        del found.get(data["name"], [])[:1]
        if now != expected:
            yield f"checkpoint {data['name']}: {expected[:12]} {'is missing' if now is None else 'became ' + now[:12]}"


def _unread(told: Account, again: Account) -> Iterable[str]:
    for whose, account in (("the original", told), ("the reproduction", again)):
        for type, count in account.unknown.items():
            yield f"{count} events {type} of {whose} cannot be read"
