"""The commands together, and what they have in common: errors, notices, broken pipes, exit codes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mltracker.cli import blame, diff, history, output, reading, recipe, reproduce, show, upkeep
from mltracker.errors import MLTrackerError, Notice

EXIT_CODES = (
    "Exit codes: 0 done; 1 an error, or not found; 2 wrong usage; 3 verify found damage; "
    "4 a reproduction diverged, 5 is incomplete, 6 was not runnable."
)


class Commands(TyperGroup):
    """A group whose errors are one line on stderr, and which ends quietly when the reader of a pipe has gone."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse; this is where help is printed. Raises typer.Exit, UsageError."""
        with _in_one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for. Raises typer.Exit, UsageError."""
        with warnings.catch_warnings(), _in_one_line():
            warnings.simplefilter("always", Notice)
            warnings.showwarning = partial(_notice, set())
            return super().invoke(ctx)


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Errors as one line and exit code 1; a reader that has gone is none, wherever it shows."""
    try:
        yield
        output.flush()
    except BrokenPipeError:
        raise typer.Exit(0) from None
    except (MLTrackerError, OSError) as error:
        typer.echo(f"mltracker: {output.plain(str(error))}", err=True)
        raise typer.Exit(1) from None


def _notice(told: set[str], message: Warning | str, *_: object, **__: object) -> None:
    """Say it on stderr, once: history and read model may meet the same damage."""
    if str(message) not in told:
        told.add(str(message))
        typer.echo(f"mltracker: notice: {output.plain(str(message))}", err=True)


app = typer.Typer(
    cls=Commands,
    name="mltracker",
    help="Experiments, their history, and the health of the store that keeps them.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: list[Callable[..., None]] = [
    reading.ls,
    show.show,
    reading.metrics,
    history.log,
    diff.diff,
    blame.blame,
    recipe.recipe,
    reproduce.reproduce,
    upkeep.verify,
    upkeep.rebuild,
    upkeep.pull,
    upkeep.compact,
    upkeep.repair,
    upkeep.erase,
    upkeep.schema,
]
for command in COMMANDS:
    app.command()(command)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"mltracker {version('mltracker')}")
        raise typer.Exit(0)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run the command line on sys.argv and exit."""
    output.pick_up()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    finally:
        output.hang_up()
