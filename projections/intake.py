"""Recorded metrics to rows of columns, many lines at once: the hot path of every rebuild."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from orjson import loads

from mltracker.events.envelope import parse_time
from mltracker.events.log import Line
from mltracker.events.values import NON_FINITE
from mltracker.projections.columns import FLOAT, INT, Points, Rows
from mltracker.series import NO_STEP

if TYPE_CHECKING:
    from mltracker.projections.columns import Ints

Find = Callable[[tuple[str, str, str | None, tuple[str, ...], str, bool]], Points]
"""The table of a heading."""

Key = tuple[str, str | None, tuple[str, ...]]
"""Stream, phase, names."""

KINDS = {float: FLOAT, int: INT}
TIME_LENGTH = len("2026-11-24T12:00:00.000001Z")
FEW = 6
"""So few lines are appended one by one."""


class Clock(dict[str, int]):
    """Seconds as written ("2026-11-24T12:00:00.") to microseconds since 1970 UTC, each parsed once."""

    def __missing__(self, second: str) -> int:
        if len(self) > 4096:
            self.clear()
        value = self[second] = parse_time(second + "000000Z")
        return value

    def read(self, time: str) -> int:
        """A time as lines write it; anything else RFC 3339 allows is read slowly."""
        try:
            return self[time[:20]] + int(time[20:-1]) if len(time) == TIME_LENGTH else parse_time(time)
        except ValueError:
            return parse_time(time)

    def read_all(self, times: list[str]) -> Ints:
        """Many of them, in order: those of one second by one replacement and one parse of all their digits."""
        second = times[0][:20]
        joined = "".join(times)
        if len(times) > FEW and times[-1][:20] == second and len(joined) == TIME_LENGTH * len(times):
            digits = str(self[second])[:-6]
            try:
                return array("q", loads(f"[{digits}{joined[20:-1].replace('Z' + second, ',' + digits)}]"))
            except ValueError:
                pass
        elif len(times) > FEW:
            half = len(times) // 2
            return self.read_all(times[:half]) + self.read_all(times[half:])
        return array("q", map(self.read, times))


def metrics(find: Find, clock: Clock, writer: str, key: Key, lines: list[Line]) -> None:
    """Append MetricsRecorded of equal stream, phase and names, in the order of their seq."""
    if len(lines) <= FEW:
        for line in lines:
            _one(find, clock, writer, key, line)
        return
    stream, phase, names = key
    payloads = [line["data"] for line in lines]
    values = list(chain.from_iterable([data["values"].values() for data in payloads]))
    kind = _kind(values)
    if kind is None:
        for line in lines:
            _one(find, clock, writer, key, line)
        return
    find((stream, writer, phase, names, kind, False)).extend(
        Rows(
            array("q", [line["seq"] for line in lines]),
            clock.read_all([line["at"] for line in lines]),
            array("q", [data.get("step", NO_STEP) for data in payloads]),
            _walls(clock, lines),
            _sparse([data.get("epoch") for data in payloads]),
            _sparse([data.get("batch") for data in payloads]),
            None,
            array(kind, values),
        )
    )


def _kind(values: list[Any]) -> str | None:
    """The kind of all of them, None if they are of several or not plain numbers."""
    types = list(map(type, values))
    kind = KINDS.get(types[0])
    return kind if types.count(types[0]) == len(types) else None


def _one(find: Find, clock: Clock, writer: str, key: Key, line: Line) -> None:
    """Append one event."""
    stream, phase, names = key
    data = line["data"]
    get = data.get
    place = (
        line["seq"],
        clock.read(line["at"]),
        get("step", NO_STEP),
        clock.read(line["wall"]) if "wall" in line else None,
        get("epoch"),
        get("batch"),
    )
    values = [*data["values"].values()]
    kind = KINDS.get(type(values[0])) if len(values) == 1 else _kind(values)
    if kind is not None:
        find((stream, writer, phase, names, kind, False)).append(*place, values)
    else:
        for kind, part in _split(data["values"]).items():
            find((stream, writer, phase, tuple(part), kind, False)).append(*place, [*part.values()])


def _split(values: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Ints and floats of one event apart, words for NaN and the infinities read."""
    split: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        number = _number(value)
        split.setdefault(KINDS[type(number)], {})[name] = number
    return split


def _walls(clock: Clock, lines: list[Line]) -> Ints | None:
    if not [True for line in lines if "wall" in line]:
        return None
    return array("q", [clock.read(line["wall"] if "wall" in line else line["at"]) for line in lines])


def _sparse(column: list[int | None]) -> Ints | None:
    if column.count(None) == len(column):
        return None
    return array("q", [NO_STEP if value is None else value for value in column])


def _number(value: Any) -> int | float:
    number = NON_FINITE[value] if type(value) is str else value
    if type(number) not in KINDS:
        raise TypeError(f"{value!r} is no number")
    return number


def series(find: Find, clock: Clock, writer: str, line: Line) -> None:
    """Append one MetricSeriesRecorded."""
    data = line["data"]
    values = data["values"]
    steps = _steps(data.get("steps"), len(values))
    if _kind(values) is None:
        values = list(map(_number, values))
    types = set(map(type, values))
    for type_ in types:
        chosen = None if len(types) == 1 else [index for index, value in enumerate(values) if type(value) is type_]
        part = values if chosen is None else [values[index] for index in chosen]
        heading = (line["stream"], writer, data.get("phase"), (data["name"],), KINDS[type_], True)
        find(heading).extend(_series_rows(clock, line, steps, chosen, array(KINDS[type_], part)))


def _series_rows(clock: Clock, line: Line, steps: Ints, chosen: list[int] | None, values: Any) -> Rows:
    count = len(values)
    at = clock.read(line["at"])
    epoch = line["data"].get("epoch")
    return Rows(
        array("q", (line["seq"],)) * count,
        array("q", (at,)) * count,
        steps if chosen is None else array("q", [steps[index] for index in chosen]),
        array("q", (clock.read(line["wall"]),)) * count if "wall" in line else None,
        None if epoch is None else array("q", (epoch,)) * count,
        None,
        array("q", range(count) if chosen is None else chosen),
        values,
    )


def _steps(steps: Any, count: int) -> Ints:
    if steps is None:
        return array("q", (NO_STEP,)) * count
    if isinstance(steps, dict):
        start, step = steps["start"], steps["step"]
        return array("q", range(start, start + step * count, step) if step else [start] * count)
    if len(steps) != count:
        raise ValueError(f"{len(steps)} steps for {count} values")
    return array("q", steps)


def grouped(lines: list[Line]) -> Iterable[tuple[Key, list[Line]]]:
    """MetricsRecorded by (stream, phase, names)."""
    first = _key(lines[0])
    if first == _key(lines[-1]):
        payloads = [line["data"] for line in lines]
        if (
            [line["stream"] for line in lines].count(first[0]) == len(lines)
            and [data.get("phase") for data in payloads].count(first[1]) == len(lines)
            and [tuple(data["values"]) for data in payloads].count(first[2]) == len(lines)
        ):
            return [(first, lines)]
    groups: dict[Key, list[Line]] = {}
    for line in lines:
        data = line["data"]
        key = (line["stream"], data.get("phase"), tuple(data["values"]))
        group = groups.get(key)
        if group is None:
            groups[key] = [line]
        else:
            group.append(line)
    return groups.items()


def _key(line: Line) -> Key:
    data = line["data"]
    return (line["stream"], data.get("phase"), tuple(data["values"]))
