"""What changed an aggregate: one event after the other, what was before, and what after."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from mltracker.commands.given import same
from mltracker.events import values
from mltracker.events.envelope import Recorded
from mltracker.events.upcasters import LATEST
from mltracker.models import Module
from mltracker.tracker import scan
from mltracker.tracker.access import Access


class Absent(Enum):
    """The value of what is not there, which may be null where it is."""

    ABSENT = "absent"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return self.name


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an aggregate.

    `kind` and `name` say of what: aggregate, config (a flat key), tag, note, module (its type), training (its number),
    iteration (phase and epoch), iterations (cleared), checkpoint (its name; before and after are hashes), point (its
    id; voided or brought back), metric (renamed), points (cleared; before is their number), metrics (recorded: only
    where asked for), reproduction (its key; after is the verdict), or the type of an event of your own.
    `before` and `after` are ABSENT where there was or is nothing. `at` is in microseconds since 1970 UTC, `id` that of
    the event, `by` on whose behalf, if not the session's user's.
    """

    at: int
    session: str
    id: str
    kind: str
    name: str
    before: Any
    after: Any
    by: str
    why: str


class Step(NamedTuple):
    """A change as a handler tells it."""

    kind: str
    name: str
    before: Any = ABSENT
    after: Any = ABSENT


Steps = Iterator[Step]


def changes(access: Access, keys: Collection[str], *, points: bool) -> Iterator[Change]:
    """Those of the aggregate of these keys, in order."""
    events = scan.events(access, keys)
    types = {event.type for event in events}
    recorded: list[Recorded] = []
    if points or "MetricsCleared" in types:
        events = scan.events(access, keys, points=True)
        recorded = [event for event in events if event.type in scan.POINTS]
    elif types & {"MetricVoided", "MetricUnvoided"}:
        places = {scan.place_of(event.data["point"]) for event in events if "point" in event.data}
        recorded = [event for event in scan.events(access, keys, points=places) if event.type in scan.POINTS]
    ledger = Ledger(recorded)
    for event in events:
        if points or event.type not in scan.POINTS:
            yield from ledger.enter(event)


class Ledger:
    """An aggregate as it stands after the events that were entered, in order."""

    def __init__(self, recorded: Collection[Recorded] = ()) -> None:
        self.config: dict[str, Any] = {}
        self.tags: dict[str, Any] = {}
        self.modules: dict[tuple[str, str], Module] = {}
        self._note = ""
        self._state: Any = ABSENT
        self._checkpoints: dict[str, str] = {}
        self._trainings: dict[str, str] = {}
        self._iterations: dict[str, str] = {}
        self._gone: set[str] = set()
        self._renames: dict[str, tuple[str, str]] = {}
        self._points = {scan.place_of(event.id): event.data for event in recorded}
        self._counts = scan.Counts(recorded)

    def enter(self, event: Recorded) -> Iterator[Change]:
        """The changes that it makes; none where all is as it was."""
        handler = HANDLERS.get(event.type) if event.version == LATEST.get(event.type) else None
        steps = handler(self, event) if handler is not None else iter([Step(event.type, "", ABSENT, event.data)])
        by, why = event.data.get("by", ""), event.data.get("why", "")
        for step in steps:
            yield Change(event.wall, event.session, event.id, *step, by, why)

    def _created(self, event: Recorded) -> Steps:
        yield from self._becomes(event.data["id"], "created")
        for module in event.data.get("modules", ()):
            yield from self._attach(module)
        yield from self._configure(event.data.get("config", {}), ())

    def _deleted(self, event: Recorded) -> Steps:
        return self._becomes("", "deleted")

    def _restored(self, event: Recorded) -> Steps:
        return self._becomes("", "restored")

    def _becomes(self, name: str, state: str) -> Steps:
        before, self._state = self._state, state
        if before != state:
            yield Step("aggregate", name, before, state)

    def _configured(self, event: Recorded) -> Steps:
        return self._configure(event.data.get("changes", {}), event.data.get("removed", ()))

    def _configure(self, given: Mapping[str, Any], removed: Iterable[str]) -> Steps:
        """A setting hides older ones above and below it for ever, but not those of its own event."""
        set_now = values.flatten(values.decode(given))
        hidden = [key for key in self.config if key not in set_now and _meets(key, set_now)]
        for key in dict.fromkeys([*removed, *hidden]):
            if key in self.config and key not in set_now:
                yield Step("config", key, self.config.pop(key))
        yield from _set("config", self.config, set_now)

    def _tagged(self, event: Recorded) -> Steps:
        given = values.decode(event.data.get("changes", {}))
        for key in event.data.get("removed", ()):
            if key in self.tags and key not in given:
                yield Step("tag", key, self.tags.pop(key))
        yield from _set("tag", self.tags, given)

    def _noted(self, event: Recorded) -> Steps:
        before, self._note = self._note, event.data["text"]
        if before != self._note:
            yield Step("note", "", before or ABSENT, self._note or ABSENT)

    def _attached(self, event: Recorded) -> Steps:
        return self._attach(event.data["module"])

    def _attach(self, data: Mapping[str, Any]) -> Steps:
        module = module_of(data)
        key = (module.type, module.hash)
        before = self.modules.pop(key, ABSENT)
        self.modules[key] = module
        if before is ABSENT or before.name != module.name or not same(before.parameters, module.parameters):
            yield Step("module", module.type, before, module)

    def _detached(self, event: Recorded) -> Steps:
        module = self.modules.pop((event.data["module_type"], event.data["hash"]), None)
        if module is not None:
            yield Step("module", module.type, module)

    def _training_started(self, event: Recorded) -> Steps:
        return _runs("training", self._trainings, event.id, str(len(self._trainings) + 1))

    def _training_completed(self, event: Recorded) -> Steps:
        yield Step("training", self._trainings.get(event.data["training"], ""), "running", "completed")

    def _training_failed(self, event: Recorded) -> Steps:
        yield Step("training", self._trainings.get(event.data["training"], ""), "running", _failure(event))

    def _iteration_started(self, event: Recorded) -> Steps:
        return _runs("iteration", self._iterations, event.id, iteration_name(event.data))

    def _iteration_completed(self, event: Recorded) -> Steps:
        id = event.data.get("iteration")
        if id is None:
            name = self._iterations[event.id] = iteration_name(event.data)
            yield Step("iteration", name, ABSENT, "completed")
        else:
            yield Step("iteration", self._iterations.get(id, ""), "running", "completed")

    def _iteration_failed(self, event: Recorded) -> Steps:
        yield Step("iteration", self._iterations.get(event.data["iteration"], ""), "running", _failure(event))

    def _iterations_cleared(self, event: Recorded) -> Steps:
        position = event.data["position"]
        gone = {id for id in self._iterations if scan.place_of(id)[1] <= position.get(id.partition(":")[0], -1)}
        number = len(gone - self._gone)
        self._gone |= gone
        if number:
            yield Step("iterations", "", number, 0)

    def _checkpoint_stored(self, event: Recorded) -> Steps:
        name, hash = event.data["name"], event.data["hash"]
        yield Step("checkpoint", name, self._checkpoints.get(name, ABSENT), hash)
        self._checkpoints[name] = hash

    def _voided(self, event: Recorded) -> Steps:
        yield Step("point", event.data["point"], self._value(event.data["point"]), ABSENT)

    def _unvoided(self, event: Recorded) -> Steps:
        yield Step("point", event.data["point"], ABSENT, self._value(event.data["point"]))

    def _value(self, point: str) -> Any:
        recorded = self._points.get(scan.place_of(point), {})
        name = point.split(":", 2)[2]
        held = recorded.get("values", {})
        if isinstance(held, list):
            index = name.rpartition(":")[2]
            return values.decode_number(held[int(index)]) if index.isdecimal() and int(index) < len(held) else ABSENT
        return values.decode_number(held[name]) if name in held else ABSENT

    def _renamed(self, event: Recorded) -> Steps:
        old, new = self._renames[event.id] = (event.data["old"], event.data["new"])
        yield Step("metric", old, old, new)

    def _rename_undone(self, event: Recorded) -> Steps:
        old, new = self._renames.pop(event.data["rename"], ("", ""))
        if old:
            yield Step("metric", new, new, old)

    def _cleared(self, event: Recorded) -> Steps:
        if number := self._counts.take(event.stream, event.data["position"]):
            yield Step("points", "", number, 0)

    def _reproduced(self, event: Recorded) -> Steps:
        yield Step("reproduction", event.data["reproduction"], ABSENT, event.data["verdict"])

    def _measured(self, event: Recorded) -> Steps:
        places = (f"{name} {event.data[name]}" for name in ("epoch", "step", "batch") if name in event.data)
        held = event.data["values"]
        shown = held if isinstance(held, dict) else {event.data["name"]: held}
        yield Step("metrics", " ".join(filter(None, [event.data.get("phase"), *places])), ABSENT, shown)


HANDLERS: dict[str, Callable[[Ledger, Recorded], Steps]] = {
    "AggregateCreated": Ledger._created,
    "AggregateDeleted": Ledger._deleted,
    "Restored": Ledger._restored,
    "ModuleAttached": Ledger._attached,
    "ModuleDetached": Ledger._detached,
    "ConfigChanged": Ledger._configured,
    "TagsChanged": Ledger._tagged,
    "NoteChanged": Ledger._noted,
    "MetricsRecorded": Ledger._measured,
    "MetricSeriesRecorded": Ledger._measured,
    "MetricVoided": Ledger._voided,
    "MetricUnvoided": Ledger._unvoided,
    "MetricRenamed": Ledger._renamed,
    "MetricRenameUndone": Ledger._rename_undone,
    "MetricsCleared": Ledger._cleared,
    "TrainingStarted": Ledger._training_started,
    "TrainingCompleted": Ledger._training_completed,
    "TrainingFailed": Ledger._training_failed,
    "IterationStarted": Ledger._iteration_started,
    "IterationCompleted": Ledger._iteration_completed,
    "IterationFailed": Ledger._iteration_failed,
    "IterationsCleared": Ledger._iterations_cleared,
    "CheckpointStored": Ledger._checkpoint_stored,
    "ReproductionRecorded": Ledger._reproduced,
}


def module_of(data: Mapping[str, Any]) -> Module:
    """As an event holds it."""
    return Module(data["type"], data["hash"], data["name"], values.decode(data.get("parameters", {})))


def iteration_name(data: Mapping[str, Any]) -> str:
    """train epoch 3; of one without a phase and an epoch, its hash."""
    epoch = f"epoch {data['epoch']}" if "epoch" in data else ""
    return " ".join(filter(None, [data.get("phase"), epoch])) or str(data.get("hash", ""))


def _runs(kind: str, names: dict[str, str], id: str, name: str) -> Steps:
    names[id] = name
    yield Step(kind, name, ABSENT, "running")


def _failure(event: Recorded) -> str:
    return f"failed: {event.data['error_type']}: {event.data['message']}"


def _meets(key: str, others: Iterable[str]) -> bool:
    return any(key.startswith(f"{other}.") or other.startswith(f"{key}.") for other in others)


def _set(kind: str, held: dict[str, Any], given: Mapping[str, Any]) -> Steps:
    for key, value in given.items():
        before = held.get(key, ABSENT)
        held[key] = value
        if before is ABSENT or not same(before, value):
            yield Step(kind, key, before, value)
