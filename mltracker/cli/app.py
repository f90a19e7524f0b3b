"""The commands together, and what they have in common: errors, notices, broken pipes, exit codes."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mltracker.cli import history, reading, upkeep
from mltracker.cli.output import plain
from mltracker.errors import MLTrackerError, Notice

EXIT_CODES = "Exit codes: 0 done; 1 an error, or not found; 2 wrong usage; 3 verify found damage."


class Commands(TyperGroup):
    """A group whose errors are one line on stderr, and which ends quietly when the reader of a pipe has gone."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for. Raises typer.Exit."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", Notice)
            warnings.showwarning = _notice
            try:
                result = super().invoke(ctx)
                sys.stdout.flush()
            except BrokenPipeError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                raise typer.Exit(0) from None
            except (MLTrackerError, OSError) as error:
                typer.echo(f"mltracker: {plain(str(error))}", err=True)
                raise typer.Exit(1) from None
            return result


def _notice(message: Warning | str, *_: object, **__: object) -> None:
    typer.echo(f"mltracker: notice: {plain(str(message))}", err=True)


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
    reading.show,
    reading.metrics,
    history.log,
    history.diff,
    upkeep.verify,
    upkeep.rebuild,
    upkeep.pull,
    upkeep.compact,
    upkeep.repair,
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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app()
