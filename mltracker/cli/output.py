"""Printing for people and for pipes: a terminal gets aligned tables, a pipe gets whole cells between tabs."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from typing import Any, Literal, TextIO, cast

import orjson
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from mltracker.events import values
from mltracker.events.envelope import format_time

Cell = str | int | float | None
FORMULA = ("=", "+", "-", "@", "\t", "\r")
WHOLE_ID = re.compile(r"\b[0-9a-f]{32}\b")
GAP = 2
"""Blanks between columns."""
NEVER_WRAPPED = 20
"""Columns up to this width stay whole on a terminal: numbers, states, times."""


def plain(text: str) -> str:
    """Text that cannot steer a terminal or break a line: control characters are written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def write(content: str) -> None:
    """Everything on stdout goes through here. Raises BrokenPipeError where the reader has gone."""
    sys.stdout.write(content)


def flush() -> None:
    """Hand over what was printed so far. Raises BrokenPipeError where the reader has gone."""
    sys.stdout.flush()


def pick_up() -> None:
    """The first thing: a program started without a stdout prints to nowhere."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def hang_up() -> None:
    """The last thing: what a reader that has gone did not take must not fail the end of the interpreter."""
    with suppress(OSError):
        sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def size() -> tuple[int, int]:
    """Columns and rows of the terminal."""
    return console().size


def console(width: int | None = None) -> Console:
    """A console that keeps what it prints, literally: rich itself would answer a broken pipe by exit code 1."""
    return Console(
        file=StringIO(), width=width, force_terminal=on_terminal(), highlight=False, markup=False, emoji=False
    )


def _print(content: RenderableType, *, soft_wrap: bool = False, width: int | None = None) -> None:
    """`width` may be more than there is: rather lines that the terminal breaks than numbers that are cut."""
    drawn = console(width)
    drawn.print(content, soft_wrap=soft_wrap)
    write(cast(StringIO, drawn.file).getvalue())


def on_terminal() -> bool:
    """Whether a person is looking."""
    return sys.stdout.isatty()


def moment(at: int | None) -> str:
    """A time in UTC, to the second for people, exact for pipes."""
    whole = exact(at) or ""
    return whole[:19] + "Z" if whole and on_terminal() else whole


def short(text: str) -> str:
    """Text whose ids are cut to their first 8 digits for people, whole for pipes."""
    return WHOLE_ID.sub(lambda found: found[0][:8], text) if on_terminal() else text


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


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, optional: int = 0) -> int:
    """Print rows below their headings.

    Of the last `optional` columns a terminal gets those that fit; answers how many were left out.
    """
    if not on_terminal():
        cells([map(text, columns), *(map(text, row) for row in rows)])
        return 0
    kept = list(rows)
    drawn = [[text(cell) for cell in row] for row in kept]
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))
    room, needed = size()[0], -GAP
    for index, column in enumerate(columns):
        numbers = bool(kept) and all(isinstance(row[index], int | float | None) for row in kept)
        width = max(cell_len(cell) for cell in (text(column), *(row[index] for row in drawn)))
        whole = numbers or width <= NEVER_WRAPPED
        wider = needed + GAP + (width if whole else NEVER_WRAPPED)
        if wider > room and index >= len(columns) - optional:
            break
        needed = wider
        justify: Literal["left", "right"] = "right" if numbers else "left"
        grid.add_column(Text(text(column)), justify=justify, overflow="fold", no_wrap=whole)
    for row in drawn:
        grid.add_row(*map(Text, row[: len(grid.columns)]))
    _print(grid, width=max(room, needed))
    return len(columns) - len(grid.columns)


def cells(rows: Iterable[Iterable[str]]) -> None:
    """Print rows of whole cells between tabs."""
    write("".join("\t".join(row) + "\n" for row in rows))


def pairs(title: str, items: Mapping[str, Any]) -> None:
    """Print a titled block of names and values."""
    heading(title)
    width = max((len(plain(name)) for name in items), default=0)
    for name, value in items.items():
        line(f"  {plain(name):<{width}}  {'null' if value is None else text(value)}")


def heading(title: str) -> None:
    """Print the title of a block."""
    _print(Text(plain(title), style="bold"), soft_wrap=True)


def line(content: str) -> None:
    """Print one line as it is, however long."""
    write(content + "\n")


def fit(content: str, width: int) -> str:
    """Exactly so many columns; of a longer text its end, which tells apart what begins alike."""
    if cell_len(content) > width:
        while cell_len(content) >= width:
            content = content[1:]
        content = "…" + content
    return content + " " * (width - cell_len(content))


def count(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun: 1 event, 2 events."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def dumps(value: object) -> str:
    """One line of JSON. The value must be plain JSON; see `values.encode`."""
    return orjson.dumps(value).decode()


def json(value: object) -> None:
    """Print JSON, indented for people, one line for pipes. The value must be plain JSON; see `values.encode`."""
    line(orjson.dumps(value, option=orjson.OPT_INDENT_2 if on_terminal() else None).decode())


def csv_rows(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print CSV in which no text can be taken for a formula."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    write(text.getvalue())


def _inert(cell: Cell) -> Cell:
    return "'" + cell if isinstance(cell, str) and cell.startswith(FORMULA) and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
