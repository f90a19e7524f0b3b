"""What an aggregate is, as facts that can be compared: diff shows those that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mltracker.cli.people import code_of, corrected
from mltracker.cli.summaries import in_order
from mltracker.events import values
from mltracker.models import Iteration, Session
from mltracker.series import series_name

if TYPE_CHECKING:
    from mltracker.tracker.aggregates import TrackedAggregate

CODE = ("commit", "branch", "dirty", "diff", "remote", "problem")
PLATFORM = ("python", "implementation", "system", "release", "machine")


class Fact(NamedTuple):
    """What can differ: a kind, such as config or metric, and a name within it; a metric's phase stands before it."""

    kind: str
    name: str = ""
    phase: str | None = None

    @property
    def label(self) -> str:
        return series_name(self.phase, self.name) if self.kind == "metrics" else self.name


Facts = dict[Fact, Any]
"""Values of config, parameters and tags may be anything of JSON, hence Any."""


def facts(aggregate: TrackedAggregate) -> Iterator[tuple[Fact, Any]]:
    """All that is to be compared of it."""
    yield Fact("status"), aggregate.status
    if aggregate.epoch is not None:
        yield Fact("epoch"), aggregate.epoch
    if aggregate.note:
        yield Fact("note"), aggregate.note
    session = trained_by(aggregate)
    yield from _code(session)
    yield from _environment(session)
    yield from _parameters(aggregate)
    for key, value in aggregate.tags.items():
        yield Fact("tags", key), value
    iterations = aggregate.iterations.list()
    yield from _datasets(iterations)
    yield from _iterations(iterations)
    for phase, name in in_order(aggregate.last):
        yield Fact("metrics", name, phase), aggregate.last[phase, name]
    made: dict[str, list[str]] = {}
    for one in corrected(aggregate):
        made.setdefault(one.what, []).append(f"{one.who}: {one.why}" if one.why else one.who)
    for what, told in made.items():
        yield Fact("corrections", what), told[0] if len(told) == 1 else told


def trained_by(aggregate: TrackedAggregate) -> Session | None:
    """The session of its last training, else the last one that wrote to it and knows its code, else the last."""
    sessions = {session.id: session for session in aggregate.sessions}
    trainings = aggregate.trainings
    if trainings and (found := sessions.get(f"{trainings[-1].writer}:0")) is not None:
        return found
    knowing = [session for session in sessions.values() if code_of(session)]
    return next(iter([*knowing[-1:], *list(sessions.values())[-1:]]), None)


def _code(session: Session | None) -> Iterator[tuple[Fact, Any]]:
    code = code_of(session) or {}
    for name in CODE:
        if code.get(name) is not None:
            yield Fact("code", name), code[name]
    for path, file in code.get("untracked", {}).items():
        yield Fact("code", f"untracked {path}"), file["hash"]


def _environment(session: Session | None) -> Iterator[tuple[Fact, Any]]:
    environment = {} if session is None else session.environment
    for name in PLATFORM:
        if name in environment:
            yield Fact("environment", name), environment[name]
    for name in ("hardware", "variables"):
        for key, value in values.flatten(environment.get(name, {})).items():
            yield Fact("environment", f"{name}.{key}"), value
    if "seeds" in environment:
        yield Fact("environment", "seeds"), [one.get("seed") for one in environment["seeds"]]
    for name, version in environment.get("packages", {}).items():
        yield Fact("packages", name), version


def _parameters(aggregate: TrackedAggregate) -> Iterator[tuple[Fact, Any]]:
    modules: dict[str, list[dict[str, str]]] = {}
    for module in aggregate.modules:
        modules.setdefault(module.type, []).append({"name": module.name, "hash": module.hash})
    for type, those in modules.items():
        yield Fact("modules", type), those
    config = values.flatten(dict(aggregate.config))
    for key, value in config.items():
        yield Fact("config", key), value
    for key, value in aggregate.parameters.items():
        if key not in config:
            yield Fact("parameters", key), value


def _datasets(iterations: Sequence[Iteration]) -> Iterator[tuple[Fact, Any]]:
    hashes: dict[str, dict[str, None]] = {}
    for one in iterations:
        if one.dataset is not None:
            hashes.setdefault(one.dataset.name, {})[one.dataset.hash] = None
    for name, held in hashes.items():
        yield Fact("datasets", name), _one_or_all(list(held))


def _iterations(iterations: Sequence[Iteration]) -> Iterator[tuple[Fact, Any]]:
    """By phase: how many there were, and what they were fed, once where it was always the same."""
    phases: dict[str, list[Iteration]] = {}
    for one in iterations:
        phases.setdefault(one.phase or "", []).append(one)
    for phase, those in phases.items():
        yield Fact("iterations", phase), len(those)
        fed: dict[str, list[Any]] = {}
        for one in those:
            for key, value in _fed(one):
                fed.setdefault(f"{phase} {key}".strip(), []).append(value)
        for name, told in fed.items():
            yield Fact("iterations", name), _one_or_all(told)


def _fed(iteration: Iteration) -> Iterator[tuple[str, Any]]:
    yield "hash", iteration.hash
    if iteration.dataset is not None:
        yield "dataset", f"{iteration.dataset.name} ({iteration.dataset.hash})"
    yield from values.flatten(iteration.parameters).items()
    for module in iteration.modules:
        yield module.type, f"{module.name} ({module.hash})"
        for key, value in values.flatten(module.parameters).items():
            yield f"{module.type}.{key}", value


def _one_or_all(told: list[Any]) -> Any:
    return told[0] if all(not differs(told[0], one) for one in told) else told


def differs(one: Any, other: Any) -> bool:
    """1 is not 1.0 and not True; NaN is NaN."""
    both_nan = one != one and other != other
    return not both_nan and (one != other or type(one) is not type(other))
