"""How the command line names things: `mnist`, `mnist/1`, `mnist/1@2026-11-24T12:00:00Z`, and the store they are in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import mltracker
from mltracker.errors import InvalidValue, MLTrackerError, NotFound
from mltracker.events.envelope import parse_time
from mltracker.events.history import EVENT_ID

if TYPE_CHECKING:
    from mltracker.events.segments import SegmentLog
    from mltracker.tracker import Tracker, TrackerQueries
    from mltracker.tracker.aggregates import TrackedAggregate
    from mltracker.tracker.experiments import TrackedExperiment
    from mltracker.tracker.opening import ProjectionName

SUFFIXES = {"tinydb": ".json", "sqlite": ".sqlite"}
"""The files of the read models that have some."""

Store = Annotated[
    str | None,
    typer.Option("--store", "-s", envvar="MLTRACKER_URI", help="The store: a folder. Without one, ./.mltracker"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class ReadModelName(StrEnum):
    """What answers the questions; all give the same answers."""

    tinydb = "tinydb"
    sqlite = "sqlite"
    memory = "memory"


Projection = Annotated[
    ReadModelName | None,
    typer.Option(
        "--projection",
        envvar="MLTRACKER_PROJECTION",
        help="The read model to ask. Without it, the one that the store has, else tinydb.",
    ),
]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="WHEN", help="As of a time (RFC 3339) or an event's id.")]


def folder_of(store: str | None, *, create: bool = False) -> Path:
    """The store's folder. Raises NotFound where there is none, unless it may be created; InvalidValue, BadParameter."""
    from mltracker.tracker.opening import default_uri, location

    if store == "":
        raise typer.BadParameter("is empty; name a folder, or leave it away for ./.mltracker", param_hint="--store")
    folder = location(store or default_uri())
    if folder is None:
        raise NotFound("a store in memory ends with its process", hint="Name a folder with --store or $MLTRACKER_URI")
    if not create and not folder.exists():
        raise NotFound(f"no store at {folder}", hint="Name one with --store or $MLTRACKER_URI")
    return folder


def segment_log(store: str | None) -> SegmentLog:
    """The store's log, read-only. Raises NotFound, NotAStore."""
    from mltracker.events.segments import SegmentLog

    return SegmentLog(folder_of(store), read_only=True)


def projection_of(folder: Path, chosen: ReadModelName | None = None) -> ProjectionName:
    """The read model to ask: as chosen, else the only kind that the store has, else tinydb."""
    if chosen is not None:
        return chosen.value
    kept = folder / "projections"
    has = {
        name
        for name, suffix in SUFFIXES.items()
        if any(".rebuild-" not in path.name for path in kept.glob(f"{name}-v*{suffix}"))
    }
    return "sqlite" if has == {"sqlite"} else "tinydb"


@contextmanager
def reading(store: str | None, projection: ReadModelName | None = None) -> Iterator[Tracker]:
    """The store, read-only; nothing is created. Raises NotFound where there is none."""
    kind = projection_of(folder_of(store), projection)
    with mltracker.open(store, projection=kind, read_only=True) as tracker:
        yield tracker


@contextmanager
def past(store: str | None, when: str | None, projection: ReadModelName | None = None) -> Iterator[TrackerQueries]:
    """The store as of then, or as of now. Raises NotFound, InvalidValue."""
    with reading(store, projection) as tracker:
        yield tracker if when is None else tracker.as_of(when)


def experiment_of(view: TrackerQueries, name: str) -> TrackedExperiment:
    """The live experiment of that name. Raises NotFound."""
    found = view.experiments.read(name)
    if found is None:
        raise NotFound(f"no experiment {name!r}", hint="`mltracker ls` lists them")
    return found


def aggregate_of(view: TrackerQueries, id: str) -> TrackedAggregate:
    """The live aggregate that `mnist/1` names. Raises NotFound."""
    name, slash, inner = id.partition("/")
    if not slash:
        raise NotFound(f"no aggregate {id!r}", hint="Write EXPERIMENT/AGGREGATE, for example mnist/1")
    if not name or not inner:
        missing = "experiment before" if not name else "aggregate after"
        raise NotFound(f"{id!r} names no {missing} the slash", hint="Write EXPERIMENT/AGGREGATE, for example mnist/1")
    found = experiment_of(view, name).aggregates.read(inner)
    if found is None:
        raise NotFound(f"no aggregate {inner!r} in experiment {name!r}", hint=f"`mltracker ls {name}` lists them")
    return found


def aggregate_at(view: TrackerQueries, id: str) -> TrackedAggregate:
    """The same, for an id that might have carried a time. Raises NotFound; InvalidValue where the time is none."""
    try:
        return aggregate_of(view, id)
    except NotFound:
        name, at, when = id.rpartition("@")
        if not at:
            raise
        aggregate_of(view, name)
        raise InvalidValue(
            id, f"{when!r} is neither an RFC 3339 time nor an event's id", hint="Such as 2026-11-24T12:00:00Z"
        ) from None


def split_time(id: str) -> tuple[str, str | None]:
    """`mnist/1@WHEN` as its two halves; an @ that no time or event id follows belongs to the aggregate's id."""
    name, _, when = id.rpartition("@")
    return (name, when) if name and _is_moment(when) else (id, None)


def _is_moment(text: str) -> bool:
    if EVENT_ID.fullmatch(text):
        return True
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


def complete_experiment(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of experiments for the shell."""
    return [name for name in _names(ctx) if name.startswith(incomplete)]


def complete_aggregate(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of aggregates for the shell."""
    return [id for id in _ids(ctx, incomplete.partition("/")[0]) if id.startswith(incomplete)]


def _names(ctx: typer.Context) -> list[str]:
    try:
        with reading(ctx.params.get("store")) as tracker:
            return [experiment.name for experiment in tracker.experiments.list()]
    except (MLTrackerError, OSError):  # a shell has no use for an error amid a word
        return []


def _ids(ctx: typer.Context, prefix: str) -> list[str]:
    try:
        with reading(ctx.params.get("store")) as tracker:
            experiments = [one for one in tracker.experiments.list() if one.name.startswith(prefix)]
            return [f"{one.name}/{aggregate.id}" for one in experiments for aggregate in one.aggregates.list()]
    except (MLTrackerError, OSError):
        return []
