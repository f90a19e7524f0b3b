"""What an aggregate needs to be done again, in order: a document that is saved, loaded, shown and built from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, ValidationError

from mltracker.errors import InvalidValue, NotFound
from mltracker.events import values
from mltracker.events.fields import STORED
from mltracker.models import Aggregate, Dataset, Module, Session
from mltracker.reproduce.account import Account, Pass, account
from mltracker.reproduce.parts import Document, JsonObject, Number, Part

if TYPE_CHECKING:
    from mltracker.reproduce.build import Built, Classes
    from mltracker.tracker import Tracker
    from mltracker.tracker.aggregates import TrackedAggregate

T = TypeVar("T", bound=Part)
CARRIED = ("hash", "phase", "epoch", "dataset", "parameters", "modules")
"""What the start of an iteration says."""


class RecordedModule(Part):
    """A module; `parameters` as they were recorded."""

    type: str
    hash: str
    name: str
    parameters: JsonObject = Field(default_factory=dict)

    def module(self) -> Module:
        """As it is given to an aggregate or an iteration."""
        return Module(self.type, self.hash, self.name, self.parameters)


class RecordedDataset(Part):
    """A dataset; `parameters` as they were recorded."""

    hash: str
    name: str
    parameters: JsonObject = Field(default_factory=dict)

    def dataset(self) -> Dataset:
        """As it is given to an iteration."""
        return Dataset(self.hash, self.name, self.parameters)


class RecordedIteration(Part):
    """One pass over a dataset. `duration` is in seconds, `metrics` its final values; what it was fed, where counted."""

    id: str
    session: str
    hash: str
    phase: str | None = None
    epoch: int | None = None
    dataset: RecordedDataset | None = None
    parameters: JsonObject = Field(default_factory=dict)
    modules: list[RecordedModule] = Field(default_factory=list)
    status: str = "completed"
    error: str | None = None
    duration: float | None = None
    batches: int | None = None
    samples: int | None = None
    metrics: dict[str, Number] = Field(default_factory=dict)


class RecordedCheckpoint(Part):
    """A file kept by its content: `hash` is its SHA-256, `size` in bytes, `at` in microseconds since 1970 UTC."""

    id: str
    session: str
    name: str
    hash: str
    size: int
    iteration: str | None = None
    at: int


class RecordedSeries(Part):
    """One metric in short, by the name it was recorded under, voided points included."""

    phase: str | None = None
    name: str
    points: int
    first: Number
    last: Number
    lowest: Number
    highest: Number


class Untracked(Part):
    """A file that git did not know: its blob, its size in bytes and its mode."""

    hash: str
    size: int = 0
    mode: int = 0o644


class Omitted(Part):
    """A file that was not kept, and why."""

    path: str
    size: int | None = None
    why: str = ""


class Code(Part):
    """The code that ran. `diff` is the blob of `git diff --binary HEAD`; `problem` says why there is no more."""

    root: str | None = None
    remote: str | None = None
    commit: str | None = None
    branch: str | None = None
    cwd: str = "."
    diff: str | None = None
    diff_size: int = 0
    untracked: dict[str, Untracked] = Field(default_factory=dict)
    omitted: list[Omitted] = Field(default_factory=list)
    redacted: list[str] = Field(default_factory=list)
    submodules: dict[str, str | None] = Field(default_factory=dict)
    dirty: bool = False
    problem: str | None = None


class Wrote(Part):
    """How much a session recorded on the aggregate."""

    points: int = 0
    iterations: int = 0
    trainings: int = 0
    checkpoints: int = 0
    corrections: int = 0

    @property
    def ran(self) -> bool:
        """Whether it did something that a run does, not only corrections."""
        return bool(self.points or self.iterations or self.trainings or self.checkpoints)


class RecordedSession(Part):
    """One process that recorded something on the aggregate. `environment` is all it described but its code.

    `run` is shared by the sessions of one process; `failure` is the error of its last training that failed.
    """

    id: str
    run: str | None = None
    command: list[str] = Field(default_factory=list)
    started_as: str | None = None
    started_at: int
    environment: JsonObject = Field(default_factory=dict)
    code: Code | None = None
    wrote: Wrote = Field(default_factory=Wrote)
    ended: bool = False
    failure: str | None = None

    @property
    def seeds(self) -> list[dict[str, Any]]:
        """What was seeded, in order."""
        found = self.environment.get("seeds")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


class Recipe(Document):
    """What is needed to do an aggregate again. `keys` are those of the aggregate, oldest first.

    `iterations` are in the order of their starts, without those that were cleared; `unknown` counts events that this
    release could not read.
    """

    experiment: str
    aggregate: str
    keys: list[str] = Field(default_factory=list)
    sessions: list[RecordedSession] = Field(default_factory=list)
    modules: list[RecordedModule] = Field(default_factory=list)
    config: JsonObject = Field(default_factory=dict)
    iterations: list[RecordedIteration] = Field(default_factory=list)
    checkpoints: list[RecordedCheckpoint] = Field(default_factory=list)
    series: list[RecordedSeries] = Field(default_factory=list)
    corrections: list[str] = Field(default_factory=list)
    unknown: dict[str, int] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """As `mnist/1`."""
        return f"{self.experiment}/{self.aggregate}"

    @property
    def runs(self) -> list[RecordedSession]:
        """The sessions that did something that a run does, in order."""
        return [session for session in self.sessions if session.wrote.ran]

    def build(self, registry: Classes | None = None) -> Built:
        """Live objects of the aggregate's modules, from registered classes. See `mltracker.reproduce.build`.

        Raises NotFound listing what is not registered, InvalidValue for a class that takes other arguments now.
        """
        from mltracker.reproduce.build import build

        return build(self.modules, registry)

    def script(self) -> str:
        """A Python script that rebuilds the modules and walks the iterations, for the user to fill in."""
        from mltracker.reproduce.script import script

        return script(self)


def recipe_of_aggregate(tracker: Tracker, aggregate: TrackedAggregate) -> Recipe:
    """The recipe of an aggregate. Raises NotFound, Damaged where `strict`."""
    told = account(tracker, aggregate)
    return folded(tracker, experiment_of(tracker, aggregate, told), aggregate, told)


def recipe_of(tracker: Tracker, experiment: str, aggregate: str) -> Recipe:
    """The recipe of an aggregate, given by names. Raises NotFound, Damaged where `strict`."""
    found = tracker.experiments.read(experiment)
    if found is None:
        raise NotFound(f"there is no experiment {experiment!r}", hint="See tracker.experiments.list()")
    one = found.aggregates.read(aggregate)
    if one is None:
        raise NotFound(
            f"there is no aggregate {aggregate!r} in experiment {experiment!r}",
            hint=f"See tracker.experiment({experiment!r}).aggregates.list()",
        )
    return folded(tracker, experiment, one, account(tracker, one))


def folded(tracker: Tracker, experiment: str, aggregate: TrackedAggregate, told: Account) -> Recipe:
    """The recipe out of an account of the aggregate."""
    return Recipe(
        experiment=experiment,
        aggregate=aggregate.id,
        keys=list(aggregate.keys),
        sessions=_sessions(tracker.sessions(), told),
        modules=[recorded_module(module) for module in aggregate.modules],
        config=dict(aggregate.config),
        iterations=[recorded_iteration(one) for one in told.sequence() if not one.cleared],
        checkpoints=[_stored(RecordedCheckpoint, {**data, "id": id, "session": session, "at": at})
                     for id, session, at, data in told.checkpoints],
        series=_series(told),
        corrections=corrections(told),
        unknown=dict(told.unknown),
    )  # fmt: skip


def experiment_of(tracker: Tracker, aggregate: Aggregate, told: Account) -> str:
    """The name that the aggregate's experiment bears now. Raises NotFound."""
    for experiment in tracker.experiments.list():
        if told.experiment in experiment.keys:
            return experiment.name
    raise NotFound(f"the experiment of aggregate {aggregate.id!r} was deleted", hint="Restore it")


def recorded_module(module: Module) -> RecordedModule:
    """A module as recipes keep it. Raises InvalidValue."""
    return RecordedModule(
        type=module.type, hash=module.hash, name=module.name, parameters=dict(module.parameters)
    )  # fmt: skip


def corrections(told: Account) -> list[str]:
    """Every correction with who and why; of points that were voided, what holds now."""
    voided = [
        f"point {id.split(':', 2)[2]} ({id}) was voided by {void.who}{f': {void.why}' if void.why else ''}"
        for id, void in told.voids.items()
        if void.voided
    ]
    return [*voided, *told.corrections]


def _sessions(known: Sequence[Session], told: Account) -> list[RecordedSession]:
    failures = {one.session: one.error for one in told.trainings.values() if one.ended == "failed"}
    sessions = [
        _session(session, told.wrote[session.id], failures.get(session.id))
        for session in known
        if session.id in told.wrote
    ]
    missing = told.wrote.keys() - {session.id for session in sessions}
    return [*sessions, *(RecordedSession(id=id, started_at=0, wrote=_wrote(told.wrote[id])) for id in sorted(missing))]


def _session(session: Session, wrote: Counter[str], failure: str | None) -> RecordedSession:
    environment = dict(session.environment)
    return RecordedSession(
        id=session.id,
        run=_text(environment.get("run")),
        command=list(session.command),
        started_as=_text(environment.get("started_as")),
        started_at=session.started_at,
        code=_code(environment.pop("code", None)),
        environment=environment,
        wrote=_wrote(wrote),
        ended=session.ended_at is not None,
        failure=failure,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _wrote(counts: Counter[str]) -> Wrote:
    return Wrote(**{name: counts[name] for name in Wrote.model_fields})


def _code(found: object) -> Code | None:
    """What a later release adds is left out; what cannot be read says so, for a run of it would not be of that code."""
    if found is None:
        return None
    try:
        return Code.model_validate(found, extra="ignore")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return Code(problem=f"what was recorded of the code cannot be read: {place}: {first['msg']}")


def recorded_iteration(one: Pass) -> RecordedIteration:
    """An iteration as recipes keep it. Raises InvalidValue for an event that does not fit."""
    data: dict[str, Any] = {name: one.data[name] for name in CARRIED if name in one.data}
    about = {"id": one.id, "session": one.session, "status": one.status, "error": one.error, "duration": one.duration}
    about |= {"batches": one.counts.get("batches"), "samples": one.counts.get("samples")}
    metrics = {name: values.encode_number(value) for name, value in one.metrics.items()}
    return _stored(RecordedIteration, {**data, **about, "metrics": metrics})


def _stored(cls: type[T], data: dict[str, Any]) -> T:
    """A part out of what an event carried. Raises InvalidValue."""
    try:
        return cls.model_validate(data, extra="ignore", context=STORED)
    except ValidationError as error:
        raise InvalidValue(cls.__name__, f"an event does not fit: {error}") from error


def _series(told: Account) -> list[RecordedSeries]:
    made = []
    for (phase, name), points in told.series.items():
        if not len(points):
            continue
        ordered = [value for value in points.values if value == value] or points.values
        made.append(
            RecordedSeries(
                phase=phase, name=name, points=len(points), first=points.values[0], last=points.values[-1],
                lowest=min(ordered), highest=max(ordered),
            )
        )  # fmt: skip
    return made
