"""Whether a run came out as the one it repeats, and if not, where and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from mltracker.reproduce.parts import Document, Json, Number, Part

Outcome = Literal["identical", "within tolerance", "diverged", "incomplete", "not runnable"]

EXIT_CODES: dict[Outcome, int] = {
    "identical": 0,
    "within tolerance": 0,
    "diverged": 4,
    "incomplete": 5,
    "not runnable": 6,
}
KEPT = 20
"""Differences that the event on the original keeps; the JSON report has all."""


class FirstDifference(Part):
    """The first number, in the order of the original, that came out differently."""

    metric: str
    phase: str | None = None
    step: int | None = None
    epoch: int | None = None
    batch: int | None = None
    expected: Number
    found: Number

    @property
    def where(self) -> str:
        """As `train/loss at step 3, epoch 1`."""
        places = {"step": self.step, "epoch": self.epoch, "batch": self.batch}
        told = ", ".join(f"{name} {value}" for name, value in places.items() if value is not None)
        return f"{series_name(self.phase, self.metric)}{f' at {told}' if told else ''}"

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected!r}, found {self.found!r}"


class Difference(Part):
    """Something that is not as it was: `expected` of the original, `found` in the reproduction; None if absent.

    `kind` is code, seeds, config, module, dataset, iteration, outcome, metric or one of the environment: package,
    python, hardware, variable, platform.
    """

    kind: str
    name: str
    expected: Json = None
    found: Json = None

    def __str__(self) -> str:
        if self.expected is None and self.found is not None:
            change = f"{_short(self.found)} is new"
        elif self.found is None:
            change = f"{_short(self.expected)} is missing"
        else:
            change = f"{_short(self.expected)} became {_short(self.found)}"
        return f"{self.kind} {self.name}: {change}"


class Compared(Part):
    """How much of both was there to be compared."""

    series: int = 0
    points: int = 0
    iterations: int = 0
    modules: int = 0


class Verdict(Document):
    """What came of repeating an aggregate. `reason` names it in one line.

    `original` and `reproduction` are keys (`reproduction` is None where it never began), `of` is the original by name.
    `environment` never decides. `largest` is the largest difference of two finite numbers. `seconds` is how long the
    reproduction took.
    """

    verdict: Outcome
    reason: str
    of: str = ""
    original: str = ""
    reproduction: str | None = None
    tolerance: float | None = None
    metrics: list[str] | None = None
    first: FirstDifference | None = None
    largest: Number | None = None
    differences: list[Difference] = Field(default_factory=list)
    environment: list[Difference] = Field(default_factory=list)
    corrections: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    compared: Compared = Field(default_factory=Compared)
    seconds: float | None = None

    @property
    def exit_code(self) -> int:
        """Of `mltracker reproduce`: 0 identical or within tolerance, 4 diverged, 5 incomplete, 6 not runnable."""
        return EXIT_CODES[self.verdict]

    @property
    def reproduced(self) -> bool:
        """Whether it came out as it was, bit for bit or within the tolerance asked for."""
        return self.exit_code == 0

    def __bool__(self) -> bool:
        """As `reproduced`, so that a test may assert a verdict."""
        return self.reproduced

    @property
    def summary(self) -> list[str]:
        """For people, a line each: the verdict first."""
        return list(self._lines())

    def compact(self) -> dict[str, Any]:
        """What the event on the original keeps, as JSON."""
        whole = self.model_dump(exclude_none=True, exclude={"verdict", "reproduction", "original"})
        for name in ("differences", "environment", "corrections", "notes"):
            if len(whole[name]) > KEPT:
                whole[f"more_{name}"] = len(whole[name]) - KEPT
                del whole[name][KEPT:]
        return {name: value for name, value in whole.items() if value not in ([], {})}

    def _lines(self) -> Iterator[str]:
        yield f"{self.verdict}: {self.reason}"
        done = self.compared
        yield (
            f"compared {_count(done.points, 'point')} of {done.series:,} series, "
            f"{_count(done.iterations, 'iteration')}, {_count(done.modules, 'module')}"
        )
        if self.first is not None:
            yield f"first difference: {self.first}"
        yield from (f"differs: {difference}" for difference in self.differences)
        yield from (f"environment: {difference}" for difference in self.environment)
        yield from (f"correction: {correction}" for correction in self.corrections)
        yield from (f"note: {note}" for note in self.notes)

    def __str__(self) -> str:
        return "\n".join(self.summary)


def not_runnable(of: str, original: str, reason: str, **more: Any) -> Verdict:
    """The verdict on what could not be run, and so not be compared."""
    return Verdict(verdict="not runnable", reason=reason, of=of, original=original, **more)


def series_name(phase: str | None, name: str) -> str:
    """As `train/loss`."""
    return name if phase is None else f"{phase}/{name}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
