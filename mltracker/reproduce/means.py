"""By what means the numbers were made: code, seeds, config, modules, datasets, the order of iterations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from mltracker.events.values import encode, flatten
from mltracker.reproduce.account import Account
from mltracker.reproduce.code import ReadBlob, codes
from mltracker.reproduce.points import Number, close, same
from mltracker.reproduce.recipe import (
    Recipe,
    RecordedIteration,
    RecordedModule,
    RecordedSession,
    recorded_iteration,
)
from mltracker.reproduce.verdict import Difference, series_name

Nested = Mapping[str, Any]
DESCRIBED = {"python": "python", "implementation": "python", "system": "platform", "release": "platform",
             "machine": "platform"}  # fmt: skip
MOST_ITERATIONS = 20
"""Iterations that differ, of which each is named."""


class Means(NamedTuple):
    """`explaining` says why but does not decide; `changed` decides; `lacking` is what one side has not reached.

    `results` counts the final metrics of iterations that were compared, `inexact` those only equal within tolerance.
    """

    explaining: list[Difference]
    changed: list[Difference]
    lacking: list[Difference]
    environment: list[Difference]
    iterations: int
    results: int
    inexact: int

    @property
    def causes(self) -> list[Difference]:
        """In the order of what leads to what."""
        return [*self.explaining, *self.changed]

    @property
    def effects(self) -> list[Difference]:
        """What is there on one side only."""
        return self.lacking


class Asked(NamedTuple):
    """How numbers are compared, and which; `read` gives a blob of the store. `in_process`: the program that repeated
    them was meant to be another one, so its code and seeds explain nothing."""

    tolerance: float | None
    metrics: Sequence[str] | None
    read: ReadBlob
    in_process: bool = False


def means(recipe: Recipe, other: Recipe, told: Account, again: Account, asked: Asked, *, broke: bool) -> Means:
    """Compare everything but the points. `broke`: the reproduction failed, so what is missing was only not reached."""
    changed = [*_config(recipe.config, other.config), *_modules("", recipe.modules, other.modules)]
    lacking = [each for each in changed if each.found is None] if broke else []
    changed = [each for each in changed if each not in lacking]
    before = [recorded_iteration(one) for one in told.sequence()]
    after = [recorded_iteration(one) for one in again.sequence()]
    different, results = list(_iterations(before, after)), Results(asked)
    if not different:
        for number, (one, its) in enumerate(zip(before, after, strict=False), 1):
            if one.status != its.status:
                name = f"{number} ({_label(one)})"
                lacking.append(Difference(kind="iteration", name=name, expected=one.status, found=its.status))
            else:
                different += _counts(number, one, its)
                results.take(one, its)
    if len(before) != len(after):
        lacking.append(Difference(kind="iteration", name="count", expected=len(before), found=len(after)))
    explaining, environment = _sessions(recipe.runs, other.runs, asked.read)
    explaining = [] if asked.in_process else explaining
    return Means(
        explaining, [*changed, *different, *results.differences], lacking, environment,
        min(len(before), len(after)), results.compared, results.inexact,
    )  # fmt: skip


class Results:
    """The final metrics of iterations."""

    def __init__(self, asked: Asked) -> None:
        self.tolerance, self.metrics = asked.tolerance, asked.metrics
        self.differences: list[Difference] = []
        self.compared = 0
        self.inexact = 0

    def take(self, one: RecordedIteration, other: RecordedIteration) -> None:
        """Compare what one iteration came to."""
        for name in dict.fromkeys([*one.metrics, *other.metrics]):
            wanted = self.metrics is None or name in self.metrics or series_name(one.phase, name) in self.metrics
            if not wanted:
                continue
            expected, found = one.metrics.get(name), other.metrics.get(name)
            self.compared += 1
            if expected is not None and found is not None and self._agree(expected, found):
                continue
            self.differences.append(
                Difference(kind="iteration", name=f"{_label(one)} result {name}", expected=expected, found=found)
            )

    def _agree(self, expected: Number, found: Number) -> bool:
        if same(expected, found):
            return True
        near = self.tolerance is not None and close(expected, found, self.tolerance)
        self.inexact += near
        return near


def _config(before: Nested, after: Nested) -> Iterator[Difference]:
    yield from _values("config", "", flatten(before), flatten(after))


def _values(kind: str, prefix: str, one: Nested, other: Nested) -> Iterator[Difference]:
    """The values that differ; compared as they are written, so that 1 is not 1.0."""
    for name in dict.fromkeys([*one, *other]):
        if name in one and name in other and spelled(one[name]) == spelled(other[name]):
            continue
        expected, found = (side.get(name) for side in (one, other))
        if name in one and name in other and (expected is None or found is None):  # None was recorded: not absent
            expected, found = str(expected), str(found)
        yield Difference(kind=kind, name=prefix + name, expected=expected, found=found)


def spelled(value: Any) -> str:
    """Equal for what is written alike: NaN is NaN, 0.0 is not -0.0, 1 is neither 1.0 nor True."""
    return repr(sorted_deep(encode(value)))


def _modules(where: str, before: Sequence[RecordedModule], after: Sequence[RecordedModule]) -> Iterator[Difference]:
    """Those that are on both sides go first; of the rest, those of one type are taken for each other."""
    rest = list(after)
    alone = []
    for module in before:
        twin = next((one for one in rest if _identity(one) == _identity(module)), None)
        if twin is None:
            alone.append(module)
        else:
            rest.remove(twin)
    for module in alone:
        match = next((one for one in rest if one.type == module.type), None)
        if match is None:
            yield Difference(kind="module", name=f"{where}{module.type}", expected=module.name)
        else:
            rest.remove(match)
            yield from _module(where, module, match)
    for module in rest:
        like = next((one for one in reversed(before) if one.type == module.type), None)
        if like is None:
            yield Difference(kind="module", name=f"{where}{module.type}", found=module.name)
        else:  # in process the original's are there from the start
            yield from _module(where, like, module)


def _identity(module: RecordedModule) -> tuple[str, str, str, str]:
    return module.type, module.hash, module.name, spelled(module.parameters)


def sorted_deep(value: Any) -> Any:
    """The same without an order of keys."""
    if isinstance(value, Mapping):
        return {key: sorted_deep(value[key]) for key in sorted(value)}
    return [sorted_deep(item) for item in value] if isinstance(value, list) else value


def _module(where: str, one: RecordedModule, other: RecordedModule) -> Iterator[Difference]:
    name = f"{where}{one.type} {one.name}"
    if one.name != other.name:
        yield Difference(kind="module", name=f"{where}{one.type}", expected=one.name, found=other.name)
    told = list(_values("module", f"{name}.", flatten(one.parameters), flatten(other.parameters)))
    yield from told
    if not told and one.name == other.name:
        yield Difference(kind="module", name=f"{name} hash", expected=one.hash, found=other.hash)


def _iterations(before: Sequence[RecordedIteration], after: Sequence[RecordedIteration]) -> Iterator[Difference]:
    shown = 0
    for number, (one, other) in enumerate(zip(before, after, strict=False), 1):
        for difference in _iteration(number, one, other):
            yield difference
            shown += 1
        if shown >= MOST_ITERATIONS:
            return


def _iteration(number: int, one: RecordedIteration, other: RecordedIteration) -> Iterator[Difference]:
    where = f"{number} ({_label(one)})"
    if (one.phase, one.epoch) != (other.phase, other.epoch):
        yield Difference(kind="iteration", name=f"order at {number}", expected=_label(one), found=_label(other))
        return
    told = []
    expected, found = (None if side.dataset is None else side.dataset.hash for side in (one, other))
    if expected != found:
        name = one.dataset.name if one.dataset else other.dataset.name if other.dataset else ""
        told.append(Difference(kind="dataset", name=f"{name} in iteration {where}", expected=expected, found=found))
    told += _values("iteration", f"{where} ", flatten(one.parameters), flatten(other.parameters))
    told += _modules(f"in iteration {where} ", one.modules, other.modules)
    if not told and one.hash != other.hash:
        told.append(Difference(kind="iteration", name=f"{where} hash", expected=one.hash, found=other.hash))
    yield from told


def _counts(number: int, one: RecordedIteration, other: RecordedIteration) -> Iterator[Difference]:
    for name, expected, found in (("batches", one.batches, other.batches), ("samples", one.samples, other.samples)):
        if expected != found:
            yield Difference(kind="iteration", name=f"{number} ({_label(one)}) {name}", expected=expected, found=found)


def _label(one: RecordedIteration) -> str:
    phase = one.phase or "no phase"
    return phase if one.epoch is None else f"{phase}, epoch {one.epoch}"


def _sessions(
    before: Sequence[RecordedSession], after: Sequence[RecordedSession], read: ReadBlob
) -> tuple[list[Difference], list[Difference]]:
    """Those that ran, in their order: what explains (code, seeds), and what they ran on."""
    explaining: list[Difference] = []
    environment: list[Difference] = []
    for one, other in zip_longest(before, after):
        if one is None or other is None or one.id == other.id:  # in process: the same session is both
            continue
        explaining += [each for each in codes(one, other, read) if each not in explaining]
        if spelled(one.seeds) != spelled(other.seeds):
            seeds = Difference(kind="seeds", name="recorded", expected=_seeds(one), found=_seeds(other))
            explaining += [seeds] if seeds not in explaining else []
        environment += [each for each in _surroundings(one, other) if each not in environment]
    return explaining, environment


def _seeds(session: RecordedSession) -> Any:
    return [seed.get("seed") for seed in session.seeds] or None


def _surroundings(one: RecordedSession, other: RecordedSession) -> Iterator[Difference]:
    mine, its = one.environment, other.environment
    for name, kind in DESCRIBED.items():
        if name in mine and name in its and mine[name] != its[name]:
            yield Difference(kind=kind, name=name, expected=mine[name], found=its[name])
    for name, kind in (("packages", "package"), ("variables", "variable"), ("hardware", "hardware")):
        if isinstance(mine.get(name), dict) and isinstance(its.get(name), dict):
            yield from _values(kind, "", mine[name], its[name])
