"""The points of one metric as they were recorded, in columns: a million of them are no million objects."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from math import copysign, isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from mltracker.events.values import decode_number
from mltracker.series import NO_STEP

if TYPE_CHECKING:
    Ints = array[int]

Number = int | float
Pair = tuple[int | None, int | None]


class Place(NamedTuple):
    """Where a point was taken."""

    step: int | None
    epoch: int | None
    batch: int | None

    def __str__(self) -> str:
        told = ", ".join(f"{name} {value}" for name, value in self._asdict().items() if value is not None)
        return told or "no step"


class Points:
    """One series. `ats` are microseconds since 1970 UTC, `indexes` -1 but for points of a MetricSeriesRecorded.

    After `settle` its rows are in the order of their stamps.
    """

    __slots__ = ("ats", "batches", "epochs", "indexes", "seqs", "steps", "values", "writers")

    def __init__(self) -> None:
        self.steps, self.epochs, self.batches = array("q"), array("q"), array("q")
        self.values: list[Number] = []
        self.ats, self.writers, self.seqs, self.indexes = array("q"), array("i"), array("q"), array("i")

    def __len__(self) -> int:
        return len(self.values)

    def add(self, value: Any, data: Mapping[str, Any], writer: int, seq: int, at: int) -> None:
        """A point of a MetricsRecorded."""
        get = data.get
        self.steps.append(get("step", NO_STEP))
        self.epochs.append(get("epoch", NO_STEP))
        self.batches.append(get("batch", NO_STEP))
        self.values.append(value if type(value) is not str else decode_number(value))
        self.ats.append(at)
        self.writers.append(writer)
        self.seqs.append(seq)
        self.indexes.append(-1)

    def extend(self, data: Mapping[str, Any], writer: int, seq: int, at: int) -> int:
        """The points of a MetricSeriesRecorded. Answers how many."""
        values = data["values"]
        count = len(values)
        self.values.extend(decode_number(value) if type(value) is str else value for value in values)
        self.steps.extend(_steps(data.get("steps"), count))
        for column, value in (
            (self.epochs, data.get("epoch", NO_STEP)),
            (self.batches, NO_STEP),
            (self.ats, at),
            (self.writers, writer),
            (self.seqs, seq),
        ):
            column.extend(array(column.typecode, [value]) * count)
        self.indexes.extend(range(count))
        return count

    def settle(self) -> None:
        """Sort by stamp, where several writers were read one after the other."""
        if self.ats.tolist() == sorted(self.ats):
            return
        rows = sorted(range(len(self)), key=lambda row: (self.ats[row], self.writers[row], self.seqs[row]))
        for name in self.__slots__:
            column = getattr(self, name)
            picked = [column[row] for row in rows]
            setattr(self, name, picked if name == "values" else array(column.typecode, picked))

    def place(self, row: int) -> Place:
        """Where a point was taken."""
        step, epoch, batch = (
            None if column[row] == NO_STEP else column[row] for column in (self.steps, self.epochs, self.batches)
        )
        return Place(step, epoch, batch)

    def key(self, row: int) -> tuple[int, int, int]:
        """What makes points of two runs the same point, besides how often it came before."""
        return self.steps[row], self.epochs[row], self.batches[row]

    def sorted(self) -> Sequence[int]:
        """The rows by their keys; of equal ones the earlier first."""
        places = list(zip(self.steps, self.epochs, self.batches, strict=True))
        return sorted(range(len(places)), key=places.__getitem__)


def _steps(steps: Any, count: int) -> Any:
    if steps is None:
        return array("q", [NO_STEP]) * count
    if isinstance(steps, dict):
        start, distance = steps["start"], steps["step"]
        return array("q", [start + distance * index for index in range(count)])
    return steps


def aligned(one: Points, other: Points) -> Iterator[Pair]:
    """The rows of both that are the same point, the n-th of a key with the n-th; None where one has no more."""
    if one.steps == other.steps and one.epochs == other.epochs and one.batches == other.batches:
        yield from ((row, row) for row in range(len(one)))
        return
    left, right = one.sorted(), other.sorted()
    i = j = 0
    while i < len(left) and j < len(right):
        mine, its = one.key(left[i]), other.key(right[j])
        if mine == its:
            yield left[i], right[j]
            i, j = i + 1, j + 1
        elif mine < its:
            yield left[i], None
            i += 1
        else:
            yield None, right[j]
            j += 1
    yield from ((row, None) for row in left[i:])
    yield from ((None, row) for row in right[j:])


def same(one: Number, other: Number) -> bool:
    """Bit for bit: an int is no float, 0.0 is not -0.0, NaN is NaN."""
    if type(one) is not type(other):
        return False
    if one == other:
        return one != 0 or type(one) is int or copysign(1.0, one) == copysign(1.0, other)
    return one != one and other != other


def close(one: Number, other: Number, tolerance: float) -> bool:
    """Within the tolerance, relative for what is larger than 1. NaN is close to NaN, an infinity to itself."""
    if not isfinite(one) or not isfinite(other):
        return one == other or (one != one and other != other)
    return abs(one - other) <= tolerance * max(1, abs(one), abs(other))
