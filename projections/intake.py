"""Recorded metrics to rows of columns, many lines at once: the hot path of every rebuild."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

from orjson import loads

from mltracker.events.envelope import parse_time
from mltracker.events.log import Line
from mltracker.events.values import NON_FINITE
from mltracker.projections.columns import FLOAT, INT, Rows, Table
from mltracker.series import NO_STEP

if TYPE_CHECKING:
    from mltracker.projections.columns import Ints, Numbers

Find = Callable[[tuple[str, str, str | None, tuple[str, ...], str, tuple[str, ...] | None]], Table]
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
        if len(times) <= FEW:
            return array("q", map(self.read, times))
        second = times[0][:20]
        joined = "".join(times)
        if times[-1][:20] == second and len(joined) == TIME_LENGTH * len(times) and self[second] > 0:
            digits = str(self[second])[:-6]
            with suppress(ValueError):
                return array("q", loads(f"[{digits}{joined[20:-1].replace('Z' + second, ',' + digits)}]"))
        half = len(times) // 2
        return self.read_all(times[:half]) + self.read_all(times[half:])


def metrics(find: Find, clock: Clock, writer: str, key: Key, lines: list[Line]) -> None:
    """Append MetricsRecorded of equal stream, phase and names, in the order of their seq."""
    if not key[2]:
        return
    if len(lines) <= FEW:
        for line in lines:
            _one(find, clock, writer, key, line)
        return
    stream, phase, names = key
    values = list(chain.from_iterable([line["data"]["values"].values() for line in lines]))
    kind = _kind(values)
    if kind is None:
        _mixed(find, clock, writer, key, lines, values)
    else:
        find((stream, writer, phase, names, kind, None)).extend(_rows(clock, lines, array(kind, values)))


def _kind(values: list[Any]) -> str | None:
    """The kind of all of them, None if they are of several or not plain numbers."""
    types = list(map(type, values))
    kind = KINDS.get(types[0])
    return kind if types.count(types[0]) == len(types) else None


def _rows(clock: Clock, lines: list[Line], values: Numbers) -> Rows:
    payloads = [line["data"] for line in lines]
    return Rows(
        array("q", [line["seq"] for line in lines]),
        clock.read_all([line["at"] for line in lines]),
        _column(payloads, "step") or array("q", (NO_STEP,)) * len(lines),
        _walls(clock, lines),
        _column(payloads, "epoch"),
        _column(payloads, "batch"),
        None,
        values,
    )


def _one(find: Find, clock: Clock, writer: str, key: Key, line: Line) -> None:
    """Append one event."""
    stream, phase, names = key
    data = line["data"]
    values = [*data["values"].values()]
    kind = KINDS.get(type(values[0])) if len(values) == 1 else _kind(values)
    if kind is None:
        _mixed(find, clock, writer, key, [line], values)
        return
    get = data.get
    find((stream, writer, phase, names, kind, None)).append(
        line["seq"],
        clock.read(line["at"]),
        get("step", NO_STEP),
        clock.read(line["wall"]) if "wall" in line else None,
        get("epoch"),
        get("batch"),
        values,
    )


def _mixed(find: Find, clock: Clock, writer: str, key: Key, lines: list[Line], values: list[Any]) -> None:
    """Ints and floats side by side, or words for NaN and the infinities: the names of one kind make a table.

    Which these are may differ from line to line; so that every table gets its rows in order, its heading says of what
    whole it is a part.
    """
    stream, phase, names = key
    width = len(names)
    types = list(map(type, values))
    if types.count(float) + types.count(int) < len(types):
        values = list(map(_number, values))
        types = list(map(type, values))
    alike: dict[tuple[type, ...], list[int]] = {}
    for row in range(len(lines)):
        alike.setdefault(tuple(types[row * width : (row + 1) * width]), []).append(row)
    for kinds, rows in alike.items():
        columns = _rows(clock, [lines[row] for row in rows], array(FLOAT))
        for kind, code in KINDS.items():
            chosen = [position for position, one in enumerate(kinds) if one is kind]
            if chosen:
                part, event = (names, None) if len(chosen) == width else (tuple(names[one] for one in chosen), names)
                numbers = array(code, [values[row * width + position] for row in rows for position in chosen])
                find((stream, writer, phase, part, code, event)).extend(columns._replace(values=numbers))


def _walls(clock: Clock, lines: list[Line]) -> Ints | None:
    if not [True for line in lines if "wall" in line]:
        return None
    return array("q", [clock.read(line["wall"] if "wall" in line else line["at"]) for line in lines])


def _column(payloads: list[dict[str, Any]], name: str) -> Ints | None:
    """Most events of one kind have the field, or none has it."""
    if name in payloads[0]:
        try:
            return array("q", [data[name] for data in payloads])
        except KeyError:
            pass
    elif not [True for data in payloads if name in data]:
        return None
    return array("q", [data.get(name, NO_STEP) for data in payloads])


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
        heading = (line["stream"], writer, data.get("phase"), (data["name"],), KINDS[type_], ())
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
