"""Which programs an aggregate takes to be done again, in order, and why one may not be run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mltracker.reproduce.commands import Command, parse
from mltracker.reproduce.git import has_commit, is_shallow, top_level
from mltracker.reproduce.reasons import NotRunnable
from mltracker.reproduce.recipe import Code, Omitted, Recipe, RecordedSession

IN_PROCESS = "Repeat it where it was: tracker.reproduce(aggregate, train_function)"
STARTED = {"stdin": "read from standard input", "interactive": "typed at a prompt", "notebook": "run in a notebook"}


@dataclass(frozen=True)
class Run:
    """One process, given by its main session."""

    session: RecordedSession
    command: Command
    code: Code

    @property
    def root(self) -> str:
        """Where the code was: the repository, else the working directory."""
        return os.path.normpath(self.code.root or self.cwd)

    @property
    def cwd(self) -> str:
        """The working directory at its start."""
        return str(self.session.environment.get("cwd") or self.code.root or "/")

    @property
    def script(self) -> str | None:
        """The whole path of the script that it was; None for a module or a command."""
        if self.command.kind != "script":
            return None
        return os.path.normpath(Path(self.cwd) / self.command.program)

    @property
    def script_hash(self) -> str | None:
        """SHA-256 of that script."""
        script = self.session.environment.get("script")
        hash = script.get("sha256") if isinstance(script, Mapping) else None
        return hash if isinstance(hash, str) else None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that were recorded."""
        recorded = self.session.environment.get("variables")
        return {name: str(value) for name, value in recorded.items()} if isinstance(recorded, Mapping) else {}


def runs_of(recipe: Recipe, *, any_code: bool = False) -> list[Run]:
    """The programs that recorded points, iterations, trainings or checkpoints of this aggregate, in order.

    A worker belongs to the program that started it. `any_code`: what was recorded of the code need not suffice. Raises
    NotRunnable for the first that cannot be run again.
    """
    wrote = recipe.runs
    if not wrote:
        raise NotRunnable("no program recorded anything there that could be done again")
    programs: dict[str, RecordedSession] = {}
    for session in sorted(wrote, key=lambda each: each.started_at):
        if session.started_as != "worker":
            programs.setdefault(session.run or session.id, session)
    if not programs:
        raise NotRunnable(
            "all of it was recorded by workers whose program recorded nothing",
            hint="Let the program itself create the aggregate and record its training",
        )
    return [_run(session, any_code) for session in programs.values()]


def _run(session: RecordedSession, any_code: bool) -> Run:
    environment = session.environment
    capture = environment.get("capture")
    if capture in ("minimal", "off", None):
        how = f'with capture="{capture}"' if capture else "before runs were described"
        raise NotRunnable(
            f"session {session.id[:8]} was recorded {how}: neither its command nor its code is known",
            hint='Record with mltracker.open(..., capture="full")',
        )
    _require_program(session)
    _require_alone(environment)
    return Run(session, parse(session.command), _code(session, any_code))


def _require_program(session: RecordedSession) -> None:
    started = session.started_as or "unknown"
    if started in STARTED:
        raise NotRunnable(
            f"session {session.id[:8]} was {STARTED[started]}: there is no program to run", hint=IN_PROCESS
        )
    if session.environment.get("arguments_redacted"):
        raise NotRunnable(
            f"a secret was cut out of the command line of session {session.id[:8]}: it cannot be repeated",
            hint="Pass secrets in the environment, not as arguments",
        )


def _require_alone(environment: Mapping[str, Any]) -> None:
    variables = environment.get("variables")
    ranks = str(variables.get("WORLD_SIZE", "1")) if isinstance(variables, Mapping) else "1"
    if ranks not in ("", "0", "1"):
        raise NotRunnable(
            f"it was one of {ranks} processes of a distributed training, whose launcher is not recorded",
            hint="Start it again as it was started, and compare with: mltracker diff",
        )


def _code(session: RecordedSession, any_code: bool) -> Code:
    code = session.code
    if any_code:
        return code or Code(problem="not recorded")
    if code is None:
        failed = session.environment.get("describing_failed")
        why = f": {failed}" if failed else ", which ended before its code was described"
        raise NotRunnable(
            f"the code of session {session.id[:8]} is not known{why}", hint="--allow-dirty runs the code as it is now"
        )
    if code.redacted:
        raise NotRunnable(
            f"a secret was cut out of {', '.join(code.redacted[:3])}: the code is not whole",
            hint="Keep secrets out of the code. --allow-dirty runs the code as it is now",
        )
    if code.problem and (code.commit is not None or not code.untracked):
        raise NotRunnable(
            f"the code was not kept whole: {code.problem}", hint="--allow-dirty runs the code as it is now"
        )
    return code


def omitted(code: Code, is_tracked: Callable[[str], bool]) -> list[Omitted]:
    """What was not kept of the code that git knows; what else was not kept may be data."""
    return [one for one in code.omitted if one.path in ("", ".") or is_tracked(one.path)]


def repository_of(runs: Sequence[Run], here: Path, *, here_first: bool = False) -> Path | None:
    """A working tree of the repository that holds all commits: where it was, else around `here`; None without git.

    Raises NotRunnable saying where it was looked for.
    """
    commits = list(dict.fromkeys(run.code.commit for run in runs if run.code.commit is not None))
    if not commits:
        return None
    places = [*dict.fromkeys(run.root for run in runs), *([] if here_first else [str(here)])]
    tops = [top_level(Path(place)) for place in ([str(here), *places] if here_first else places)]
    found = [root for root in dict.fromkeys(tops) if root is not None]
    for root in found:
        if all(has_commit(root, commit) for commit in commits):
            return root
    _missing(runs, found, commits)
    return None


def _missing(runs: Sequence[Run], found: Sequence[Path], commits: Sequence[str]) -> None:
    """Raises NotRunnable: that is what it is for."""
    run, commit = runs[0], next((one for one in commits if not any(has_commit(root, one) for root in found)), None)
    if found and commit is None:
        raise NotRunnable(f"its programs were of several repositories: {', '.join(map(str, found))}")
    if not found or commit is None:
        raise NotRunnable(
            f"the repository was at {run.root}, where there is none now",
            hint="Go into a clone of it and start this again" + _from(run.code),
        )
    if any(map(is_shallow, found)):
        raise NotRunnable(
            f"{found[0]} is a shallow clone without commit {commit[:12]}", hint="Run: git fetch --unshallow"
        )
    raise NotRunnable(
        f"commit {commit[:12]} is not in {found[0]} any more", hint=f"Run: git fetch origin {commit}{_from(run.code)}"
    )


def _from(code: Code) -> str:
    return f"; it came from {code.remote}" if code.remote else ""
