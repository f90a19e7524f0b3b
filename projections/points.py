"""What the port of metrics answers, over tables and corrections."""

from __future__ import annotations

import builtins
from array import array
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from mltracker.models import Metric
from mltracker.ports import MetricQueries
from mltracker.projections import summaries
from mltracker.projections.answers import live_keys
from mltracker.projections.building import collector_off
from mltracker.projections.corrections import Corrections, Piece
from mltracker.projections.store import Store
from mltracker.series import NO_STEP, Part, Series, Stamps, arranged, is_sorted, order

if TYPE_CHECKING:
    from mltracker.projections.columns import Ints


class MetricAnswers(MetricQueries):
    def __init__(self, store: Store, aggregates: Sequence[str]) -> None:
        self._store = store
        self._aggregates = aggregates

    def list(
        self,
        name: str | None = None,
        phase: str | None = None,
        *,
        epoch: int | None = None,
        session: str | None = None,
        voided: bool = False,
    ) -> builtins.list[Metric]:
        pieces = self._pieces(name, phase, session)
        if voided:
            pieces = [one for piece in pieces for one in piece.voided()]
        pieces = [piece for piece in pieces if piece.size]
        with collector_off():
            points = [metric for piece in pieces for metric in _metrics(piece)]
        steps = array("q")
        for piece in pieces:
            steps.extend(piece.take(piece.table.column("steps")))
        if not is_sorted(steps, strictly=len(pieces) > 1):
            points = [points[row] for row in order(steps, lambda: _stamps(pieces))]
        return points if epoch is None else [metric for metric in points if metric.epoch == epoch]

    def series(self, name: str, phase: str | None = None, *, session: str | None = None, last: bool = False) -> Series:
        pieces = [piece for piece in self._pieces(name, phase, session) if piece.size]
        parts = [_part(piece) for piece in pieces]
        if len(parts) > 1:
            ranked = sorted(zip(parts, pieces, strict=True), key=lambda pair: pair[0].steps[0])
            parts, pieces = [part for part, _ in ranked], [piece for _, piece in ranked]
        return arranged(parts, lambda: _stamps(pieces), last=last)

    def names(self) -> builtins.list[tuple[str | None, str]]:
        found = {(piece.table.heading.phase, piece.name) for piece in self._pieces() if piece.size}
        return sorted(found, key=summaries.series_order)

    def _pieces(
        self, name: str | None = None, phase: str | None = None, session: str | None = None
    ) -> builtins.list[Piece]:
        writer = session.partition(":")[0] if session is not None else None
        pieces = []
        for key in live_keys(self._store, self._aggregates):
            corrections = Corrections(self._store.state(key))
            for table in self._store.tables(key):
                if phase in (None, table.heading.phase) and writer in (None, table.heading.writer):
                    pieces += [piece for piece in corrections.pieces(table) if name in (None, piece.name)]
        return pieces


def _part(piece: Piece) -> Part:
    table = piece.table
    return Part(piece.take(table.column("steps")), piece.take(table.numbers(piece.position)), table.fresh)


def _stamps(pieces: Sequence[Piece]) -> Stamps:
    ranks = {writer: rank for rank, writer in enumerate(sorted({piece.table.heading.writer for piece in pieces}))}
    stamps = Stamps(array("q"), array("q"), array("q"), array("q"))
    for piece in pieces:
        stamps.ats.extend(piece.take(piece.table.column("ats")))
        stamps.writers.extend(array("q", (ranks[piece.table.heading.writer],)) * piece.size)
        stamps.seqs.extend(piece.take(piece.table.column("seqs")))
        if piece.table.heading.series:
            stamps.indexes.extend(piece.take(piece.table.column("indexes")))
        else:
            stamps.indexes.extend(array("q", (piece.table.heading.place(piece.position),)) * piece.size)
    return stamps


def _metrics(piece: Piece) -> list[Metric]:
    table, heading = piece.table, piece.table.heading
    recorded = heading.names[piece.position]
    seqs = piece.take(table.column("seqs"))
    if heading.series:
        indexes = piece.take(table.column("indexes"))
        ids = [f"{heading.writer}:{seq}:{recorded}:{index}" for seq, index in zip(seqs, indexes, strict=True)]
    else:
        ids = [f"{heading.writer}:{seq}:{recorded}" for seq in seqs]
    return list(
        map(
            Metric,
            repeat(piece.name),
            piece.take(table.numbers(piece.position)),
            _optional(piece.take(table.column("steps"))),
            _optional(piece.take(table.column("epochs"))),
            _optional(piece.take(table.column("batches"))),
            repeat(heading.phase),
            ids,
            piece.take(table.column("walls")),
            repeat(f"{heading.writer}:0"),
        )
    )


def _optional(column: Ints) -> Any:
    missing = column.count(NO_STEP)
    if missing == 0:
        return column
    return repeat(None) if missing == len(column) else [None if one == NO_STEP else one for one in column]
