"""Every event type with its schema version, and what it carries: primitives, so that renaming a model changes nothing.

A fact in the past tense on the stream of one entity: `writer:seq` of the event that created it, empty for that one.
To change an event, raise its `version`, add a step to `upcasters`, and lines of the old version to the golden files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mltracker.errors import InvalidValue, UnreadableEvent
from mltracker.events import upcasters
from mltracker.events.fields import (
    STORED,
    CommandLine,
    Count,
    Counts,
    Environment,
    FreeText,
    Key,
    Name,
    Numbers,
    Parameters,
    PathName,
    PlainName,
    Seconds,
    Text,
    Texts,
    Values,
    Vector,
    column,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

REGISTRY: dict[str, type[Event]] = {}
"""Every event class by its type, users' own included."""


class Payload(BaseModel):
    """A part of an event. Writing forbids unknown fields; `load` ignores them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, /, **given: Any) -> None:
        """Raises InvalidValue naming the class and the field."""
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise _refusal(type(self).__name__, error) from error

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # or else `load` would come through it


class Event(Payload):
    """Base of all events. Subclass it to register one of your own; its type is the class name unless `type` is set."""

    type: ClassVar[str] = "Event"
    version: ClassVar[int] = 1
    structural: ClassVar[bool] = True
    """Durable before the append returns. False for metrics, which follow within a second."""
    creates: ClassVar[bool] = False
    """Begins a stream of its own."""
    of_session: ClassVar[bool] = False
    """Happened to the session: without a stream it stands on the session's."""

    stream: Key = Field(default="", exclude=True)
    by: Text | None = None
    """On whose behalf, where that is not the session's user."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" not in cls.__dict__:
            cls.type = cls.__name__
        known = REGISTRY.get(cls.type)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"event type {cls.type} is registered already, by {known.__module__}.{known.__qualname__}")
        upcasters.register(cls.type, cls.version)
        REGISTRY[cls.type] = cls

    def data(self) -> dict[str, Any]:
        """The payload as it is written: JSON, without what is None."""
        return self.model_dump(exclude_none=True)

    def encoded(self) -> bytes:
        """The payload as it is written, as bytes. Raises InvalidValue for text that UTF-8 cannot hold."""
        try:
            return orjson.dumps(self.data())
        except (TypeError, ValueError) as error:
            raise InvalidValue(self.type, str(error)) from error

    def stream_in(self, writer: str, seq: int) -> str:
        """The stream this event stands on as `writer:seq`. Raises InvalidValue where one is needed and not given."""
        if self.creates:
            return f"{writer}:{seq}"
        if self.stream:
            return self.stream
        if self.of_session:
            return f"{writer}:0"
        raise InvalidValue("stream", f"{self.type} needs the key of the entity it happened to")


def _refusal(payload: str, error: ValidationError) -> InvalidValue:
    """The first thing that is wrong, as an error of ours: of the kind that was raised, if it was one."""
    first, *others = error.errors(include_url=False)
    cause = first.get("ctx", {}).get("error")
    kind = type(cause) if isinstance(cause, InvalidValue) else InvalidValue
    also = f"; also wrong: {', '.join(_place(other) for other in others)}" if others else ""
    return kind(f"{payload}.{_place(first)}".rstrip("."), first["msg"].removeprefix("Value error, ") + also)


def _place(wrong: ErrorDetails) -> str:
    return ".".join(map(str, wrong["loc"]))


def load(type_name: str, version: int, stream: str, data: dict[str, Any]) -> Event:
    """The typed event of a stored, upcast payload. Raises UnreadableEvent."""
    cls = REGISTRY.get(type_name)
    if cls is None or version != cls.version:
        raise UnreadableEvent(f"event {type_name} v{version} is not known to this release", hint="Update mltracker")
    try:
        return cls.model_validate({**data, "stream": stream}, extra="ignore", context=STORED)
    except (ValidationError, KeyError, TypeError) as error:
        raise UnreadableEvent(f"event {type_name} v{version} on {stream} does not fit its schema: {error}") from error


class ModuleData(Payload):
    """A module: `parameters` may be anything of JSON."""

    type: Name
    hash: Name
    name: PlainName
    parameters: Parameters = {}


class DatasetData(Payload):
    """A dataset: `parameters` may be anything of JSON."""

    hash: Name
    name: PlainName
    parameters: Parameters = {}


Modules = Annotated[list[ModuleData], BeforeValidator(column)]

# Experiments and aggregates ------------------------------------------------------------------------------------------


class ExperimentCreated(Event):
    creates = True
    name: PathName


class ExperimentRenamed(Event):
    name: PathName


class ExperimentDeleted(Event):
    """Hides the experiment and all below it. `deletion` is shared by the keys that one delete hid."""

    deletion: Text


class AggregateCreated(Event):
    """`experiment` is the key of the experiment it belongs to, `id` the user's."""

    creates = True
    experiment: Key
    id: PathName
    modules: Modules = []
    config: Parameters = {}


class AggregateDeleted(Event):
    """Hides the aggregate. `deletion` is shared by the keys that one delete hid."""

    deletion: Text


class Restored(Event):
    """Brings back a deleted experiment or aggregate; `deletion` names the delete that it answers."""

    deletion: Text


class ModuleAttached(Event):
    module: ModuleData


class ModuleDetached(Event):
    module_type: Text
    hash: Name


class ConfigChanged(Event):
    """`changes` is flat, its keys joined by dots; `removed` are flat keys."""

    changes: Parameters = {}
    removed: Texts = []


class TagsChanged(Event):
    changes: Parameters = {}
    removed: Texts = []


class NoteChanged(Event):
    text: FreeText


# Metrics -------------------------------------------------------------------------------------------------------------


class MetricsRecorded(Event):
    """One step, any number of names."""

    structural = False
    values: Values
    step: Count | None = None
    epoch: Count | None = None
    batch: Count | None = None
    phase: Name | None = None


class Steps(Payload):
    """Steps in regular distance: `start`, `start + step`, ..."""

    start: Count
    step: Count


class MetricSeriesRecorded(Event):
    """Many points of one metric, as columns of equal length. A point's id is `writer:seq:name:index`."""

    structural = False
    name: Name
    values: Numbers
    steps: Counts | Steps | None = None
    epoch: Count | None = None
    phase: Name | None = None

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        if isinstance(self.steps, list) and len(self.steps) != len(self.values):
            raise InvalidValue("steps", f"{len(self.steps)} steps for {len(self.values)} values")
        return self


class MetricVoided(Event):
    """`point` is `writer:seq:name[:index]`."""

    point: Text
    why: FreeText = ""


class MetricUnvoided(Event):
    point: Text
    why: FreeText = ""


class MetricRenamed(Event):
    """Touches exactly the points up to `position`, `{writer: last seq seen}`. Undone by its id."""

    old: Name
    new: Name
    position: Vector
    why: FreeText = ""


class MetricRenameUndone(Event):
    rename: Text
    why: FreeText = ""


class MetricsCleared(Event):
    """Touches exactly the points up to `position`, `{writer: last seq seen}`."""

    position: Vector
    why: FreeText = ""


# Trainings and iterations --------------------------------------------------------------------------------------------


class TrainingStarted(Event):
    """Its id is the training's."""


class TrainingCompleted(Event):
    training: Text


class TrainingFailed(Event):
    """Version 1 held `error`, one text of type and message."""

    version = 2
    training: Text
    error_type: Text
    message: FreeText


class IterationStarted(Event):
    """One pass over a dataset begins. Its id is the iteration's."""

    hash: Name
    phase: Name | None = None
    epoch: Count | None = None
    dataset: DatasetData | None = None
    parameters: Parameters = {}
    modules: Modules = []


class IterationCompleted(Event):
    """Ends the IterationStarted that `iteration` names, or, without it, is a whole iteration by itself.

    `duration` is in seconds, `metrics` are final; `parameters` of one that ends another: its `batches` and `samples`.
    """

    iteration: Text | None = None
    hash: Name | None = None
    phase: Name | None = None
    epoch: Count | None = None
    dataset: DatasetData | None = None
    parameters: Parameters = {}
    modules: Modules = []
    duration: Seconds | None = None
    metrics: Values = {}


class IterationFailed(Event):
    iteration: Text
    error_type: Text
    message: FreeText


class IterationsCleared(Event):
    """Touches exactly the iterations up to `position`, `{writer: last seq seen}`."""

    position: Vector
    why: FreeText = ""


# Sessions and the store ----------------------------------------------------------------------------------------------


class SessionStarted(Event):
    """Event 0 of every writer. `environment` is what it ran on; open to growth."""

    creates = True
    command: CommandLine = []
    host: Text = ""
    pid: Count | None = None
    environment: Environment = {}


class SessionDescribed(Event):
    of_session = True
    environment: Environment


class SessionEnded(Event):
    """`dropped` counts what `on_error="warn"` let go."""

    of_session = True
    dropped: Count = 0


class CheckpointStored(Event):
    """A blob by content hash (SHA-256, hex); `size` in bytes."""

    name: PlainName
    hash: Name
    size: Count
    iteration: Text | None = None


class ReproductionRecorded(Event):
    """The verdict on a run that repeated this aggregate."""

    verdict: Text
    reproduction: Text
    details: Parameters = {}


class EventErased(Event):
    """Names the events (`writer:seq`) whose payloads were erased on purpose, who did it and why."""

    of_session = True
    events: Texts
    who: Text
    why: FreeText


class Erased(Event):
    """What is left of an event whose payload was erased; written by erasure only."""
