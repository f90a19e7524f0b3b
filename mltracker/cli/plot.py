"""A series as a chart of characters, two by four dots to each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
BLANK = 0x2800
BARS = "▁▂▃▄▅▆▇█"

Point = tuple[float, float]


def chart(points: Sequence[Point], width: int, height: int) -> list[str]:
    """Lines of text, `width` by `height` characters and a margin with the range; what is not finite is left out.

    A value that never changes is one line.
    """
    finite = sorted(((x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)), key=itemgetter(0))
    if not finite:
        return ["(no finite value)"]
    xs, ys = [x for x, _ in finite], [y for _, y in finite]
    height = 1 if min(ys) == max(ys) else height
    cells = _braille(finite, (min(xs), max(xs)), (min(ys), max(ys)), width, height)
    top, bottom = f"{max(ys):.6g}", f"{min(ys):.6g}"
    margin = max(len(top), len(bottom))
    labels = [top] + [""] * (height - 1)
    labels[-1] = bottom if height > 1 else top
    lines = [f"{label:>{margin}} ┤{''.join(map(chr, row))}" for label, row in zip(labels, cells, strict=True)]
    first, last = f"{min(xs):g}", f"{max(xs):g}"
    axis = first if first == last else f"{first}{last:>{max(width - len(first), 1)}}"
    return [*lines, f"{'':>{margin}}  {axis}"]


def _braille(
    points: Sequence[Point], across: tuple[float, float], up: tuple[float, float], width: int, height: int
) -> list[list[int]]:
    cells = [[BLANK] * width for _ in range(height)]
    dots = [(_place(x, *across, width * 2), height * 4 - 1 - _place(y, *up, height * 4)) for x, y in points]
    for column, row in chain(dots[:1], *map(_between, dots, dots[1:])):
        cells[row // 4][column // 2] |= DOTS[row % 4][column % 2]
    return cells


def _between(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The dots of a straight line, without its start."""
    across, down = end[0] - start[0], end[1] - start[1]
    longest = max(abs(across), abs(down))
    for step in range(1, longest + 1):
        yield start[0] + round(across * step / longest), start[1] + round(down * step / longest)


def _place(value: float, low: float, high: float, size: int) -> int:
    """Which of `size` dots a value falls on; halves, since high - low itself may overflow."""
    span = high / 2 - low / 2
    return round((value / 2 - low / 2) / span * (size - 1)) if span > 0 else 0


def sparkline(values: Sequence[float], width: int = 20) -> str:
    """The course of a series in one short word; what is not finite is left out."""
    finite = [value for value in values if math.isfinite(value)]
    picked = [finite[index * len(finite) // width] for index in range(width)] if len(finite) > width else finite
    if not picked:
        return ""
    low, high = min(picked), max(picked)
    return "".join(BARS[_place(value, low, high, len(BARS))] for value in picked)
