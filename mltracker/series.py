"""One metric as two columns, and the only place that knows NumPy, pandas and polars."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from mltracker.errors import MissingExtra

if TYPE_CHECKING:
    Ints = array[int]

NO_STEP = -(2**63)
"""Stands in `steps` for a point without one; no recorded step can have this value."""
Key = tuple[str | None, str]
"""Phase and name of a series."""


def series_name(phase: str | None, name: str) -> str:
    """A metric and its phase in one word, train/loss; quoted where a slash is part of a name: "a/b", "a/b"/loss."""
    if phase is None:
        return _quoted(name)
    return f"{_quoted(phase)}/{name}"


def as_shown(known: Iterable[Key], name: str, phase: str | None) -> tuple[str, str | None]:
    """Name and phase of the metric that is meant: where none has that whole name, the one that is shown by it."""
    keys = list(known)
    if any(name == one for _, one in keys):
        return name, phase
    meant = next((key for key in keys if series_name(*key) == name), None)
    return (name, phase) if meant is None else (meant[1], meant[0] if phase is None else phase)


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False) if "/" in name or name.startswith('"') else name


class Series(NamedTuple):
    """Columns of equal length, sorted by step, then stamp; points without a step (NO_STEP) come last.

    `steps` is int64; `values` is int64 if all are ints, else float64. NumPy arrays where NumPy is installed, else
    `array.array`.
    """

    steps: Any
    values: Any

    def _repr_html_(self) -> str:
        from mltracker import html

        steps = (None if step == NO_STEP else int(step) for step in self.steps)
        rows = ({"step": step, "value": value} for step, value in zip(steps, map(_plain, self.values), strict=True))
        return html.table(rows, len(self.values))

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the columns step and value. Raises MissingExtra."""
        try:
            import pandas
        except ImportError:
            raise MissingExtra("pandas", "pandas") from None
        return pandas.DataFrame({"step": self.steps, "value": self.values})

    def to_polars(self) -> Any:
        """A polars DataFrame with the columns step and value. Raises MissingExtra."""
        try:
            import polars
        except ImportError:
            raise MissingExtra("polars", "polars") from None
        return polars.DataFrame({"step": self.steps, "value": self.values})


def _plain(value: Any) -> Any:
    """A number without its library."""
    return value.item() if hasattr(value, "item") else value


class Stamps(NamedTuple):
    """What orders points of equal step: columns of equal length. `writers` are ranks."""

    ats: Ints
    writers: Ints
    seqs: Ints
    indexes: Ints


class Part(NamedTuple):
    """Points of one series by one writer, in the order of their stamps. `fresh`: the columns may be given away."""

    steps: Ints
    values: array[Any]
    fresh: bool = False


def arranged(parts: Sequence[Part], stamps: Callable[[], Stamps], *, last: bool = False) -> Series:
    """The parts as one series. `stamps` are of all points in the order of the parts, asked for only where needed.

    `last`: of equal steps the latest only; points without a step are all kept.
    """
    steps, values = _joined(parts)
    if is_sorted(steps, strictly=last or len(parts) > 1):
        return Series(steps, values)
    rows = order(steps, stamps)
    return _picked(steps, values, rows, last)


def _joined(parts: Sequence[Part]) -> tuple[Any, Any]:
    np = numpy()
    if np is not None and parts:
        steps, values = [np.asarray(part.steps) for part in parts], [np.asarray(part.values) for part in parts]
        if len(parts) == 1 and parts[0].fresh:
            return steps[0], values[0]
        return np.concatenate(steps), np.concatenate(values)
    kind = "q" if all(part.values.typecode == "q" for part in parts) else "d"
    joined: tuple[Ints, array[Any]] = array("q"), array(kind)
    for part in parts:
        joined[0].extend(part.steps)
        joined[1].extend(part.values if part.values.typecode == kind else array(kind, part.values))
    return joined if np is None else (np.asarray(joined[0]), np.asarray(joined[1]))


def _picked(steps: Any, values: Any, rows: Sequence[int], last: bool) -> Series:
    np = numpy()
    if np is not None:
        steps, values = steps[rows], values[rows]
        if last:
            keep = np.append((steps[1:] != steps[:-1]) | (steps[1:] == NO_STEP), True)
            steps, values = steps[keep], values[keep]
        return Series(steps, values)
    if last:
        following = [steps[row] for row in rows[1:]]
        kept = (row for row, after in zip(rows, following, strict=False) if steps[row] != after or after == NO_STEP)
        rows = [*kept, rows[-1]]
    return Series(array("q", [steps[row] for row in rows]), array(values.typecode, [values[row] for row in rows]))


def is_sorted(steps: Any, *, strictly: bool) -> bool:
    """Whether the steps rise (or at least do not fall), none missing."""
    if not len(steps) or steps[0] == NO_STEP:
        return not len(steps)
    np = numpy()
    if np is not None:
        column = np.asarray(steps)
        return bool((column[1:] > column[:-1]).all() if strictly else (column[1:] >= column[:-1]).all())
    held = steps.tolist()
    return held == sorted(held) and (not strictly or len(set(held)) == len(held))


def order(steps: Any, stamps: Callable[[], Stamps]) -> Sequence[int]:
    """The positions of the points by (step, stamp), those without a step last; equal ones as they are."""
    ats, writers, seqs, indexes = stamps()
    np = numpy()
    if np is not None:
        keys = [np.asarray(column) for column in (indexes, seqs, writers, ats, steps)]
        keys[-1] = keys[-1] - 1  # wraps around: NO_STEP becomes the highest
        rows: Sequence[int] = np.lexsort(keys)
        return rows
    ranks = [(step == NO_STEP, step) for step in steps]
    places = list(zip(ranks, ats, writers, seqs, indexes, strict=True))
    return sorted(range(len(steps)), key=places.__getitem__)


@cache
def numpy() -> Any:
    """NumPy, or None where it is not installed. Imported when first needed: it takes a tenth of a second."""
    try:
        import numpy as np
    except ImportError:
        return None
    return np
