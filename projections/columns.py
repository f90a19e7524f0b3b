"""Points of metrics in columns: a few plain arrays instead of an object per point.

A table holds the points of one aggregate, writer, phase and tuple of names, of one kind (float64 or int64). A row is
one event, or one element of a recorded series; the values of its names lie side by side in one flat array, so that the
column of name `j` of `k` is `values[j::k]`. Rows are in the order of their seq, hence of their stamp.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from mltracker.events.values import decode_number, encode_number
from mltracker.series import NO_STEP

if TYPE_CHECKING:
    Ints = array[int]
    Numbers = array[float]
    Buffer = bytes | memoryview
else:
    Ints = Numbers = array

FLOAT, INT = "d", "q"
REGULAR = ("seqs", "ats", "steps")
SPARSE = ("epochs", "batches", "indexes")


class Heading(NamedTuple):
    """What the rows of a table share.

    `event` is None where the names are all of an event, else all names of the events of which these are those of one
    kind; () where each row is an element of a MetricSeriesRecorded.
    """

    aggregate: str
    writer: str
    phase: str | None
    names: tuple[str, ...]
    kind: str
    event: tuple[str, ...] | None

    @property
    def series(self) -> bool:
        return self.event == ()

    def place(self, position: int) -> int:
        """Where the name at that position stood in its event."""
        return self.event.index(self.names[position]) if self.event else position


class Rows(NamedTuple):
    """Columns of equal length to append; `values` is flat. None: the column has nothing to say of these rows."""

    seqs: Ints
    ats: Ints
    steps: Ints
    walls: Ints | None
    epochs: Ints | None
    batches: Ints | None
    indexes: Ints | None
    values: Numbers


class Tail(NamedTuple):
    """What is known of a table without reading its columns. `epoch` is the highest, None if there is none."""

    rows: int
    first_seq: int
    last_seq: int
    last_at: int
    last_index: int
    epoch: int | None
    values: tuple[float, ...]

    def dumped(self) -> list[Any]:
        """As JSON."""
        *counts, numbers = self
        return [*counts, list(map(encode_number, numbers))]

    @classmethod
    def loaded(cls, dumped: list[Any]) -> Tail:
        rows, first_seq, last_seq, last_at, last_index, epoch, numbers = dumped
        return cls(rows, first_seq, last_seq, last_at, last_index, epoch, tuple(map(decode_number, numbers)))


class Runs:
    """A column of ints as arithmetic runs, flat triples (first row, first value, slope); NO_STEP stands for none."""

    __slots__ = ("_next", "rows", "top", "triples")

    def __init__(self, rows: int = 0, triples: Ints | None = None) -> None:
        self.rows = rows
        self.triples = triples if triples is not None else array("q", (0, NO_STEP, 0) if rows else ())
        self._next: int | None = self._expected()
        """What would go on with the last run; None where it has one row, hence no slope yet."""
        self.top = self.highest(0, rows) if rows else NO_STEP
        """The highest value, NO_STEP if there is none."""

    def append(self, value: int) -> None:
        if value == self._next:
            self.rows += 1
            self._next = value + self.triples[-1]
            if value > self.top:
                self.top = value
        else:
            self.add(value, 0, 1)

    def extend(self, values: Ints) -> None:
        count = len(values)
        first = values[0]
        slope = values[1] - first if count > 1 else 0
        likely = values[-1] == first + slope * (count - 1) and _may_slope(first, slope)
        if likely and _regular(first, slope, count) == values:
            self.add(first, slope, count)
        elif count <= 8:
            for value in values:
                self.append(value)
        else:
            self.extend(values[: count // 2])
            self.extend(values[count // 2 :])

    def add(self, first: int, slope: int, count: int) -> None:
        """Append `first`, `first + slope`, ...: to the last run where that fits."""
        if not self._joins(first, slope, count):
            self.triples.extend((self.rows, first, slope))
        self.rows += count
        self._next = self._expected()
        self.top = max(self.top, first, first + slope * (count - 1))

    def _joins(self, first: int, slope: int, count: int) -> bool:
        if self._next is not None:
            return first == self._next and (count == 1 or slope == self.triples[-1])
        if not self.rows:
            return False
        step = first - self.triples[-2]
        if not _may_slope(self.triples[-2], step) or (count > 1 and step != slope):
            return False
        self.triples[-1] = step
        return True

    def _expected(self) -> int | None:
        length = self.rows - self.triples[-3] if self.rows else 0
        return self.triples[-2] + self.triples[-1] * length if length > 1 else None

    def spans(self) -> list[tuple[int, int, int, int]]:
        """(first row, row after the last, first value, slope) of each run."""
        starts = self.triples[0::3].tolist()
        return list(zip(starts, [*starts[1:], self.rows], self.triples[1::3], self.triples[2::3], strict=True))

    def part(self, start: int, stop: int) -> Runs:
        """Some of the rows."""
        triples = array("q")
        for begin, end, first, slope in self.spans():
            low = max(begin, start)
            if low < min(end, stop):
                triples.extend((low - start, first + slope * (low - begin), slope))
        return Runs(stop - start, triples)

    def expand(self) -> Ints:
        column = array("q")
        for start, stop, first, slope in self.spans():
            column.extend(_regular(first, slope, stop - start))
        return column

    def last(self) -> int:
        start, first, slope = self.triples[-3:]
        return first + slope * (self.rows - 1 - start)

    def highest(self, start: int, stop: int) -> int:
        """The highest value of these rows, NO_STEP if there is none."""
        top = NO_STEP
        for begin, end, first, slope in self.spans():
            low, high = max(begin, start), min(end, stop)
            if low < high:
                top = max(top, first + slope * ((high - 1 if slope > 0 else low) - begin))
        return top


def _may_slope(first: int, slope: int) -> bool:
    """Whether a run may go from there that way: not from or to NO_STEP, and within 64 bits."""
    return not slope or (-(2**63) <= slope < 2**63 and NO_STEP not in (first, first + slope))


def _regular(first: int, slope: int, count: int) -> Ints:
    return array("q", range(first, first + slope * count, slope) if slope else (first,) * count)


class Points(ABC):
    """A table as the answers see it. Columns are not to be changed by who reads them, unless they are `fresh`."""

    heading: Heading
    fresh: ClassVar[bool] = False
    """Columns are made anew for each who asks."""

    @property
    @abstractmethod
    def tail(self) -> Tail: ...

    @abstractmethod
    def column(self, name: str) -> Ints:
        """One of seqs, ats, steps, walls, epochs, batches, indexes: an int64 a row, NO_STEP for none."""

    @abstractmethod
    def numbers(self, position: int) -> Numbers:
        """The values of the name at that position."""

    def highest_epoch(self, start: int, stop: int) -> int | None:
        """Over these rows."""
        top = max(self.column("epochs")[start:stop], default=NO_STEP)
        return None if top == NO_STEP else top


class Table(Points):
    """A table in memory."""

    __slots__ = ("ats", "batches", "epochs", "heading", "indexes", "seqs", "steps", "values", "walls")

    def __init__(self, heading: Heading) -> None:
        self.heading = heading
        self.seqs: Ints = array("q")
        self.ats: Ints = array("q")
        self.steps: Ints = array("q")
        self.walls: Ints | None = None
        self.epochs: Runs | None = None
        self.batches: Runs | None = None
        self.indexes: Runs | None = None
        self.values: Numbers = array(heading.kind)

    def __len__(self) -> int:
        return len(self.seqs)

    @property
    def tail(self) -> Tail:
        rows, width = len(self.seqs), len(self.heading.names)
        epoch = None if self.epochs is None or self.epochs.top == NO_STEP else self.epochs.top
        index = self.indexes.last() if self.indexes else NO_STEP
        return Tail(rows, self.seqs[0], self.seqs[-1], self.ats[-1], index, epoch, tuple(self.values[-width:]))

    def extend(self, rows: Rows) -> None:
        if rows.walls is not None and self.walls is None:
            self.walls = self.ats[:]
        if self.walls is not None:
            self.walls.extend(rows.walls if rows.walls is not None else rows.ats)
        before, count = len(self.seqs), len(rows.seqs)
        self.seqs.extend(rows.seqs)
        self.ats.extend(rows.ats)
        self.steps.extend(rows.steps)
        self.values.extend(rows.values)
        if self.epochs is not None or rows.epochs is not None:
            self.epochs = _extended(self.epochs, before, rows.epochs, count)
        if self.batches is not None or rows.batches is not None:
            self.batches = _extended(self.batches, before, rows.batches, count)
        if self.indexes is not None or rows.indexes is not None:
            self.indexes = _extended(self.indexes, before, rows.indexes, count)

    def append(
        self, seq: int, at: int, step: int, wall: int | None, epoch: int | None, batch: int | None, values: list[float]
    ) -> None:
        """One row."""
        if wall is not None and self.walls is None:
            self.walls = self.ats[:]
        if self.walls is not None:
            self.walls.append(at if wall is None else wall)
        if self.epochs is not None:
            self.epochs.append(NO_STEP if epoch is None else epoch)
        elif epoch is not None:
            self.epochs = Runs(len(self.seqs))
            self.epochs.append(epoch)
        if self.batches is not None:
            self.batches.append(NO_STEP if batch is None else batch)
        elif batch is not None:
            self.batches = Runs(len(self.seqs))
            self.batches.append(batch)
        self.seqs.append(seq)
        self.ats.append(at)
        self.steps.append(step)
        self.values.extend(values)

    def column(self, name: str) -> Ints:
        held: Any = getattr(self, name)
        if isinstance(held, array):
            return held
        if held is None:
            return self.ats if name == "walls" else array("q", (NO_STEP,)) * len(self.seqs)
        return held.expand()  # type: ignore[no-any-return]

    def numbers(self, position: int) -> Numbers:
        width = len(self.heading.names)
        return self.values if width == 1 else self.values[position::width]

    def highest_epoch(self, start: int, stop: int) -> int | None:
        top = self.epochs.highest(start, stop) if self.epochs else NO_STEP
        return None if top == NO_STEP else top

    def rows(self) -> Rows:
        """All of it, to be appended to another."""
        epochs, batches, indexes = (
            None if runs is None else runs.expand() for runs in (self.epochs, self.batches, self.indexes)
        )
        return Rows(self.seqs, self.ats, self.steps, self.walls, epochs, batches, indexes, self.values)

    def part(self, start: int, stop: int) -> Table:
        """Some of the rows as a table; the table itself if these are all."""
        if start == 0 and stop >= len(self.seqs):
            return self
        table, width = Table(self.heading), len(self.heading.names)
        for name in (*REGULAR, "walls"):
            column = getattr(self, name)
            setattr(table, name, None if column is None else column[start:stop])
        for name in SPARSE:
            runs = getattr(self, name)
            setattr(table, name, None if runs is None else runs.part(start, min(stop, len(self.seqs))))
        table.values = self.values[start * width : stop * width]
        return table

    def to_bytes(self) -> dict[str, bytes]:
        """Every column but the values, as it lies in memory; what is empty is left out."""
        packed = {name: getattr(self, name).tobytes() for name in REGULAR}
        if self.walls is not None:
            packed["walls"] = self.walls.tobytes()
        for name in SPARSE:
            runs: Runs | None = getattr(self, name)
            if runs is not None:
                packed[name] = runs.triples.tobytes()
        return packed

    @classmethod
    def from_bytes(cls, heading: Heading, packed: Mapping[str, Buffer], values: Buffer) -> Table:
        """What `to_bytes` and the values' bytes make. Raises ValueError where the lengths do not fit."""
        table = cls(heading)
        for name in REGULAR:
            getattr(table, name).frombytes(packed[name])
        table.values.frombytes(values)
        if "walls" in packed:
            table.walls = ints(packed["walls"])
        for name in SPARSE:
            if name in packed:
                setattr(table, name, Runs(len(table.seqs), ints(packed[name])))
        lengths = {len(table.seqs), len(table.ats), len(table.steps)}
        if len(lengths) > 1 or len(table.values) != len(table.seqs) * len(heading.names):
            raise ValueError("columns of unequal length")
        return table


def ints(data: Buffer) -> Ints:
    """Bytes as int64."""
    column = array("q")
    column.frombytes(data)
    return column


def _extended(runs: Runs | None, before: int, values: Ints | None, count: int) -> Runs:
    runs = runs if runs is not None else Runs(before)
    if values is None:
        runs.add(NO_STEP, 0, count)
    else:
        runs.extend(values)
    return runs
