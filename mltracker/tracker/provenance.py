"""Where one number comes from: the session, code, data, modules and iteration that wrote it; who touched it since."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mltracker.errors import NotFound
from mltracker.events import values
from mltracker.events.envelope import Recorded
from mltracker.models import Correction, Dataset, Iteration, Metric, Module, Session
from mltracker.series import as_shown, series_name
from mltracker.tracker import scan
from mltracker.tracker.access import Access
from mltracker.tracker.changes import Ledger, module_of


@dataclass(frozen=True, slots=True)
class Provenance:
    """Of one point. `modules` were attached when it was written, `config` held then; `iteration` was running then.

    `code` is what the session found out of its code, None where it did not look. `earlier` are the points of that name,
    phase and step before it.
    """

    point: Metric
    voided: bool
    earlier: int
    session: Session | None
    iteration: Iteration | None
    modules: Sequence[Module]
    config: Mapping[str, Any]
    corrections: Sequence[Correction]

    @property
    def code(self) -> Mapping[str, Any] | None:
        return None if self.session is None else self.session.environment.get("code")

    @property
    def dataset(self) -> Dataset | None:
        return None if self.iteration is None else self.iteration.dataset


def provenance(
    access: Access, keys: Sequence[str], path: str, name: str, step: int | None, phase: str | None
) -> Provenance:
    """Of the last visible point of that name (and step, and phase), else of the last voided one. Raises NotFound."""
    point, voided, earlier = _chosen(access, keys, path, name, step, phase)
    assert point.id is not None
    place = scan.place_of(point.id)
    events = scan.events(access, keys, points={place})
    written = next((event for event in events if (event.writer, event.seq) == place), None)
    if written is None:
        raise NotFound(f"the event of point {point.id} cannot be read any more", hint="Run: mltracker verify")
    ledger = Ledger()
    for event in events:
        if event.stamp <= written.stamp:
            list(ledger.enter(event))
    touched = _touched(events, written, point.id)
    corrections, sessions = access.ask(lambda model: (model.corrections(keys), model.sessions(keys)))
    return Provenance(
        point,
        voided,
        earlier,
        next((session for session in sessions if session.id == point.session), None),
        _iteration(events, written, point),
        list(ledger.modules.values()),
        dict(ledger.config),
        [correction for correction in corrections if correction.id in touched],
    )


def _chosen(
    access: Access, keys: Sequence[str], path: str, name: str, step: int | None, phase: str | None
) -> tuple[Metric, bool, int]:
    def points(voided: bool) -> list[Metric]:
        return access.ask(lambda model: model.metrics(keys).list(name, phase, voided=voided))

    name, phase = _named(access, keys, name, phase)
    for voided in (False, True):
        found = [point for point in points(voided) if step in (None, point.step)]
        if found:
            last = max(enumerate(found), key=_written)[1]
            same_place = [one for one in found if (one.phase, one.step) == (last.phase, last.step)]
            return last, voided, len(same_place) - 1
    wanted = f"metric {name!r}" + ("" if phase is None else f" in phase {phase!r}")
    held = [point.step for point in (*points(False), *points(True)) if point.step is not None]
    if step is not None and held:
        raise NotFound(f"{path} has no {wanted} at step {step}", hint=f"Its steps are {min(held)} to {max(held)}")
    names = access.ask(lambda model: model.metrics(keys).names())
    has = ", ".join(series_name(*key) for key in names) or "no metrics"
    raise NotFound(f"{path} has no {wanted}", hint=f"It has {has}")


def _named(access: Access, keys: Sequence[str], name: str, phase: str | None) -> tuple[str, str | None]:
    """Name and phase of what may be named as it is shown; voided points are asked for only where no other has it."""
    known = access.ask(lambda model: model.metrics(keys).names())
    if not any(name in (key[1], series_name(*key)) for key in known):
        known = [(one.phase, one.name) for one in access.ask(lambda model: model.metrics(keys).list(voided=True))]
    return as_shown(known, name, phase)


def _written(numbered: tuple[int, Metric]) -> tuple[int, scan.Place, int]:
    """What orders points in time; those of one series by their order in it."""
    number, point = numbered
    assert point.at is not None
    assert point.id is not None
    return point.at, scan.place_of(point.id), number


def _iteration(events: Sequence[Recorded], written: Recorded, point: Metric) -> Iteration | None:
    """The one of its session, phase and epoch that ran when it was written; else that was added whole after it."""
    own = [event for event in events if event.writer == written.writer]
    ends = {event.data["iteration"]: event for event in own if "iteration" in event.data and event.type in ENDS}
    around: list[Recorded] = []
    after: list[Recorded] = []
    for event in own:
        if not _fits(event.data, point):
            continue
        if event.type == "IterationStarted" and event.seq < written.seq:
            around += [event] if event.id not in ends or ends[event.id].seq > written.seq else []
        elif event.type == "IterationCompleted" and "iteration" not in event.data and event.seq > written.seq:
            after += [event] if point.epoch is not None else []
    started = around[-1] if around else after[0] if after else None
    return None if started is None else _told(started, ends.get(started.id))


ENDS = {"IterationCompleted": "completed", "IterationFailed": "failed"}


def _fits(data: Mapping[str, Any], point: Metric) -> bool:
    return data.get("phase") == point.phase and point.epoch in (None, data.get("epoch"))


def _told(started: Recorded, ended: Recorded | None) -> Iteration:
    data, dataset, end = started.data, started.data.get("dataset"), (ended or started).data
    status = ENDS.get((ended or started).type, "running")
    return Iteration(
        data["hash"],
        data.get("phase"),
        data.get("epoch"),
        dataset and Dataset(dataset["hash"], dataset["name"], values.decode(dataset.get("parameters", {}))),
        values.decode(data.get("parameters", {})),
        [module_of(module) for module in data.get("modules", ())],
        started.id,
        started.wall,
        started.session,
        status,
        f"{end['error_type']}: {end['message']}" if status == "failed" else None,
        end.get("duration"),
        {name: values.decode_number(value) for name, value in end.get("metrics", {}).items()},
    )


def _touched(events: Collection[Recorded], written: Recorded, point: str) -> set[str]:
    """The events that voided, brought back or renamed it, or took that back."""
    name = point.split(":", 2)[2]
    if isinstance(written.data["values"], list):
        name = name.rpartition(":")[0]
    undone = {event.data["rename"] for event in events if event.type == "MetricRenameUndone"}
    touched: set[str] = set()
    for event in events:
        data = event.data
        if data.get("point") == point or data.get("rename") in touched:
            touched.add(event.id)
        elif event.type == "MetricRenamed" and event.stream == written.stream and data["old"] == name:
            if written.seq > data["position"].get(written.writer, -1):
                continue
            touched.add(event.id)
            name = name if event.id in undone else data["new"]
    return touched
