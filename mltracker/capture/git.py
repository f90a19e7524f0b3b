"""Asking git, without a trace in the repository, without the user's hooks and helpers, and never for long."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

_OPTIONS = (
    "--no-pager -c core.fsmonitor= -c core.untrackedCache=false -c core.hooksPath=/dev/null -c core.quotePath=true "
    "-c protocol.allow=never -c color.ui=false"
)
_KEPT_VARIABLES = ("GIT_CONFIG", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH")
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
_BLOCK = 1 << 16
_LONGEST_ERROR = 4096


class Answer(NamedTuple):
    """What git printed. `error` is empty where it succeeded; `cut` where it printed more than was asked for."""

    out: bytes
    error: str = ""
    cut: bool = False

    @property
    def text(self) -> str:
        """As one line."""
        return os.fsdecode(self.out).rstrip("\n")

    @property
    def names(self) -> list[str]:
        """As the names that `-z` ends with NUL; the last one only if it is whole."""
        return [os.fsdecode(name) for name in self.out.split(b"\0")[:-1]]


class Git:
    """git in one folder, until a deadline (`time.monotonic`)."""

    def __init__(self, folder: Path, deadline: float) -> None:
        self.folder = folder
        self._deadline = deadline
        self._started = time.monotonic()

    def __call__(self, *arguments: str, limit: int = 1 << 24) -> Answer:
        """Run one command; at most `limit` bytes of what it prints. Never raises for what git does."""
        if time.monotonic() >= self._deadline:
            return Answer(b"", "no time was left to ask git")
        command = ["git", "-C", str(self.folder), *_OPTIONS.split(), *arguments]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_variables(),
                start_new_session=True,
            )  # fmt: skip
        except (FileNotFoundError, PermissionError):
            return Answer(b"", "git is not installed")
        except OSError as error:
            return Answer(b"", f"git could not be started: {error}")
        with process:
            try:
                out, stderr, ended = self._read(process, limit)
            finally:
                if process.poll() is None:
                    _end(process)
        if not ended and len(out) <= limit:
            return Answer(b"", f"git took longer than {time.monotonic() - self._started:.1f} s")
        if not ended:
            return Answer(out[:limit], cut=True)
        if process.returncode:
            return Answer(out, _first_line(stderr) or f"git ended with {process.returncode}")
        return Answer(out)

    def _read(self, process: subprocess.Popen[bytes], limit: int) -> tuple[bytes, bytes, bool]:
        """Standard output and error, and whether git ended before the deadline and within the limit."""
        parts: dict[object, bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
        out = parts[process.stdout]
        with selectors.DefaultSelector() as selector:
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(max(self._deadline - time.monotonic(), 0)):
                    block = os.read(key.fd, _BLOCK)
                    if not block:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stdout or len(parts[key.fileobj]) < _LONGEST_ERROR:
                        parts[key.fileobj] += block
                if len(out) > limit or time.monotonic() >= self._deadline:
                    return bytes(out), bytes(parts[process.stderr]), False
        try:
            process.wait(max(self._deadline - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            return b"", b"", False
        return bytes(out), bytes(parts[process.stderr]), True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill git and what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()


def _variables() -> dict[str, str]:
    """The user's, but for those that would turn git to another repository or make it print elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT_VARIABLES)
    }
    return {**kept, **_QUIET}


def _first_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0] if lines else "")
