"""What a run was: at a session's first event what is known at once, and a few seconds later, from a thread, the rest.

A process is described once, however many stores it records to. Nothing here raises into a training: what could not be
found out stands in the description itself, under "describing_failed".
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from mltracker.capture import session
from mltracker.capture.code import Code
from mltracker.capture.command import process_began, started
from mltracker.capture.environment import hardware, packages
from mltracker.errors import MLTrackerError, StoreError, notify
from mltracker.events.catalogue import SessionDescribed
from mltracker.events.log import EventLog

BUDGET = 3.5
"""Seconds after which git is no longer waited for."""
PATIENCE = 5.0
"""Seconds after the first event within which the description is recorded; a close waits as long."""
GRACE = 1.0
"""Seconds that a close waits in any case."""
_TICK = 0.002


class Description(NamedTuple):
    """The environment of a SessionDescribed, and the blobs that it names, by their hash."""

    environment: dict[str, Any]
    contents: dict[str, bytes]


class DescribedSession:
    """This process as one tracker's log tells of it. `failed` takes what could not be recorded."""

    def __init__(self, capture: session.Capture, failed: Callable[[StoreError], None]) -> None:
        self._capture = capture
        self._failed = failed
        self._log: Callable[[], EventLog | None] = lambda: None
        self._closed = False
        self.forget()
        _sessions.add(self)

    def forget(self) -> None:
        """In a forked child: its session is another, and the parent's thread is not here."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._begun = 0.0
        self._given_up = False
        self._failure: MLTrackerError | None = None

    def tell(self, log: EventLog) -> None:
        """Name the log to describe the session in."""
        self._log = weakref.ref(log)

    def begin(self) -> dict[str, Any]:
        """The fields of SessionStarted. The rest follows by itself."""
        self._begun = time.monotonic()
        facts = session.facts(self._capture)
        if self._capture == "full":
            try:
                self._start()
            except RuntimeError as error:  # the interpreter is ending
                facts["environment"]["describing_failed"] = f"no thread could be started: {error}"
        return facts

    def note(self, environment: dict[str, Any]) -> None:
        """Record what came to be known later; nothing where SessionStarted is still to come, and will carry it."""
        log = self._log()
        if self._capture != "full" or self._closed or not self._begun or log is None or not _has_begun(log, GRACE):
            return
        try:
            log.append(SessionDescribed(environment=environment))
        except StoreError as error:
            self._failed(error)

    def finish(self) -> None:
        """Wait for the description, not for ever; to be called before the log is closed."""
        self._closed = True
        thread, log = self._thread, self._log()
        if thread is None or log is None:
            return
        if not isinstance(threading.current_thread(), _Describing):  # which may happen to collect a dropped tracker
            thread.join(max(self._begun + PATIENCE - time.monotonic(), GRACE))
        if thread.is_alive():
            self._give_up(log)
        if self._failure is not None:
            notify(f"the session's description was not recorded: {self._failure}")

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = _Describing(
                    target=self._describe, args=(self._log(),), name="mltracker-describe", daemon=True
                )
                self._thread.start()

    def _describe(self, log: EventLog) -> None:
        try:
            environment, contents = description()
            if not _has_begun(log, PATIENCE):
                return  # its first append failed; the next one begins anew
            try:
                log.blobs.put_all(contents.values(), compress=True)
            except MLTrackerError as error:
                environment = _with_failure(environment, f"the code was not kept: {error}")
            with self._lock:
                if not self._given_up:
                    log.append(SessionDescribed(environment=environment))
        except Exception as error:  # noqa: BLE001 - told at the end
            self._failure = (
                error if isinstance(error, MLTrackerError) else MLTrackerError(f"{type(error).__name__}: {error}")
            )

    def _give_up(self, log: EventLog) -> None:
        with self._lock:
            self._given_up = True
            late = f"it took longer than {time.monotonic() - self._begun:.1f} s"
            try:
                log.append(SessionDescribed(environment={"describing_failed": late}))
            except MLTrackerError as error:
                self._failure = error


class _Describing(threading.Thread):
    """The thread of a description."""


def note(name: str, value: Any) -> None:
    """Record a fact about this process in all its sessions: in SessionStarted where that is to come, else by itself."""
    session.noted[name] = value
    for living in list(_sessions):
        living.note({name: value})


def description() -> Description:
    """Of this process; found out once."""
    global _known
    with _finding:
        if _known is None:
            _known = _find_out()
        return _known


def _find_out() -> Description:
    deadline = time.monotonic() + BUDGET
    environment: dict[str, Any] = {}
    code = Code(started(), deadline, process_began())

    def find_code() -> dict[str, Any]:
        code.gather(package["location"] for package in environment.get("editable", {}).values())
        return {"code": code.facts}

    for name, find in (("hardware", _hardware), ("packages", lambda: packages(deadline)), ("code", find_code)):
        try:
            environment.update(find())
        except Exception as error:  # noqa: BLE001 - told, not raised
            environment = _with_failure(environment, f"{name}: {type(error).__name__}: {error}")
    return Description(environment, code.contents)


def _hardware() -> dict[str, Any]:
    return {"hardware": hardware()}


def _with_failure(environment: dict[str, Any], why: str) -> dict[str, Any]:
    known = environment.get("describing_failed")
    return {**environment, "describing_failed": f"{known}; {why}" if known else why}


def _has_begun(log: EventLog, patience: float) -> bool:
    """Whether the log has its writer; where that is on its way, after it came."""
    until = time.monotonic() + patience
    while log.writer is None and time.monotonic() < until:
        time.sleep(_TICK)
    return log.writer is not None


_sessions: weakref.WeakSet[DescribedSession] = weakref.WeakSet()
_finding = threading.Lock()
_known: Description | None = None


def _leave_to_parent() -> None:
    global _finding
    _finding = threading.Lock()
    for living in list(_sessions):
        living.forget()


os.register_at_fork(after_in_child=_leave_to_parent)
