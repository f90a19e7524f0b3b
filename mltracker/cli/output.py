"""Printing for people and for pipes: a terminal gets aligned tables, a pipe gets whole cells between tabs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mltracker.events import values
from mltracker.events.envelope import format_time

Cell = str | int | float | None
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(text: str) -> str:
    """Text that cannot steer a terminal or break a line: control characters are written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def console() -> Console:
    """A console on the present stdout that prints what it is given, literally."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def on_terminal() -> bool:
    """Whether a person is looking."""
    return sys.stdout.isatty()


def moment(at: int | None) -> str:
    """A time in UTC, to the second for people, exact for pipes."""
    whole = exact(at) or ""
    return whole[:19] + "Z" if whole and on_terminal() else whole


def exact(at: int | None) -> str | None:
    """A time as RFC 3339 in UTC, to the microsecond."""
    return None if at is None else format_time(at)


def text(value: object) -> str:
    """One cell. Floats are short for people, exact for pipes; nested values are JSON."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}" if on_terminal() else repr(value)
    if isinstance(value, Mapping | list | tuple | bool):
        return plain(dumps(values.encode(value)))
    return plain(str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows below their headings."""
    if not on_terminal():
        sys.stdout.write("\t".join(columns) + "\n")
        for row in rows:
            sys.stdout.write("\t".join(map(text, row)) + "\n")
        return
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    cells = list(rows)
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], int | float | None) for row in cells)
        grid.add_column(Text(column), justify="right" if numbers and cells else "left", overflow="fold")
    for row in cells:
        grid.add_row(*(Text(text(cell)) for cell in row))
    console().print(grid)


def pairs(title: str, items: Mapping[str, Any]) -> None:
    """Print a titled block of names and values."""
    heading(title)
    width = max((len(plain(name)) for name in items), default=0)
    for name, value in items.items():
        line(f"  {plain(name):<{width}}  {'null' if value is None else text(value)}")


def heading(title: str) -> None:
    """Print the title of a block."""
    console().print(Text(plain(title), style="bold"), soft_wrap=True)


def line(content: str) -> None:
    """Print one line as it is, however long."""
    sys.stdout.write(content + "\n")


def flush() -> None:
    """Hand over what was printed so far."""
    sys.stdout.flush()


def dumps(value: object) -> str:
    """One line of JSON. The value must be plain JSON; see `values.encode`."""
    return orjson.dumps(value).decode()


def json(value: object) -> None:
    """Print JSON, indented for people, one line for pipes. The value must be plain JSON; see `values.encode`."""
    line(orjson.dumps(value, option=orjson.OPT_INDENT_2 if on_terminal() else None).decode())


def csv_rows(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print CSV in which no text can be taken for a formula."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_inert(cell) for cell in row] for row in rows)


def _inert(cell: Cell) -> Cell:
    return "'" + cell if isinstance(cell, str) and cell.startswith(FORMULA) and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
