"""From events to documents: one handler an event type, all commuting. A register keeps the stamp of the event that set
it, and an older event never overwrites it; positions grow pointwise; so events of different writers may come in any
order and make the same documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson

from mltracker.errors import ProjectionError, UnreadableEvent
from mltracker.events import upcasters, values
from mltracker.events.envelope import parse_time
from mltracker.events.log import Batch, Line
from mltracker.projections import intake
from mltracker.projections.columns import Heading, Table
from mltracker.projections.intake import Clock
from mltracker.projections.registers import Fact, Stamp, assign, bystander, raise_position, subject
from mltracker.projections.store import Document, Store

UNFIT = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What a payload that does not fit its schema makes handlers raise."""


def apply(store: Store, clock: Clock, unknown: Counter[str], batch: Batch) -> None:
    """Fold a batch of one writer. Raises ProjectionError naming the event that does not fit."""
    writer, lines = batch
    seen = store.seen(writer)
    if lines and lines[0]["seq"] <= seen:
        lines = [line for line in lines if line["seq"] > seen]
    if not lines:
        return
    points = []
    for line in lines:
        if line["type"] != "MetricsRecorded" or line["v"] != 1:
            line = _upcast(writer, line)
            if line["type"] != "MetricsRecorded" or line["v"] != 1:
                _apply_one(store, clock, unknown, writer, line)
                continue
        points.append(line)
    if points:
        _apply_points(store, clock, writer, points)
    store.saw(writer, lines[-1]["seq"])


def _apply_points(store: Store, clock: Clock, writer: str, lines: list[Line]) -> None:
    try:
        groups = intake.grouped(lines)
        for key, group in groups:
            intake.metrics(store.table, clock, writer, key, group)
        for stream in {key[0] for key, _ in groups}:
            store.touch(stream)
        store.grown(sum(len(names) * len(group) for (_, _, names), group in groups))
    except UNFIT as error:
        raise _rejected(writer, _culprit(writer, lines), error) from error


def _culprit(writer: str, lines: list[Line]) -> Line:
    """The first line that does not fit, looked for with tables of no account."""
    for line in lines:
        try:
            for key, group in intake.grouped([line]):
                intake.metrics(lambda heading: Table(Heading(*heading)), Clock(), writer, key, group)
        except UNFIT:
            return line
    return lines[0]


def _upcast(writer: str, line: Line) -> Line:
    try:
        return upcasters.upcast(line)
    except UnreadableEvent as error:
        raise _rejected(writer, line, error) from error


def _apply_one(store: Store, clock: Clock, unknown: Counter[str], writer: str, line: Line) -> None:
    try:
        if line["type"] == "MetricSeriesRecorded" and line["v"] == 1:
            if line["data"]["values"]:
                intake.series(store.table, clock, writer, line)
                store.touch(line["stream"])
                store.grown(len(line["data"]["values"]))
            return
        handler = HANDLERS.get((line["type"], line["v"]))
        if handler is not None:
            handler(store, _fact(writer, line))
        elif line["type"] != "Erased" and not upcasters.known(line["type"], line["v"]):
            unknown[f"{line['type']} v{line['v']}"] += 1
    except UNFIT as error:
        raise _rejected(writer, line, error) from error


def _fact(writer: str, line: Line) -> Fact:
    at = parse_time(line["at"])
    shown = parse_time(line["wall"]) if "wall" in line else at
    return Fact(f"{writer}:{line['seq']}", [at, writer, line["seq"]], shown, line["stream"], line["data"])


def _rejected(writer: str, line: Line, error: Exception) -> ProjectionError:
    return ProjectionError(
        f"event {writer}:{line.get('seq')} ({line.get('type')} v{line.get('v')}) does not fit the read model: "
        f"{type(error).__name__}: {error}",
        hint="It was written by something else than this release; see `mltracker verify`",
    )


# Experiments and aggregates ------------------------------------------------------------------------------------------


def experiment_created(store: Store, fact: Fact) -> None:
    state = _created(store, fact, "experiment")
    assign(state, "name", fact.stamp, fact.data["name"])
    store.created(state)


def aggregate_created(store: Store, fact: Fact) -> None:
    state = _created(store, fact, "aggregate")
    state["experiment"], state["id"] = fact.data["experiment"], fact.data["id"]
    for index, module in enumerate(fact.data.get("modules", ())):
        _attach(state, fact.stamp, index, module)
    config = values.flatten(values.decode(fact.data.get("config", {})))
    _configure(state, fact.stamp, values.encode(config))
    store.created(state)


def _created(store: Store, fact: Fact, kind: str) -> Document:
    state = subject(store, fact._replace(stream=fact.id))
    state.update(kind=kind, created=fact.stamp, at=fact.shown)
    return state


def renamed(store: Store, fact: Fact) -> None:
    assign(subject(store, fact), "name", fact.stamp, fact.data["name"])


def deleted(store: Store, fact: Fact) -> None:
    assign(subject(store, fact), "deletion", fact.stamp, fact.data["deletion"])


def restored(store: Store, fact: Fact) -> None:
    assign(subject(store, fact), "deletion", fact.stamp, None)


def module_attached(store: Store, fact: Fact) -> None:
    _attach(subject(store, fact), fact.stamp, 0, fact.data["module"])


def module_detached(store: Store, fact: Fact) -> None:
    key = module_key(fact.data["module_type"], fact.data["hash"])
    assign(subject(store, fact).setdefault("modules", {}), key, [*fact.stamp, 0], None)


def module_key(type: str, hash: str) -> str:
    return orjson.dumps([type, hash]).decode()


def _attach(state: Document, stamp: Stamp, index: int, module: dict[str, Any]) -> None:
    key = module_key(module["type"], module["hash"])
    module = {"parameters": {}, **module, "name": module["name"]}
    assign(state.setdefault("modules", {}), key, [*stamp, index], module)


def config_changed(store: Store, fact: Fact) -> None:
    state = subject(store, fact)
    _configure(state, fact.stamp, fact.data.get("changes", {}))
    for key in fact.data.get("removed", ()):
        held = _setting(state, key)
        held["removed"] = max(held.get("removed", fact.stamp), fact.stamp)


def _configure(state: Document, stamp: Stamp, changes: dict[str, Any]) -> None:
    for index, (key, value) in enumerate(changes.items()):
        assign(_setting(state, key), "set", [*stamp, index], value)


def _setting(state: Document, key: str) -> Document:
    """What was done to a config key: set last (which hides older keys above and below it for ever), removed last."""
    held: Document = state.setdefault("config", {}).setdefault(key, {})
    return held


def tags_changed(store: Store, fact: Fact) -> None:
    tags = subject(store, fact).setdefault("tags", {})
    for key in fact.data.get("removed", ()):
        assign(tags, key, fact.stamp, [])
    for index, (key, value) in enumerate(fact.data.get("changes", {}).items()):
        assign(tags, key, [*fact.stamp, index], [value])


def note_changed(store: Store, fact: Fact) -> None:
    assign(subject(store, fact), "note", fact.stamp, fact.data["text"])


# Corrections of metrics ----------------------------------------------------------------------------------------------


def _corrected(store: Store, fact: Fact, kind: str, name: str = "", to: str = "") -> Document:
    """The state, who did what and why noted in it."""
    state = subject(store, fact)
    told = {"name": name, "to": to, "why": fact.data.get("why"), "by": fact.data.get("by")}
    doc = {key: value for key, value in told.items() if value}
    state.setdefault("corrections", {})[fact.id] = {"stamp": fact.stamp, "at": fact.shown, "kind": kind, **doc}
    return state


def voided(store: Store, fact: Fact) -> None:
    point = fact.data["point"]
    assign(_corrected(store, fact, "void", point).setdefault("voids", {}), point, fact.stamp, fact.data.get("why", ""))


def unvoided(store: Store, fact: Fact) -> None:
    point = fact.data["point"]
    assign(_corrected(store, fact, "unvoid", point).setdefault("voids", {}), point, fact.stamp, None)


def metric_renamed(store: Store, fact: Fact) -> None:
    old, new = fact.data["old"], fact.data["new"]
    rename = {"stamp": fact.stamp, "old": old, "new": new, "position": fact.data["position"]}
    _corrected(store, fact, "rename", old, new).setdefault("renames", {})[fact.id] = rename


def rename_undone(store: Store, fact: Fact) -> None:
    rename = fact.data["rename"]
    _corrected(store, fact, "undo", rename).setdefault("undone", {})[rename] = True


def metrics_cleared(store: Store, fact: Fact) -> None:
    raise_position(_corrected(store, fact, "clear").setdefault("cleared", {}), fact.data["position"])


# Checkpoints and reproductions ---------------------------------------------------------------------------------------


def checkpoint_stored(store: Store, fact: Fact) -> None:
    kept = {name: fact.data[name] for name in ("name", "hash", "size")}
    _keep(subject(store, fact), fact, "checkpoints", {**kept, "iteration": fact.data.get("iteration")})


def reproduction_recorded(store: Store, fact: Fact) -> None:
    told = {name: fact.data[name] for name in ("verdict", "reproduction")}
    _keep(bystander(store, fact), fact, "reproductions", {**told, "details": fact.data.get("details", {})})


def _keep(state: Document, fact: Fact, place: str, doc: Document) -> None:
    state.setdefault(place, {})[fact.id] = {"stamp": fact.stamp, "at": fact.shown, **doc}


# Trainings and iterations --------------------------------------------------------------------------------------------


def training_started(store: Store, fact: Fact) -> None:
    _training(store, fact, fact.id)["started"] = [fact.stamp, fact.shown]


def training_completed(store: Store, fact: Fact) -> None:
    assign(_training(store, fact, fact.data["training"]), "ended", fact.stamp, ["completed", fact.shown, None])


def training_failed(store: Store, fact: Fact) -> None:
    assign(_training(store, fact, fact.data["training"]), "ended", fact.stamp, ["failed", fact.shown, _error(fact)])


def _training(store: Store, fact: Fact, id: str) -> Document:
    training: Document = subject(store, fact).setdefault("trainings", {}).setdefault(id, {})
    return training


def _error(fact: Fact) -> str:
    return f"{fact.data['error_type']}: {fact.data['message']}"


DESCRIPTION = ("hash", "phase", "epoch", "dataset", "parameters", "modules")
COUNTS = ("batches", "samples")
"""What a completion that ends a started iteration says among its parameters; how it was fed, the start has said."""


def iteration_started(store: Store, fact: Fact) -> None:
    state = subject(store, fact)
    doc = store.iteration(fact.stream, fact.id)
    doc.update({name: fact.data[name] for name in DESCRIPTION if name in fact.data}, hash=fact.data["hash"])
    doc.update(started=fact.stamp, at=fact.shown)
    _, writer, seq = fact.stamp
    raise_position(state.setdefault("iterated", {}), {writer: seq})
    if seq > state.get("iterations_cleared", {}).get(writer, -1):
        state["epoch"] = highest(state.get("epoch"), fact.data.get("epoch"))


def iteration_completed(store: Store, fact: Fact) -> None:
    id = fact.data.get("iteration")
    if id is None:
        iteration_started(store, fact)
    subject(store, fact)
    counts = [] if id is None else [fact.data.get("parameters", {}).get(name) for name in COUNTS]
    end = ["completed", fact.shown, None, fact.data.get("duration"), fact.data.get("metrics", {}), *counts]
    assign(store.iteration(fact.stream, id or fact.id), "ended", fact.stamp, end)


def iteration_failed(store: Store, fact: Fact) -> None:
    subject(store, fact)
    end = ["failed", fact.shown, _error(fact), None, {}]
    assign(store.iteration(fact.stream, fact.data["iteration"]), "ended", fact.stamp, end)


def iterations_cleared(store: Store, fact: Fact) -> None:
    state = _corrected(store, fact, "forget")
    raise_position(state.setdefault("iterations_cleared", {}), fact.data["position"])
    left = uncleared(state, store.iterations(fact.stream))
    state["epoch"] = max((doc["epoch"] for doc in left if doc.get("epoch") is not None), default=None)


def uncleared(state: Document, iterations: list[Document]) -> list[Document]:
    """Those that were started and not cleared."""
    cleared = state.get("iterations_cleared", {})
    started = [doc for doc in iterations if "started" in doc]
    return [doc for doc in started if doc["started"][2] > cleared.get(doc["started"][1], -1)]


def highest(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)


# Sessions ------------------------------------------------------------------------------------------------------------


def session_started(store: Store, fact: Fact) -> None:
    session = store.session(fact.id)
    session.update(started=fact.stamp, at=fact.shown)
    session.update({name: fact.data[name] for name in ("command", "host", "pid") if name in fact.data})
    _describe(session, fact)


def session_described(store: Store, fact: Fact) -> None:
    _describe(store.session(fact.stream or f"{fact.stamp[1]}:0"), fact)


def session_ended(store: Store, fact: Fact) -> None:
    assign(store.session(fact.stream or f"{fact.stamp[1]}:0"), "ended", fact.stamp, fact.shown)


def _describe(session: Document, fact: Fact) -> None:
    for key, value in fact.data.get("environment", {}).items():
        assign(session.setdefault("environment", {}), key, fact.stamp, value)


HANDLERS: dict[tuple[str, int], Callable[[Store, Fact], None]] = {
    ("ExperimentCreated", 1): experiment_created,
    ("ExperimentRenamed", 1): renamed,
    ("ExperimentDeleted", 1): deleted,
    ("AggregateCreated", 1): aggregate_created,
    ("AggregateDeleted", 1): deleted,
    ("Restored", 1): restored,
    ("ModuleAttached", 1): module_attached,
    ("ModuleDetached", 1): module_detached,
    ("ConfigChanged", 1): config_changed,
    ("TagsChanged", 1): tags_changed,
    ("NoteChanged", 1): note_changed,
    ("MetricVoided", 1): voided,
    ("MetricUnvoided", 1): unvoided,
    ("MetricRenamed", 1): metric_renamed,
    ("MetricRenameUndone", 1): rename_undone,
    ("MetricsCleared", 1): metrics_cleared,
    ("TrainingStarted", 1): training_started,
    ("TrainingCompleted", 1): training_completed,
    ("TrainingFailed", 2): training_failed,
    ("IterationStarted", 1): iteration_started,
    ("IterationCompleted", 1): iteration_completed,
    ("IterationFailed", 1): iteration_failed,
    ("IterationsCleared", 1): iterations_cleared,
    ("CheckpointStored", 1): checkpoint_stored,
    ("ReproductionRecorded", 1): reproduction_recorded,
    ("SessionStarted", 1): session_started,
    ("SessionDescribed", 1): session_described,
    ("SessionEnded", 1): session_ended,
}
