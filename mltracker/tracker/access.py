"""How the collections reach the store: questions to a read model, and decisions that become events."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import RLock
from typing import Literal, NoReturn, TypeVar

from mltracker.commands.given import Given
from mltracker.errors import Closed, Damaged, ReadOnly, StoreError, notify
from mltracker.events.catalogue import Event
from mltracker.events.history import Stamp
from mltracker.events.log import EventLog, Problem, Receipt
from mltracker.ports import ReadModel
from mltracker.projections.runner import Runner
from mltracker.tracker.past import fold

T = TypeVar("T")
Decision = Callable[[Given], list[Event]]
OnError = Literal["raise", "warn"]


class Losses:
    """What could not be recorded, and what the user wants done about it."""

    def __init__(self, on_error: OnError) -> None:
        self.on_error = on_error
        self.count = 0
        self.first = ""

    def take(self, error: StoreError, events: int = 1) -> None:
        """Raise it, or count it and warn the first time."""
        if self.on_error == "raise":
            raise error
        self.count += events
        if not self.first:
            self.first = str(error)
            notify(f"an event was not recorded, training goes on: {error}")

    def report(self) -> None:
        """Say at the end how many were lost."""
        if self.count:
            notify(f"{self.count} events were not recorded. The first error was: {self.first}")


class Access(ABC):
    """One view of one store."""

    moment: str = ""
    """Of when, to be put behind a message."""
    read_only: bool = False
    stamp: Stamp | None = None
    """Of the last event that is seen; None means all."""

    def __init__(self, log: EventLog) -> None:
        self.log = log

    @abstractmethod
    def ask(self, query: Callable[[ReadModel], T]) -> T:
        """The answer out of a caught-up read model. Raises Closed, Damaged where `strict`."""

    @abstractmethod
    def decide(self, decision: Decision) -> list[Receipt]:
        """Append the events of a decision. Raises what it raises, Closed, ReadOnly, AppendFailed."""

    @abstractmethod
    def create(self, decision: Decision) -> list[Receipt]:
        """The same, with no other process on this machine creating meanwhile; failures always raise."""

    @abstractmethod
    def append(self, event: Event) -> Receipt | None:
        """Append one event; None where it failed and `on_error` is "warn"."""

    @abstractmethod
    def append_data(self, kind: bytes, stream: bytes, data: bytes) -> None:
        """The hot path of `EventLog.append_data`."""

    @abstractmethod
    def failed(self, error: StoreError) -> None:
        """Raise it, or count it, as `on_error` says."""

    @abstractmethod
    def alive(self, writer: str) -> bool:
        """Whether that writer may still append."""

    @abstractmethod
    def refuse_writing(self) -> None:
        """Raises Closed, ReadOnly where nothing can be recorded."""


class LiveAccess(Access):
    """The store as it is now. Threads take turns for questions and decisions; metrics wait for nobody."""

    def __init__(
        self,
        log: EventLog,
        runner: Callable[[Runner | None], Runner],
        losses: Losses,
        *,
        before_closing: Callable[[], None] = lambda: None,
        structure: Callable[[], AbstractContextManager[object]] = nullcontext,
        strict: bool = False,
        read_only: bool = False,
    ) -> None:
        super().__init__(log)
        self.losses = losses
        self._before_closing = before_closing
        self.read_only = read_only
        self.append_data = log.append_data  # type: ignore[method-assign]
        self._choose_runner = runner
        self._structure = structure
        self._strict = strict
        self._runner: Runner | None = None
        self._lock = RLock()
        self._busy = False
        self._closed = False
        self._told: set[Problem] = set()
        self._met: dict[str, list[Problem]] = {}
        _living.add(self)

    def ask(self, query: Callable[[ReadModel], T]) -> T:
        with self._reading() as model:
            return self._answer(query, model)

    def decide(self, decision: Decision) -> list[Receipt]:
        self.refuse_writing()
        with self._reading() as model:
            events = self._answer(lambda model: decision(self._given(model)), model)
            receipts = []
            for done, event in enumerate(events):
                try:
                    receipts.append(self.log.append(event))
                except StoreError as error:
                    self.losses.take(error, len(events) - done)
                    break
            return receipts

    def create(self, decision: Decision) -> list[Receipt]:
        self.refuse_writing()
        self.ask(lambda model: decision(self._given(model)))  # what is refused has made no folder and no lock
        with self._structure(), self._reading(everyone=True) as model:
            events = self._answer(lambda model: decision(self._given(model)), model)
            return [self.log.append(event) for event in events]

    def append(self, event: Event) -> Receipt | None:
        self.refuse_writing()
        try:
            return self.log.append(event)
        except StoreError as error:
            self.losses.take(error)
            return None

    def append_strictly(self, event: Event) -> Receipt:
        """Append one event; a failure always raises."""
        self.refuse_writing()
        return self.log.append(event)

    def append_data(self, kind: bytes, stream: bytes, data: bytes) -> None:
        self.log.append_data(kind, stream, data)

    def failed(self, error: StoreError) -> None:
        self.losses.take(error)

    def alive(self, writer: str) -> bool:
        return self.log.alive(writer)

    @property
    def notices(self) -> list[Problem]:
        """What the answers may lack: those of the read model, of each view, of the last look at the history."""
        with self._lock:
            return list(dict.fromkeys(problem for met in self._met.values() for problem in met))

    @property
    def closed(self) -> bool:
        return self._closed

    def runner(self) -> Runner:
        """Only to be used inside `exclusively`."""
        return self._current()

    def exclusively(self, work: Callable[[], T]) -> T:
        """Anything else that must not meet a question. Raises Closed."""
        with self._lock:
            self.refuse_closed()
            return work()

    def close(self) -> None:
        """End the session, keep what was folded. Twice is once."""
        if not self._closed:
            self._before_closing()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            runner, self._runner = self._runner, None
            try:
                if runner is not None:
                    runner.close()
            finally:
                self.log.close()
        self.losses.report()

    def __del__(self) -> None:
        """Nobody can record any more: end the session, or its files and thread would stay until the process ends."""
        if not getattr(self, "_closed", True):
            self.close()

    def leave_to_parent(self) -> None:
        """In a forked child: the parent's read model is kept aside, not closed, and the lock is a new one."""
        _inherited.append(self._runner)
        self._runner = None
        self.losses.count = 0
        self._lock = RLock()
        self._busy = False

    @contextmanager
    def _reading(self, everyone: bool = False) -> Iterator[ReadModel]:
        with self._lock:
            self.refuse_closed()
            if self._busy:  # a signal handler asks amid a question: the read model is not in one piece
                yield fold(self.log).model
                return
            self._busy = True
            try:
                yield self._fresh(everyone)
            finally:
                self._busy = False
                if self._runner is not None:
                    self._runner.release()

    def _answer(self, query: Callable[[ReadModel], T], model: ReadModel) -> T:
        """Damage shows when it is read; then the read model is built anew, and asked again."""
        try:
            return query(model)
        except Damaged as damage:
            if self._runner is None:
                raise
            return query(self._runner.start_over(str(damage)))

    def _fresh(self, everyone: bool) -> ReadModel:
        runner = self._current()
        model = runner.fresh(everyone=everyone)
        self.tell("read model", runner.notices)
        return model

    def _current(self) -> Runner:
        self._runner = self._choose_runner(self._runner)
        return self._runner

    def _given(self, model: ReadModel) -> Given:
        return Given(model, time.time_ns() // 1000, self.log.writer)

    def tell(self, reader: str, problems: Iterable[Problem]) -> None:
        """Keep what this reader of the log met, and warn of each problem once. Raises Damaged where `strict`."""
        self._met[reader] = met = list(problems)
        for problem in met:
            if self._strict and not problem.harmless:
                raise Damaged(problem.reason, path=problem.file, line=problem.line, hint="Run: mltracker verify")
            if problem not in self._told:
                self._told.add(problem)
                where = f"{problem.file}:{problem.line}" if problem.line else problem.file
                notify(f"{where}: {problem.reason}")

    def refuse_writing(self) -> None:
        self.refuse_closed()
        if self.read_only:
            raise ReadOnly("the store was opened read-only", hint="Open it without read_only=True")

    def refuse_closed(self) -> None:
        """Raises Closed."""
        if self._closed:
            raise Closed("the tracker was closed", hint="Open the store again: mltracker.open(...)")


class PastAccess(Access):
    """The store as it was at a stamp; folded once, in memory."""

    stamp: Stamp

    def __init__(self, log: EventLog, stamp: Stamp, moment: str) -> None:
        super().__init__(log)
        self.moment = f" as of {moment}"
        self.read_only = True
        self.stamp = stamp
        self._model, self._wrote_later, self.problems = fold(log, stamp)
        self._lock = RLock()

    def ask(self, query: Callable[[ReadModel], T]) -> T:
        with self._lock:
            return query(self._model)

    def alive(self, writer: str) -> bool:
        return writer in self._wrote_later

    def decide(self, decision: Decision) -> list[Receipt]:
        self.refuse_writing()

    def create(self, decision: Decision) -> list[Receipt]:
        self.refuse_writing()

    def append(self, event: Event) -> Receipt | None:
        self.refuse_writing()

    def append_data(self, kind: bytes, stream: bytes, data: bytes) -> None:
        self.refuse_writing()

    def failed(self, error: StoreError) -> None:
        raise error

    def refuse_writing(self) -> NoReturn:
        raise ReadOnly(f"this shows the store{self.moment}", hint="Use the tracker that was opened, to change it")


_living: weakref.WeakSet[LiveAccess] = weakref.WeakSet()
_inherited: list[Runner | None] = []
"""Read models of parents: files that a child must not close, since that would be heard by the parent's locks."""


def _leave_all() -> None:
    for access in list(_living):
        access.leave_to_parent()


@atexit.register
def _close_all() -> None:
    """Those whose tracker was dropped while a collection of theirs was kept."""
    for access in list(_living):
        access.close()


os.register_at_fork(after_in_child=_leave_all)
