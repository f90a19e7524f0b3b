"""Every event type with its schema version, and what it carries: primitives only, so that no rename of a model can
change history.

An event is a fact in the past tense on the stream of one entity. `stream` is the id of the event that created the
entity, `writer:seq`; an event that creates one leaves it empty and gets its own id. To change an event, raise its
`version`, add one step to `upcasters`, and add lines of the old version to the golden files.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from mltracker.errors import UnreadableEvent
from mltracker.events import values

REGISTRY: dict[str, type[Event]] = {}



def _number(value: Any) -> int | float:
    return values.number("value", values.NON_FINITE.get(value, value) if isinstance(value, str) else value)


def _parameters(value: Any, info: ValidationInfo) -> Any:
    if info.context == "stored":
        return values.decode(value)
    values.encode(value)
    return value


Number = Annotated[
    Any,
    BeforeValidator(_number),
    PlainSerializer(values.encode_number),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": list(values.NON_FINITE)}]}),
]
Json = Annotated[Any, BeforeValidator(_parameters), PlainSerializer(values.encode)]
Parameters = Annotated[dict[str, Any], BeforeValidator(_parameters), PlainSerializer(values.encode)]
Count = Annotated[int, Field(strict=True, gt=-(2**63), lt=2**63)]


class Payload(BaseModel):
    """A part of an event. Writing forbids unknown fields; `load` ignores them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Event(Payload):
    """Base of all events. Subclass it to register one of your own; its type is the class name unless `type` is set."""

    type: ClassVar[str] = "Event"
    version: ClassVar[int] = 1
    structural: ClassVar[bool] = True
    """Durable before the append returns. False for metrics, which follow within a second."""
    creates: ClassVar[bool] = False
    """Begins a stream of its own."""

    stream: str = Field(default="", exclude=True)
    by: str | None = None
    """On whose behalf, where that is not the session's user."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" not in cls.__dict__:
            cls.type = cls.__name__
        known = REGISTRY.get(cls.type)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"event type {cls.type} is registered already, by {known.__module__}.{known.__qualname__}")
        REGISTRY[cls.type] = cls

    def data(self) -> dict[str, Any]:
        """The payload as it is written: JSON, without what is None."""
        return self.model_dump(exclude_none=True)


def load(type_name: str, version: int, stream: str, data: dict[str, Any]) -> Event:
    """The typed event of a stored, upcast payload. Raises UnreadableEvent."""
    cls = REGISTRY.get(type_name)
    if cls is None or version != cls.version:
        raise UnreadableEvent(f"event {type_name} v{version} is not known to this release")
    try:
        return cls.model_validate({**data, "stream": stream}, extra="ignore", context="stored")
    except (ValidationError, KeyError) as error:
        raise UnreadableEvent(f"event {type_name} v{version} on {stream} does not fit its schema: {error}") from error


class ModuleData(Payload):
    """A module: `parameters` may be anything of JSON."""

    type: str
    hash: str
    name: str
    parameters: Parameters = {}


class DatasetData(Payload):
    """A dataset: `parameters` may be anything of JSON."""

    hash: str
    name: str
    parameters: Parameters = {}


# Experiments and aggregates ------------------------------------------------------------------------------------------


class ExperimentCreated(Event):
    creates = True
    name: str


class ExperimentRenamed(Event):
    name: str


class ExperimentDeleted(Event):
    """Hides the experiment and all below it. `deletion` is shared by the keys that one delete hid."""

    deletion: str


class AggregateCreated(Event):
    """`experiment` is the key of the experiment it belongs to, `id` the user's."""

    creates = True
    experiment: str
    id: str
    modules: list[ModuleData] = []
    config: Parameters = {}


class AggregateDeleted(Event):
    """Hides the aggregate. `deletion` is shared by the keys that one delete hid."""

    deletion: str


class Restored(Event):
    """Brings back a deleted experiment or aggregate; `deletion` names the delete that it answers."""

    deletion: str


class ModuleAttached(Event):
    module: ModuleData


class ModuleDetached(Event):
    module_type: str
    hash: str


class ConfigChanged(Event):
    """`changes` is flat, its keys joined by dots; `removed` are flat keys."""

    changes: Parameters = {}
    removed: list[str] = []


class TagsChanged(Event):
    changes: Parameters = {}
    removed: list[str] = []


class NoteChanged(Event):
    text: str


# Metrics -------------------------------------------------------------------------------------------------------------


class MetricsRecorded(Event):
    """One step, any number of names."""

    structural = False
    values: dict[str, Number]
    step: Count | None = None
    epoch: Count | None = None
    batch: Count | None = None
    phase: str | None = None


class Steps(Payload):
    """Steps in regular distance: `start`, `start + step`, ..."""

    start: Count
    step: Count


class MetricSeriesRecorded(Event):
    """Many points of one metric, as columns of equal length. A point's id is `writer:seq:name:index`."""

    structural = False
    name: str
    values: list[Number]
    steps: list[Count] | Steps | None = None
    epoch: Count | None = None
    phase: str | None = None


class MetricVoided(Event):
    """`point` is `writer:seq:name[:index]`."""

    point: str
    why: str = ""


class MetricUnvoided(Event):
    point: str
    why: str = ""


class MetricRenamed(Event):
    """Touches exactly the points up to `position`, `{writer: last seq seen}`. Undone by its id."""

    old: str
    new: str
    position: dict[str, Count]
    why: str = ""


class MetricRenameUndone(Event):
    rename: str
    why: str = ""


class MetricsCleared(Event):
    """Touches exactly the points up to `position`, `{writer: last seq seen}`."""

    position: dict[str, Count]
    why: str = ""


# Trainings and iterations --------------------------------------------------------------------------------------------


class TrainingStarted(Event):
    """Its id is the training's."""


class TrainingCompleted(Event):
    training: str


class TrainingFailed(Event):
    """Version 1 held `error`, one text of type and message."""

    version = 2
    training: str
    error_type: str
    message: str


class IterationStarted(Event):
    """One pass over a dataset begins. Its id is the iteration's."""

    hash: str
    phase: str | None = None
    epoch: Count | None = None
    dataset: DatasetData | None = None
    parameters: Parameters = {}
    modules: list[ModuleData] = []


class IterationCompleted(Event):
    """Ends the IterationStarted that `iteration` names, or, without it, is a whole iteration by itself.

    `duration` is in seconds, `metrics` the final values.
    """

    iteration: str | None = None
    hash: str | None = None
    phase: str | None = None
    epoch: Count | None = None
    dataset: DatasetData | None = None
    parameters: Parameters = {}
    modules: list[ModuleData] = []
    duration: Number | None = None
    metrics: dict[str, Number] = {}


class IterationFailed(Event):
    iteration: str
    error_type: str
    message: str


class IterationsCleared(Event):
    """Touches exactly the iterations up to `position`, `{writer: last seq seen}`."""

    position: dict[str, Count]
    why: str = ""


# Sessions and the store ----------------------------------------------------------------------------------------------


class SessionStarted(Event):
    """Event 0 of every writer. `environment` is what it ran on; open to growth."""

    creates = True
    command: list[str] = []
    host: str = ""
    pid: Count | None = None
    environment: Parameters = {}


class SessionDescribed(Event):
    environment: Parameters


class SessionEnded(Event):
    """`dropped` counts what `on_error="warn"` let go."""

    dropped: Count = 0


class CheckpointStored(Event):
    """A blob by content hash (SHA-256, hex); `size` in bytes."""

    name: str
    hash: str
    size: Count
    iteration: str | None = None


class ReproductionRecorded(Event):
    """The verdict on a run that repeated this aggregate."""

    verdict: str
    reproduction: str
    details: Parameters = {}


class EventErased(Event):
    """Names the events (`writer:seq`) whose payloads were erased on purpose, who did it and why."""

    events: list[str]
    who: str
    why: str
