"""Old versions of events to new ones, on read: the log is never rewritten.

A step is a pure function from one version's `data` to the next one's. Steps are chained; the chain of every type is
checked when the type is registered, so a gap, a duplicate or a cycle fails the import and not a reader years later.
Plain dicts only: reading a log imports no pydantic.

To change an event of your own, raise its class's `version` and register the step above the class or in its body:

    @upcaster("Cooled", 1)
    def _kelvin(data):
        return {"kelvin": data["celsius"] + 273.15}

    class Cooled(Event):
        version = 2
        kelvin: float
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from mltracker.errors import UnreadableEvent

if TYPE_CHECKING:
    from mltracker.events.log import Line

Data = dict[str, Any]
Upcaster = Callable[[Data], Data]
Version = tuple[str, int]

TYPE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")

LATEST: dict[str, int] = {
    "ExperimentCreated": 1,
    "ExperimentRenamed": 1,
    "ExperimentDeleted": 1,
    "AggregateCreated": 1,
    "AggregateDeleted": 1,
    "Restored": 1,
    "ModuleAttached": 1,
    "ModuleDetached": 1,
    "ConfigChanged": 1,
    "TagsChanged": 1,
    "NoteChanged": 1,
    "MetricsRecorded": 1,
    "MetricSeriesRecorded": 1,
    "MetricVoided": 1,
    "MetricUnvoided": 1,
    "MetricRenamed": 1,
    "MetricRenameUndone": 1,
    "MetricsCleared": 1,
    "TrainingStarted": 1,
    "TrainingCompleted": 1,
    "TrainingFailed": 2,
    "IterationStarted": 1,
    "IterationCompleted": 1,
    "IterationFailed": 1,
    "IterationsCleared": 1,
    "SessionStarted": 1,
    "SessionDescribed": 1,
    "SessionEnded": 1,
    "CheckpointStored": 1,
    "ReproductionRecorded": 1,
    "EventErased": 1,
    "Erased": 1,
}
"""The current version of every type; users' own types join it when their class is made."""


class _Step(NamedTuple):
    function: Upcaster
    becomes: Version


_STEPS: dict[Version, _Step] = {}


def upcaster(type: str, version: int, *, becomes: Version | None = None) -> Callable[[Upcaster], Upcaster]:
    """Register the step from `version` of `type` to the next version, or to another type where `becomes` names it.

    The function takes and returns `data`; it must not change its argument. Raises TypeError for a second step from the
    same version and for a cycle.
    """

    def register_step(function: Upcaster) -> Upcaster:
        known = _STEPS.get((type, version))
        if known is not None and _origin(known.function) != _origin(function):
            raise TypeError(f"{type} v{version} has an upcaster already: {'.'.join(_origin(known.function))}")
        target = becomes or (type, version + 1)
        _refuse_cycle((type, version), target)
        _STEPS[type, version] = _Step(function, target)
        return function

    return register_step


def register(type: str, version: int) -> None:
    """Make `version` the current one of `type`. Raises TypeError for a bad name or version and for a gap below it."""
    if not TYPE_NAME.fullmatch(type):
        raise TypeError(f"event type {type!r}: a letter, then at most 127 letters, digits, '_', '.' or '-'")
    if version.__class__ is not int or version < 1:
        raise TypeError(f"event type {type}: version must be an int from 1, not {version!r}")
    _refuse_gaps(type, version)
    LATEST[type] = version


def known(type: str, version: int) -> bool:
    """Whether this release reads that version of that type, upcast if need be."""
    while (step := _STEPS.get((type, version))) is not None:
        type, version = step.becomes
    return LATEST.get(type) == version


def upcast(line: Line) -> Line:
    """The line in its type's current version: itself where it is that already, or where it is not known.

    Raises UnreadableEvent where a step rejects the data.
    """
    step = _STEPS.get((line["type"], line["v"]))
    return line if step is None else _climb(line, step)


def _climb(line: Line, first: _Step) -> Line:
    data: Data = line["data"]
    version: Version = (line["type"], line["v"])
    step: _Step | None = first
    while step is not None:
        try:
            data = step.function(data)
        except Exception as error:
            where = f"{version[0]} v{version[1]} at seq {line['seq']} on {line['stream']}"
            raise UnreadableEvent(f"event {where} does not fit its upcaster: {error!r}") from error
        version = step.becomes
        step = _STEPS.get(version)
    return {**line, "type": version[0], "v": version[1], "data": data}


def _origin(function: Upcaster) -> tuple[str, str]:
    """A notebook cell run again redefines the same function: that is no duplicate."""
    return (function.__module__, function.__qualname__)


def _refuse_cycle(origin: Version, target: Version) -> None:
    reached: Version | None = target
    while reached is not None:
        if reached == origin:
            raise TypeError(f"the upcaster of {origin[0]} v{origin[1]} closes a cycle")
        step = _STEPS.get(reached)
        reached = step.becomes if step else None


def _refuse_gaps(type: str, latest: int) -> None:
    for version in range(1, latest):
        if (type, version) not in _STEPS:
            raise TypeError(f"{type} is at v{latest}, but no upcaster leads from v{version}")
    for origin, step in _STEPS.items():
        if step.becomes[0] == type and step.becomes[1] > latest:
            raise TypeError(f"the upcaster of {origin[0]} v{origin[1]} leads beyond {type} v{latest}")


@upcaster("TrainingFailed", 1)
def _training_failed_1(data: Data) -> Data:
    """`error` was one text, "ValueError: message"."""
    rest = {key: value for key, value in data.items() if key != "error"}
    error_type, colon, message = data["error"].partition(": ")
    return {**rest, "error_type": error_type if colon else "", "message": message if colon else data["error"]}


for _type, _version in LATEST.items():
    register(_type, _version)
