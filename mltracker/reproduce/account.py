"""What was recorded on the streams of an aggregate, folded once for the recipe and the comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from mltracker.errors import InvalidValue, UnreadableEvent
from mltracker.events import values
from mltracker.events.envelope import Recorded, parse_time, recorded
from mltracker.events.upcasters import LATEST, upcast
from mltracker.models import Aggregate
from mltracker.reproduce.points import Points

if TYPE_CHECKING:
    from mltracker.events.log import Line
    from mltracker.tracker import Tracker

Key = tuple[str | None, str]
"""A series: (phase, name as it was recorded)."""
Data = dict[str, Any]
_METRICS, _SERIES = ("MetricsRecorded", 1), ("MetricSeriesRecorded", 1)
"""What is read into columns; a later version falls to the events that cannot be read until this knows it."""


@dataclass(slots=True)
class Pass:
    """One iteration; `data` is what its start carried, as written, `counts` what it was fed. `cleared`: no more."""

    id: str
    session: str
    began: int
    data: Data
    status: str = "running"
    duration: float | None = None
    error: str | None = None
    metrics: dict[str, int | float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    cleared: bool = False


@dataclass(slots=True)
class Try:
    """One training: `ended` is None where it has no end."""

    id: str
    session: str
    ended: str | None = None
    error_type: str = ""
    message: str = ""

    @property
    def error(self) -> str:
        """As `ValueError: message`."""
        return f"{self.error_type}: {self.message}" if self.message else self.error_type


@dataclass(slots=True)
class Void:
    """The latest word on a point: whether it is voided, who said so and why."""

    voided: bool
    who: str
    why: str


class Account:
    """The story of one aggregate: its points in columns, everything else as it was recorded, in order."""

    def __init__(self) -> None:
        self.series: dict[Key, Points] = {}
        self.passes: dict[str, Pass] = {}
        self.trainings: dict[str, Try] = {}
        self.checkpoints: list[tuple[str, str, int, Data]] = []
        self.voids: dict[str, Void] = {}
        self.corrections: list[str] = []
        self.experiment: str = ""
        self.wrote: dict[str, Counter[str]] = {}
        self.unknown: Counter[str] = Counter()
        self._events: list[Recorded] = []
        self._writers: dict[str, int] = {}

    def take(self, writer: str, line: Line) -> None:
        """Read one event. Points go into their columns at once, the rest is kept until all writers were read."""
        session = f"{writer}:0"
        counts = self.wrote.get(session)
        if counts is None:
            counts = self.wrote[session] = Counter()
        if (line["type"], line["v"]) == _METRICS:
            self._metrics(writer, line, counts)
        elif (line["type"], line["v"]) == _SERIES:
            self._series(writer, line, counts)
        else:
            self._events.append(_recorded(writer, line))

    def settle(self) -> Self:
        """Fold what was kept, in the order of history."""
        for points in self.series.values():
            points.settle()
        for event in sorted(self._events, key=lambda event: event.stamp):
            self._apply(event)
        self._events.clear()
        return self

    def _metrics(self, writer: str, line: Line, counts: Counter[str]) -> None:
        data, seq, at, rank = line["data"], line["seq"], _micros(line["at"]), self._rank(writer)
        phase, recorded, series = data.get("phase"), data["values"], self.series
        for name, value in recorded.items():
            points = series.get((phase, name))
            if points is None:
                points = series[phase, name] = Points()
            points.add(value, data, rank, seq, at)
        counts["points"] += len(recorded)

    def _series(self, writer: str, line: Line, counts: Counter[str]) -> None:
        data = line["data"]
        points = self.series.setdefault((data.get("phase"), data["name"]), Points())
        counts["points"] += points.extend(data, self._rank(writer), line["seq"], _micros(line["at"]))

    def _apply(self, event: Recorded) -> None:
        handler = _HANDLERS.get(event.type)
        if event.type == "Erased" or event.version != LATEST.get(event.type):
            self._unread(event)
        elif handler is not None:
            try:
                handler(self, event)
            except (KeyError, TypeError, ValueError, AttributeError):
                self._unread(event)

    def _unread(self, event: Recorded) -> None:
        self.unknown[event.type if event.type == "Erased" else f"{event.type} v{event.version}"] += 1

    @property
    def points(self) -> int:
        """All of them, voided ones included."""
        return sum(map(len, self.series.values()))

    def count(self, event: Recorded, what: str, number: int = 1) -> None:
        """Note that a session wrote something."""
        self.wrote[event.session][what] += number

    def correct(self, event: Recorded, what: str) -> None:
        """Note a correction with who and why."""
        self.count(event, "corrections")
        self.corrections.append(f"{what} by {_who(event)}{_why(event)}")

    def _rank(self, writer: str) -> int:
        return self._writers.setdefault(writer, len(self._writers))

    def left_out(self) -> dict[Key, set[int]]:
        """The rows of voided points, by series."""
        voided = {id for id, void in self.voids.items() if void.voided}
        named = (id.split(":")[:2] for id in voided)
        wanted = {(self._writers[writer], int(seq)) for writer, seq in named if writer in self._writers}
        found: dict[Key, set[int]] = {}
        for key, points in self.series.items() if wanted else ():
            for row, place in enumerate(zip(points.writers, points.seqs, strict=True)):
                if place in wanted and self.point_id(key, row) in voided:
                    found.setdefault(key, set()).add(row)
        return found

    def point_id(self, key: Key, row: int) -> str:
        """The id of a point: `writer:seq:name[:index]`."""
        points = self.series[key]
        index = f":{points.indexes[row]}" if points.indexes[row] >= 0 else ""
        return f"{list(self._writers)[points.writers[row]]}:{points.seqs[row]}:{key[1]}{index}"

    def sequence(self) -> list[Pass]:
        """Every iteration in the order of their starts, those that were cleared or replaced included."""
        return list(self.passes.values())


def accounts(tracker: Tracker, aggregates: Sequence[Aggregate]) -> list[Account]:
    """The stories of these aggregates, out of one pass through history. Raises InvalidValue, Damaged where `strict`."""
    made = [Account() for _ in aggregates]
    by_stream: dict[str, Account] = {}
    for account, aggregate in zip(made, aggregates, strict=True):
        if not aggregate.keys:
            raise InvalidValue("aggregate", f"{aggregate!r} was not read from a store", hint="Pass one that was read")
        by_stream.update(dict.fromkeys(aggregate.keys, account))
    find = by_stream.get
    for writer, lines in tracker.batches():
        for line in lines:
            account_of = find(line["stream"])
            if account_of is not None:
                account_of.take(writer, line)
    return [account.settle() for account in made]


def _recorded(writer: str, line: Line) -> Recorded:
    try:
        return recorded(writer, upcast(line))
    except UnreadableEvent:  # counted when it is folded: its version is not the current one
        return recorded(writer, line)


@lru_cache(maxsize=4096)
def _second(text: str) -> int:
    return parse_time(text)


def _micros(text: str) -> int:
    """A time of a line, always spelled alike: of a million of them most share their second."""
    return _second(text[:19]) + int(text[20:26])


def account(tracker: Tracker, aggregate: Aggregate) -> Account:
    """The story of one aggregate. Raises InvalidValue, Damaged where `strict`."""
    return accounts(tracker, [aggregate])[0]


def _iteration_started(account: Account, event: Recorded) -> None:
    account.passes[event.id] = Pass(event.id, event.session, event.wall, event.data)
    account.count(event, "iterations")


def _iteration_completed(account: Account, event: Recorded) -> None:
    data = event.data
    started = data.get("iteration")
    if started is None:
        _iteration_started(account, event)
    one = account.passes.get(started or event.id)
    if one is None:  # its start cannot be read
        return
    one.status = "completed"
    one.metrics = {name: values.decode_number(value) for name, value in data.get("metrics", {}).items()}
    if started is not None:
        one.counts = {name: count for name, count in data.get("parameters", {}).items() if type(count) is int}
    one.duration = data.get("duration")
    if one.duration is None and started is not None:
        one.duration = (event.wall - one.began) / 1e6


def _iteration_failed(account: Account, event: Recorded) -> None:
    one = account.passes.get(event.data["iteration"])
    if one is not None:
        one.status, one.duration = "failed", (event.wall - one.began) / 1e6
        one.error = f"{event.data['error_type']}: {event.data['message']}"


def _iterations_cleared(account: Account, event: Recorded) -> None:
    position = event.data["position"]
    for one in account.passes.values():
        writer, _, seq = one.id.partition(":")
        one.cleared = one.cleared or int(seq) <= position.get(writer, -1)
    account.correct(event, "iterations were cleared")


def _training_started(account: Account, event: Recorded) -> None:
    account.trainings[event.id] = Try(event.id, event.session)
    account.count(event, "trainings")


def _training_completed(account: Account, event: Recorded) -> None:
    one = account.trainings.get(event.data["training"])
    if one is not None:
        one.ended = "completed"


def _training_failed(account: Account, event: Recorded) -> None:
    one = account.trainings.get(event.data["training"])
    if one is not None:
        one.ended = "failed"
        one.error_type, one.message = event.data["error_type"], event.data["message"]


def _checkpoint(account: Account, event: Recorded) -> None:
    account.checkpoints.append((event.id, event.session, event.wall, event.data))
    account.count(event, "checkpoints")


def _void(account: Account, event: Recorded) -> None:
    voided = event.type == "MetricVoided"
    account.voids[event.data["point"]] = Void(voided, _who(event), event.data.get("why", ""))
    account.count(event, "corrections")


def _renamed(account: Account, event: Recorded) -> None:
    account.correct(event, f"{event.data['old']} was renamed to {event.data['new']}")


def _rename_undone(account: Account, event: Recorded) -> None:
    account.correct(event, "a rename was undone")


def _cleared(account: Account, event: Recorded) -> None:
    account.correct(event, "metrics were cleared")


def _created(account: Account, event: Recorded) -> None:
    account.experiment = account.experiment or event.data["experiment"]


def _who(event: Recorded) -> str:
    by = event.data.get("by")
    session = f"session {event.writer[:8]}"
    return f"{by} ({session})" if by else session


def _why(event: Recorded) -> str:
    return f": {event.data['why']}" if event.data.get("why") else ""


_HANDLERS: dict[str, Callable[[Account, Recorded], None]] = {
    "AggregateCreated": _created,
    "MetricVoided": _void,
    "MetricUnvoided": _void,
    "MetricRenamed": _renamed,
    "MetricRenameUndone": _rename_undone,
    "MetricsCleared": _cleared,
    "TrainingStarted": _training_started,
    "TrainingCompleted": _training_completed,
    "TrainingFailed": _training_failed,
    "IterationStarted": _iteration_started,
    "IterationCompleted": _iteration_completed,
    "IterationFailed": _iteration_failed,
    "IterationsCleared": _iterations_cleared,
    "CheckpointStored": _checkpoint,
}


def writing(account: Account, sessions: Iterable[str]) -> list[str]:
    """Of these sessions those that did something that a run does: points, iterations, trainings or checkpoints."""
    did = ("points", "iterations", "trainings", "checkpoints")
    return [session for session in sessions if any(account.wrote.get(session, Counter())[what] for what in did)]
