"""What was done to the points of an aggregate: cleared, renamed, voided. Points themselves never change."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

from mltracker.projections.columns import Points

if TYPE_CHECKING:
    from array import array

    from mltracker.projections.store import Document


class Rename(NamedTuple):
    """What a MetricRenamed does to the points up to `position`."""

    """`position` is the last seq of each writer that it touches."""

    old: str
    new: str
    position: Mapping[str, int]


class Point(NamedTuple):
    """A point's id, taken apart: `element` is None but for those of a recorded series."""

    writer: str
    seq: int
    name: str
    element: int | None


class Piece(NamedTuple):
    """Visible points of one name: a stretch of one column of a table. `left_out` are the voided rows in it."""

    table: Points
    position: int
    name: str
    start: int
    stop: int
    left_out: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        return self.stop - self.start - len(self.left_out)

    def take(self, column: array[Any]) -> array[Any]:
        """The piece's part of a column of its table."""
        if len(column) == self.size:
            return column
        part = column[self.start : self.stop]
        if not self.left_out:
            return part
        keep = bytearray(b"\1") * len(part)
        for row in self.left_out:
            keep[row - self.start] = 0
        return type(part)(part.typecode, compress(part, keep))

    def voided(self) -> Iterator[Piece]:
        """The rows that this piece leaves out, each a piece of its own."""
        for row in self.left_out:
            yield self._replace(start=row, stop=row + 1, left_out=())

    def newest(self) -> int:
        """The row of its last point."""
        row = self.stop - 1
        gone = set(self.left_out)
        while row in gone:
            row -= 1
        return row


def point_ids(text: str) -> list[Point]:
    """What a point's id may mean; a name may itself end with a colon and digits. Empty if it is none."""
    writer, _, rest = text.partition(":")
    seq, _, name = rest.partition(":")
    if not name or not _is_count(seq):
        return []
    plain = [Point(writer, int(seq), name, None)]
    stem, _, index = name.rpartition(":")
    return [*plain, Point(writer, int(seq), stem, int(index))] if stem and _is_count(index) else plain


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and str(int(text)) == text


class Corrections:
    """The corrections of one aggregate key, out of its state."""

    def __init__(self, state: Document | None) -> None:
        state = state or {}
        self.cleared: Mapping[str, int] = state.get("cleared", {})
        undone = state.get("undone", {})
        held = [(rename["stamp"], id, rename) for id, rename in state.get("renames", {}).items() if id not in undone]
        held.sort(key=lambda row: row[:2])
        self.renames = [Rename(item["old"], item["new"], item["position"]) for *_, item in held]
        self.voided: dict[str, list[Point]] = {}
        for id, (_, why) in state.get("voids", {}).items():
            for point in point_ids(id) if why is not None else ():
                self.voided.setdefault(point.writer, []).append(point)

    def touch(self, table: Points) -> bool:
        """Whether any of them may concern a table; if not, all its points are visible under their own names."""
        if not self.cleared and not self.renames and not self.voided:
            return False
        heading = table.heading
        if self.cleared.get(heading.writer, -1) >= table.tail.first_seq or heading.writer in self.voided:
            return True
        return any(rename.old in heading.names and heading.writer in rename.position for rename in self.renames)

    def pieces(self, table: Points) -> Iterator[Piece]:
        """The visible points of a table."""
        heading = table.heading
        stretches = self._stretches(table)
        for position, recorded in enumerate(heading.names):
            gone = self._gone(table, recorded)
            for start, stop, first_seq in stretches:
                name = self.name(recorded, heading.writer, first_seq)
                yield Piece(table, position, name, start, stop, tuple(row for row in gone if start <= row < stop))

    def name(self, recorded: str, writer: str, seq: int) -> str:
        """What the point recorded under that name is called now."""
        name = recorded
        for old, new, position in self.renames:
            if name == old and seq <= position.get(writer, -1):
                name = new
        return name

    def _stretches(self, table: Points) -> list[tuple[int, int, int]]:
        """Rows (start, stop, first seq) that nothing cleared and within which every name stays what it is."""
        writer, tail = table.heading.writer, table.tail
        cleared = self.cleared.get(writer, -1)
        if cleared >= tail.last_seq:
            return []
        limits = {rename.position.get(writer, -1) for rename in self.renames} | {cleared}
        cuts = sorted(limit for limit in limits if tail.first_seq <= limit < tail.last_seq)
        if not cuts:
            return [(0, tail.rows, tail.first_seq)]
        seqs = table.column("seqs")
        starts = [0, *(bisect_right(seqs, cut) for cut in cuts)]
        stops = [*starts[1:], tail.rows]
        spans = zip(starts, stops, strict=True)
        return [(start, stop, seqs[start]) for start, stop in spans if seqs[start] > cleared]

    def _gone(self, table: Points, recorded: str) -> list[int]:
        found = (find(table, point) for point in self.voided.get(table.heading.writer, ()) if point.name == recorded)
        return sorted(row for row in found if row is not None)


def find(table: Points, point: Point) -> int | None:
    """The row of a point in a table, None if it is not there."""
    heading, tail = table.heading, table.tail
    if heading.writer != point.writer or point.name not in heading.names:
        return None
    if heading.series != (point.element is not None) or not tail.first_seq <= point.seq <= tail.last_seq:
        return None
    seqs = table.column("seqs")
    row, stop = bisect_left(seqs, point.seq), bisect_right(seqs, point.seq)
    if row == stop or point.element is None:
        return row if row < stop else None
    indexes = table.column("indexes")
    row = bisect_left(indexes, point.element, row, stop)
    return row if row < stop and indexes[row] == point.element else None
