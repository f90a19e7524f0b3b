"""Many points of one metric as bytes: checked as a whole, then cut into events."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from mltracker.commands import check
from mltracker.errors import InvalidMetric, InvalidValue
from mltracker.events import values as numbers

CHUNK = 8192
"""Points an event: a million in one halve the speed, and a reader wants lines that fit into memory."""
LARGEST = 2**63 - 1


class Values(NamedTuple):
    """A list or a contiguous array of numbers; `plain` if JSON can write them as they are."""

    column: Any
    plain: bool

    def part(self, first: int) -> Any:
        """A chunk of them as JSON can hold it."""
        chunk = self.column[first : first + CHUNK]
        if self.plain:
            return chunk
        return [numbers.encode_number(value) for value in (chunk if isinstance(chunk, list) else chunk.tolist())]


class Steps(NamedTuple):
    """A column of ints, or a range where the distance is regular."""

    column: Any

    def part(self, first: int) -> Any:
        """A chunk of them as JSON can hold it."""
        if isinstance(self.column, range):
            return {"start": self.column[first], "step": self.column.step}
        return self.column[first : first + CHUNK]


def encoded(name: str, values: Values, steps: Steps | None, epoch: int | None, phase: str | None) -> Iterator[bytes]:
    """The payloads of the MetricSeriesRecorded events that hold these points."""
    for first in range(0, len(values.column), CHUNK):
        data = {"name": name, "values": values.part(first)}
        if steps is not None:
            data["steps"] = steps.part(first)
        if epoch is not None:
            data["epoch"] = epoch
        if phase is not None:
            data["phase"] = phase
        yield orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


def check_values(name: str, values: Iterable[float]) -> Values:
    """Raises InvalidMetric for what is no number, InvalidValue for what is no column."""
    array = _array(values)
    if array is None:
        return _listed(name, _elements("values", values))
    if array.ndim != 1:
        raise InvalidValue("values", f"must have one dimension, not {array.ndim}")
    np = _numpy()
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "O":
        return _listed(name, array.tolist())
    if kind == "f" and size <= 8:
        floats = np.ascontiguousarray(array, dtype=np.float64)
        return Values(floats, bool(np.isfinite(floats).all()))
    if kind == "u" and array.size and int(array.max()) > LARGEST:
        raise InvalidMetric(f"metric {name!r}", "an int must fit into signed 64 bits")
    if kind in "iu":
        return Values(np.ascontiguousarray(array, dtype=np.int64), True)
    raise InvalidMetric(f"metric {name!r}", f"values must be numbers, not {array.dtype}")


def check_steps(steps: Iterable[int], points: int) -> Steps:
    """Raises InvalidValue for what is no int, or another number of steps than points."""
    column: Any = steps
    if not isinstance(steps, range):
        array = _array(steps)
        column = _elements("steps", steps) if array is None or array.dtype.kind not in "iu" else array
    if len(column) != points:
        raise InvalidValue("steps", f"{len(column)} steps for {points} values")
    if not points:
        return Steps(column)
    if isinstance(column, list):
        return Steps(_listed_steps(column))
    if not isinstance(column, range) and column.ndim != 1:
        raise InvalidValue("steps", f"must have one dimension, not {column.ndim}")
    check.place("steps", column[0] if isinstance(column, range) else column.min())
    check.place("steps", column[-1] if isinstance(column, range) else column.max())
    return Steps(column if isinstance(column, range) else _array_steps(column))


def _numpy() -> Any:
    """NumPy, if somebody loaded it: without that nobody has an array."""
    return sys.modules.get("numpy")


def _array(column: object) -> Any:
    """What is an array of some library, as NumPy's; None for anything else."""
    np = _numpy()
    is_array = np is not None and hasattr(column, "__array__") and not isinstance(column, (list, tuple, range))
    return np.asarray(column) if is_array else None


def _elements(field: str, column: Iterable[Any]) -> list[Any]:
    if isinstance(column, (str, bytes)):
        raise InvalidValue(field, f"must be a column of numbers, not {type(column).__name__}")
    if type(column) is list:
        return column
    try:
        return list(column)
    except TypeError:
        raise InvalidValue(field, f"must be a column of numbers, not {type(column).__name__}") from None


def _listed(name: str, column: list[Any]) -> Values:
    kinds = set(map(type, column))
    if kinds - {float, int}:
        column = [numbers.number(name, value) for value in column]
    elif int in kinds and not all(-LARGEST - 1 <= value <= LARGEST for value in column if type(value) is int):
        raise InvalidMetric(f"metric {name!r}", "an int must fit into signed 64 bits")
    total = sum(column)
    return Values(column, total - total == 0)


def _listed_steps(steps: list[Any]) -> list[int] | range:
    if set(map(type, steps)) != {int}:
        steps = [_step(step) for step in steps]
    regular = _range(_step(steps[0]), _step(steps[-1]), len(steps))
    if regular and steps == list(regular):  # whose ends are its extremes
        return regular
    check.place("steps", min(steps))
    check.place("steps", max(steps))
    return steps


def _array_steps(steps: Any) -> Any:
    """Ends and equal differences suffice: differences that overflow cannot cancel out within 64 bits."""
    np = _numpy()
    steps = np.ascontiguousarray(steps, dtype=np.int64)
    regular = _range(int(steps[0]), int(steps[-1]), len(steps))
    return regular if regular and bool((np.diff(steps) == regular.step).all()) else steps


def _range(first: int, last: int, points: int) -> range | None:
    """The only regular steps that these could be."""
    distance, rest = divmod(last - first, points - 1) if points > 1 else (0, 0)
    return range(first, last + (1 if distance > 0 else -1), distance) if distance and not rest else None


def _step(step: object) -> int:
    number = check.place("steps", step)
    if number is None:
        raise InvalidValue("steps", "must be an int, not NoneType", hint="Leave steps out where there are none")
    return number
