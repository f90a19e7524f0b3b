"""One program, started again where the recorded code is, with what it had around it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import cast

import orjson

from mltracker.events.redaction import REDACTED
from mltracker.reproduce import child as child_module
from mltracker.reproduce.commands import moved
from mltracker.reproduce.git import clean_environment
from mltracker.reproduce.reasons import NotRunnable
from mltracker.reproduce.runs import Run
from mltracker.reproduce.workplace import Workplace
from mltracker.tracker.redirection import VARIABLE, Redirection

TICK = 0.25
"""Seconds between looks at a running program."""
GRACE = ((signal.SIGINT, 5.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0))
"""What a program gets that is to end, and the seconds that it has then."""
TAIL = 12
ERROR = re.compile(r"(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|Iteration)(?::.*)?")


@dataclass(frozen=True)
class Setting:
    """What a program needs around it. `roots` are the user's trees of the repository; `installed` names packages of it
    that are installed in no editable way; `allowed` tells the variables that are recorded."""

    interpreter: str
    roots: list[str]
    installed: list[str]
    allowed: Callable[[str], bool]
    redirection: Redirection


@dataclass(frozen=True)
class Ended:
    """How a program ended: `failure` as `Type: message` if it failed; whether it told what it had loaded in the end;
    what it read in the user's tree, by whole paths; and which files of the code it used, None if that is not known."""

    failure: str | None
    swept: bool
    astray: list[str]
    used: set[str] | None


def cwd_of(run: Run, place: Workplace) -> Path:
    """The working directory: the same in the restored code; for one outside of it, an empty folder."""
    inside = moved(run.cwd, run.root, str(place.tree))
    folder = Path(inside) if inside != run.cwd else place.folder / "cwd"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def argv_of(run: Run, place: Workplace, interpreter: str) -> list[str]:
    """The command, paths inside of the old root spelled as those in the new one. Raises NotRunnable."""
    tree, words = str(place.tree), run.command.spelled(interpreter)
    start = len(words) - len(run.command.arguments)
    arguments = [moved(word, run.root, tree) for word in words[start:]]
    if run.script is None:
        return [*words[:start], *arguments]
    script = moved(run.script, run.root, tree)
    given = run.command.program
    is_reached = script != run.script and not given.startswith(os.sep) and moved(run.cwd, run.root, tree) != run.cwd
    return [*words[: start - 1], given if is_reached else script, *arguments]


def script_of(run: Run, place: Workplace) -> Path | None:
    """Where its script is now; None for a module or a command."""
    if run.script is None:
        return None
    script = Path(moved(run.script, run.root, str(place.tree)))
    return script / "__main__.py" if script.is_dir() else script


def environment_of(run: Run, place: Workplace, setting: Setting) -> dict[str, str]:
    """Today's variables; but those that are recorded are as they were, which may mean: not set."""
    tree, start = str(place.tree), str(place.folder / "start")
    kept = {
        name: value
        for name, value in clean_environment(os.environ).items()
        if not setting.allowed(name)
        and not name.startswith("MLTRACKER_")
        and name not in ("PYTHONPATH", "PYTHONSAFEPATH")
    }
    recorded = {
        name: _moved(value, run.root, tree)
        for name, value in run.variables.items()
        if setting.allowed(name) and REDACTED not in value
    }
    before = recorded.get("PYTHONPATH", "" if setting.allowed("PYTHONPATH") else os.environ.get("PYTHONPATH", ""))
    path = os.pathsep.join([start, *filter(None, [_moved(before, run.root, tree)])])
    return {
        **kept, **recorded, "PYTHONPATH": path, "PWD": str(cwd_of(run, place)), VARIABLE: setting.redirection.encode()
    }  # fmt: skip


def write_start(run: Run, place: Workplace, setting: Setting) -> None:
    """The `sitecustomize.py` that comes first in each of its processes."""
    tree, script = str(place.tree), script_of(run, place)
    imports = [tree, f"{tree}/src", *([str(script.parent)] if script and script.is_relative_to(place.tree) else [])]
    folder = place.folder / "start"
    folder.mkdir(exist_ok=True)
    settings = {
        "tree": tree, "roots": setting.roots, "imports": imports, "installed": setting.installed,
        "report": str(place.report), "here": str(folder), "elsewhere": _elsewhere(run, place),
    }  # fmt: skip
    source = Path(child_module.__file__).read_text(encoding="utf-8")
    call = f"start(json.loads({orjson.dumps(settings).decode()!r}))"
    (folder / "sitecustomize.py").write_text(f"{source}\n\n{call}\n", encoding="utf-8")


def _elsewhere(run: Run, place: Workplace) -> list[str]:
    """Repositories of their own inside of the root, installed as editable; their commits are recorded."""
    recorded = run.session.environment.get("editable")
    packages = recorded.values() if isinstance(recorded, Mapping) else []
    locations = [str(one["location"]) for one in packages if isinstance(one, Mapping) and one.get("commit")]
    tree = str(place.tree)
    there = {location: moved(location, run.root, tree) for location in locations}
    return [location for location, here in there.items() if here not in (location, tree) and not Path(here).exists()]


def run_again(run: Run, place: Workplace, setting: Setting, look: Callable[[], None]) -> Ended:
    """Start it, `look` every now and then, wait for its end. Whatever interrupts this ends the program too.

    Raises NotRunnable where it cannot be started, or a module came from outside of the recorded code.
    """
    write_start(run, place, setting)
    argv, environment, cwd = (
        argv_of(run, place, setting.interpreter),
        environment_of(run, place, setting),
        cwd_of(run, place),
    )
    with place.log.open("ab") as output:
        try:
            process = subprocess.Popen(
                argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise NotRunnable(f"{argv[0]} cannot be started: {error}", hint="Name another with --python") from error
        try:
            place.note(child=process.pid)
            _attend(process, place, look)
        finally:
            stop(process)
    require_own_code(place.report, process.pid)
    failed = None if process.returncode == 0 else failure(process.returncode, place.log)
    return Ended(failed, was_swept(place.report, process.pid), astray(place.report), used(place.report))


def _attend(process: subprocess.Popen[bytes], place: Workplace, look: Callable[[], None]) -> None:
    while process.poll() is None:
        look()
        require_no_strangers(place.report)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TICK)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started, with patience where there is something to wait for."""
    for each, seconds in GRACE:
        if process.poll() is not None:
            break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, each)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with suppress(ProcessLookupError, PermissionError):  # what a program that has ended left running
        os.killpg(process.pid, signal.SIGKILL)


def told(report: Path) -> list[dict[str, object]]:
    """What the processes told of themselves."""
    try:
        content = report.read_bytes()
    except FileNotFoundError:
        return []
    return [orjson.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def require_no_strangers(report: Path) -> None:
    """Raises NotRunnable naming what came from outside of the recorded code, or would have changed it."""
    wrote = next((line["wrote"] for line in told(report) if "wrote" in line), None)
    if wrote is not None:
        raise NotRunnable(
            f"the program writes to your working tree, by its whole path: {wrote}",
            hint="Let it write relative to its working directory, or outside of the repository",
        )
    strangers = {str(line["module"]): str(line["file"]) for line in told(report) if "module" in line}
    if strangers:
        name, path = next(iter(strangers.items()))
        more = f", and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise NotRunnable(
            f"module {name} was loaded from {path}, not from the recorded code{more}",
            hint="Commit what the code imports; have packages of the repository installed as editable, or not at all",
        )


def require_own_code(report: Path, pid: int) -> None:
    """Raises NotRunnable where it is not certain what code ran."""
    require_no_strangers(report)
    mine = [line for line in told(report) if line.get("pid") == pid]
    if not any("started" in line for line in mine):
        raise NotRunnable(
            "the program began without mltracker's sitecustomize: it could not be seen which code it ran",
            hint="Another sitecustomize, or options such as -I, keep it out",
        )


def was_swept(report: Path, pid: int) -> bool:
    """Whether that process told at its end of all that it had loaded."""
    mine = [line for line in told(report) if line.get("pid") == pid]
    return bool(mine) and "swept" in mine[-1]


def astray(report: Path) -> list[str]:
    """Files of the user's tree that the program read there, and not in the restored code."""
    paths = dict.fromkeys(line["read"] for line in told(report) if "read" in line)
    return [f"read in your working tree, by its whole path: {path}" for path in paths]


def used(report: Path) -> set[str] | None:
    """The files of the restored code that its processes have used; None where one of them did not tell."""
    lines = told(report)
    last = {line["pid"]: line for line in lines}
    if not all(isinstance(line.get("used"), list) for line in last.values()):
        return None
    return {str(path) for line in lines for path in cast("list[object]", line.get("used") or [])}


def failure(status: int, log: Path) -> str:
    """Why it failed: the last error that it printed, else how it ended."""
    if status < 0:
        try:
            return f"Killed: {signal.Signals(-status).name}"
        except ValueError:
            return f"Killed: signal {-status}"
    for line in reversed(tail(log)):
        if ERROR.fullmatch(line):
            return line
    return f"SystemExit: {status}"


def tail(log: Path, lines: int = TAIL) -> list[str]:
    """The last lines that a program printed."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16_384))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end this process as Ctrl-C does: after its cleaning up. Only in the main thread."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before: dict[signal.Signals, object] = {}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(ValueError):
                before[number] = signal.signal(number, leave)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def _moved(value: str, root: str, tree: str) -> str:
    return os.pathsep.join(moved(part, root, tree) for part in value.split(os.pathsep))
