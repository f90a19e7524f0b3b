"""What people hold in their hands: experiments, aggregates and their parts.

Plain data; the tracker hands out subclasses of `Experiment` and `Aggregate` whose collections are connected to a store.
Values are checked when they are recorded, before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from mltracker.errors import InvalidValue, NotFound

if TYPE_CHECKING:
    from mltracker.ports import Aggregates, Checkpoints, Iterations, Metrics, Modules

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Shown:
    """Anything that a notebook shows as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from mltracker import html

        return html.card(self)


class Stamped(Shown):
    """Anything that a store answers with the time of its event, `at`."""

    __slots__ = ()

    if TYPE_CHECKING:
        at: int | None

    @property
    def time(self) -> datetime | None:
        """When it was recorded, for what lasts when it started, in UTC; None if it was not read from a store."""
        return None if self.at is None else _time(self.at)


@dataclass(slots=True)
class Module(Shown):
    """A part of a model with an identity (type, hash). `parameters` may be anything of JSON."""

    type: str
    hash: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, thing: object, type: str = "model", name: str | None = None) -> Module:
        """The identity of an object: `parameters` are its class and what it was made with, `hash` is of both.

        Knows objects of classes registered with `mltracker.register`, functions, dataclasses, and the objects of
        torch, scikit-learn, Keras and pydantic. Weights and other state of a training never count. Of a torch model
        whose class is not registered, the structure is all that counts: register it to include its arguments. `name`
        is the class's. Raises InvalidValue for an object that says nothing of itself, InvalidParameters for an
        argument that has no JSON form.
        """
        from mltracker.capture.objects import module_of

        return module_of(thing, type, name)


@dataclass(slots=True)
class Dataset(Shown):
    """The data of an iteration, identified by its hash."""

    hash: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: object, name: str | None = None, parameters: Mapping[str, Any] | None = None) -> Dataset:
        """The identity of data by its content, whatever its memory layout: 64 hex digits of SHA-256.

        Takes NumPy arrays, pandas and polars frames, torch tensors and datasets of them, files and folders (a `Path` or
        a text, which is a path), and lists and mappings of all these. `name` is the file's or that of its kind;
        `parameters` tell shape, size and the like, and what is given here. Raises InvalidValue for what cannot be read
        or has no content of its own, NotFound for a path that is not there.
        """
        from mltracker.capture.datasets import dataset_of

        return dataset_of(data, name, parameters)


@dataclass(slots=True)
class Metric(Stamped):
    """A named value and where it was taken.

    As answered it also carries `id` (`writer:seq:name[:index]`), `at` (microseconds since 1970 UTC; `time` is the same
    as a datetime) and `session`.
    """

    name: str
    value: int | float
    step: int | None = None
    epoch: int | None = None
    batch: int | None = None
    phase: str | None = None
    id: str | None = field(default=None, compare=False, repr=False)
    at: int | None = field(default=None, compare=False, repr=False)
    session: str | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        places = {"step": self.step, "epoch": self.epoch, "batch": self.batch, "phase": self.phase}
        given = "".join(f", {name}={value!r}" for name, value in places.items() if value is not None)
        return f"Metric(name={self.name!r}, value={self.value!r}{given})"


@dataclass(slots=True)
class Iteration(Stamped):
    """One pass over a dataset: `parameters` say how the data was fed, `modules` are the others that took part.

    As answered it also carries `id`, `at` (start, microseconds since 1970 UTC; `time` is the same as a datetime),
    `session`, `status` (running, completed, failed), `error`, `duration` in seconds, its final `metrics`, and how many
    `batches` and `samples` it was fed, where it counted them.
    """

    hash: str
    phase: str | None = None
    epoch: int | None = None
    dataset: Dataset | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    modules: Sequence[Module] = ()
    id: str | None = field(default=None, compare=False, repr=False)
    at: int | None = field(default=None, compare=False, repr=False)
    session: str | None = field(default=None, compare=False, repr=False)
    status: str = field(default="completed", compare=False, repr=False)
    error: str | None = field(default=None, compare=False, repr=False)
    duration: float | None = field(default=None, compare=False, repr=False)
    metrics: Mapping[str, int | float] = field(default_factory=dict, compare=False, repr=False)
    batches: int | None = field(default=None, compare=False, repr=False)
    samples: int | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Checkpoint(Stamped):
    """A content kept by its SHA-256 (`hash`, hex): weights, say. `size` is in bytes.

    `iteration` is the id of the one that it is a part of. `at` is in microseconds since 1970 UTC; `time` is the same
    as a datetime.
    """

    name: str
    hash: str
    size: int
    iteration: str | None = None
    id: str | None = field(default=None, compare=False, repr=False)
    at: int | None = field(default=None, compare=False, repr=False)
    session: str | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Reproduction(Stamped):
    """A run that repeated an aggregate: its `verdict`, the key of the aggregate that it made, and `details`.

    `at` is in microseconds since 1970 UTC; `time` is the same as a datetime.
    """

    verdict: str
    reproduction: str
    details: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = field(default=None, compare=False, repr=False)
    at: int | None = field(default=None, compare=False, repr=False)
    session: str | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Correction(Shown):
    """What somebody did to recorded points: `kind` is void, unvoid, rename, undo (of a rename), clear or forget.

    `name` is the point's id (void, unvoid), the metric's name (rename) or the rename's id (undo), `to` a metric's new
    name. Clear hides all points that there were, forget all iterations. `by` is on whose behalf, if anybody's.
    """

    kind: str
    name: str = ""
    to: str = ""
    why: str = ""
    by: str = ""
    id: str = field(default="", compare=False, repr=False)
    at: int = field(default=0, compare=False, repr=False)
    session: str = field(default="", compare=False, repr=False)

    @property
    def time(self) -> datetime:
        """When it was made, in UTC."""
        return _time(self.at)


@dataclass(slots=True)
class Training:
    """One go at an aggregate. `ended` is None, "completed" or "failed".

    `started_at` and `ended_at` are microseconds since 1970 UTC; `time` is the start as a datetime.
    """

    id: str
    started_at: int
    ended: str | None = None
    ended_at: int | None = None
    error: str | None = None

    @property
    def writer(self) -> str:
        """The writer whose life is this training's life."""
        return self.id.partition(":")[0]

    @property
    def time(self) -> datetime:
        """When it started, in UTC."""
        return _time(self.started_at)


@dataclass(slots=True)
class Session:
    """One process that wrote to the store.

    `started_at` and `ended_at` are microseconds since 1970 UTC; `time` is the start as a datetime.
    """

    id: str
    started_at: int
    ended_at: int | None = None
    command: Sequence[str] = ()
    host: str = ""
    pid: int | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def time(self) -> datetime:
        """When it started, in UTC."""
        return _time(self.started_at)


class Connected(Generic[T]):
    """An attribute that holds a collection; asked where there is none, it raises NotFound."""

    def __init__(self, port: str) -> None:
        self._port = port

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._held = name, f"_{name}"

    @overload
    def __get__(self, item: None, owner: type) -> Self: ...
    @overload
    def __get__(self, item: object, owner: type) -> T: ...
    def __get__(self, item: object | None, owner: type) -> T | Self:
        if item is None:
            return self
        held: T | None = getattr(item, self._held)
        if held is None:
            raise NotFound(
                f"{item!r} is not connected to a store: it has no {self._name}",
                hint=f"Get it from a tracker, or pass {self._name}=... when you make it",
            )
        return held

    def __set__(self, item: object, given: T | None) -> None:
        """Raises InvalidValue for what does not implement the port."""
        if given is not None:
            from mltracker import ports

            if not isinstance(given, getattr(ports, self._port)):
                raise InvalidValue(
                    self._name, f"must be of a subclass of mltracker.ports.{self._port}, not {type(given).__name__}",
                    hint=f"Write one: class My{self._port}(mltracker.ports.{self._port})",
                )  # fmt: skip
        setattr(item, self._held, given)


class Experiment(Shown):
    """A named group of aggregates. `keys` are the ids of the events that created it, oldest first.

    `aggregates` may be a collection of the caller's own (see `mltracker.ports`). Raises InvalidValue for another one.
    """

    aggregates: Connected[Aggregates] = Connected("Aggregates")

    def __init__(
        self,
        name: str,
        *,
        aggregates: Aggregates | None = None,
        tags: Mapping[str, Any] | None = None,
        note: str = "",
        keys: Sequence[str] = (),
        at: int | None = None,
    ) -> None:
        self.name = name
        self.aggregates = aggregates
        self.tags = dict(tags or {})
        self.note = note
        self.keys = tuple(keys)
        self.at = at

    def __repr__(self) -> str:
        return f"Experiment({self.name!r})"


class Aggregate(Shown):
    """A model and its data as one unit. `keys` are the ids of the events that created it, oldest first.

    `metrics`, `iterations`, `checkpoints` and `modules` may be collections of the caller's own (see `mltracker.ports`).
    `config` is nested or flat; `last` holds the latest value of each metric by (phase, name). Raises InvalidValue for
    another kind of collection.
    """

    metrics: Connected[Metrics] = Connected("Metrics")
    iterations: Connected[Iterations] = Connected("Iterations")
    checkpoints: Connected[Checkpoints] = Connected("Checkpoints")

    def __init__(
        self,
        id: str,
        modules: Modules | Iterable[Module] = (),
        *,
        metrics: Metrics | None = None,
        iterations: Iterations | None = None,
        checkpoints: Checkpoints | None = None,
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        note: str = "",
        epoch: int | None = None,
        trainings: Sequence[Training] = (),
        last: Mapping[tuple[str | None, str], int | float] | None = None,
        keys: Sequence[str] = (),
        at: int | None = None,
    ) -> None:
        self.id = id
        self.modules = modules
        self.metrics = metrics
        self.iterations = iterations
        self.checkpoints = checkpoints
        self.config = config or {}
        self.tags = dict(tags or {})
        self.note = note
        self.epoch = epoch
        self.trainings = trainings
        self.last = last or {}
        self.keys = tuple(keys)
        self.at = at

    def __repr__(self) -> str:
        return f"Aggregate({self.id!r})"


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
