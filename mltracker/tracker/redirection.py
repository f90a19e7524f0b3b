"""What a reproduction's process does to every `open`: another store, other names of experiments behind the old ones.

The parent puts $MLTRACKER_REPRODUCTION before it runs a program again. The program needs no change: whatever store it
opens is the scratch store, which begins empty, and the names that it gives are the names that it sees.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from mltracker.errors import InvalidName, InvalidValue
from mltracker.events import values
from mltracker.events.blobs import Blobs
from mltracker.events.catalogue import Event, ExperimentCreated, ExperimentRenamed, SessionStarted
from mltracker.events.log import Batch, EventLog, Line, Position, Problem, Reader, Receipt, Report, Section

VARIABLE = "MLTRACKER_REPRODUCTION"
NAMING = ("ExperimentCreated", "ExperimentRenamed")
"""The events that name an experiment."""


@dataclass(frozen=True, slots=True)
class Redirection:
    """`store` is the scratch store's folder, `id` 8 hex digits, `of` the original as `mnist/1`, `suffix` what is put
    behind the names of experiments; `seeds` those that the original recorded."""

    store: Path
    id: str
    of: str
    suffix: str
    seeds: list[dict[str, Any]] = field(default_factory=list)

    def encode(self) -> str:
        """As the variable holds it."""
        fields = {"id": self.id, "of": self.of, "suffix": self.suffix, "seeds": values.encode(self.seeds)}
        return orjson.dumps({"store": str(self.store), **fields}).decode()

    def stored(self, name: str) -> str:
        """The name that an experiment is stored under. Raises InvalidName where that is too long."""
        if len(name) + len(self.suffix) > values.LONGEST_NAME:
            most = values.LONGEST_NAME - len(self.suffix)
            raise InvalidName(
                "experiment name", f"must have at most {most} characters in a reproduction, not {len(name)}"
            )
        return name + self.suffix

    def shown(self, name: str) -> str:
        """The name that the program gave."""
        return name.removesuffix(self.suffix)


def redirection() -> Redirection | None:
    """What $MLTRACKER_REPRODUCTION asks for; None where it is not set, here or where this process's session began.

    Raises InvalidValue where it cannot be read.
    """
    text = os.environ.get(VARIABLE) or _inherited()
    if not text:
        return None
    hint = f"`mltracker reproduce` sets it; to record as usual, unset {VARIABLE}"
    try:
        fields = orjson.loads(text)
        told = {name: fields[name] for name in ("store", "id", "of", "suffix")}
        seeds = values.decode(fields.get("seeds", []))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidValue(VARIABLE, f"cannot be read: {error!r}", hint=hint) from None
    wrong = [name for name, value in told.items() if not isinstance(value, str) or not value]
    if wrong or not isinstance(seeds, list):
        raise InvalidValue(VARIABLE, f"{wrong[0] if wrong else 'seeds'} does not fit", hint=hint)
    if not Path(told["store"]).is_absolute():
        raise InvalidValue(VARIABLE, f"store must be a whole path, not {told['store']!r}", hint=hint)
    return Redirection(Path(told["store"]), told["id"], told["of"], told["suffix"], seeds)


def _inherited() -> str:
    """The variable as it was given to the first process of this session, for programs that clear their environment.

    A reproduction runs in a session of its own, so whoever belongs to it must not write into another store.
    """
    try:
        given = Path(f"/proc/{os.getsid(0)}/environ").read_bytes().split(b"\0")
    except OSError:  # no Linux, or the first process is somebody else's, or gone
        return ""
    start = f"{VARIABLE}=".encode()
    return next((os.fsdecode(each.removeprefix(start)) for each in given if each.startswith(start)), "")


def marked(started: SessionStarted) -> SessionStarted:
    """The first event of a session; in a reproduction's process it says of what."""
    redirected = redirection()
    if redirected is None:
        return started
    of = {"reproduction": {"id": redirected.id, "of": redirected.of}}
    return started.model_copy(update={"environment": {**started.environment, **of}})


class RedirectedLog(EventLog):
    """The log of the scratch store, as the program wrote it: experiments are stored under other names than it shows."""

    def __init__(self, log: EventLog, redirected: Redirection) -> None:
        self._log = log
        self._redirected = redirected
        self.append_data = log.append_data  # type: ignore[method-assign]

    @property
    def writer(self) -> str | None:
        return self._log.writer

    @property
    def blobs(self) -> Blobs:
        return self._log.blobs

    def append(self, event: Event) -> Receipt:
        """As the port says. Raises InvalidName for an experiment whose name has no room for the suffix."""
        if isinstance(event, ExperimentCreated | ExperimentRenamed):
            event = event.model_copy(update={"name": self._redirected.stored(event.name)})
        return self._log.append(event)

    def append_data(self, kind: bytes, stream: bytes, data: bytes) -> None:
        self._log.append_data(kind, stream, data)

    def reader(self, checkpoint: Mapping[str, Any] | None = None) -> Reader:
        return _Shown(self._log.reader(checkpoint), self._redirected)

    def sections(self) -> list[Section]:
        return [Section(start, _shown_batches(batches, self._redirected)) for start, batches in self._log.sections()]

    def alive(self, writer: str) -> bool:
        return self._log.alive(writer)

    def sync(self) -> None:
        self._log.sync()

    def verify(self) -> Report:
        return self._log.verify()

    def close(self) -> None:
        self._log.close()


class _Shown(Reader):
    """A reader of events whose experiments have the names that the program gave."""

    def __init__(self, reader: Reader, redirected: Redirection) -> None:
        self._reader = reader
        self._redirected = redirected

    @property
    def position(self) -> Position:  # type: ignore[override]
        return self._reader.position

    @property
    def notices(self) -> list[Problem]:  # type: ignore[override]
        return self._reader.notices

    def poll(self, *, own_only: bool = False) -> Iterator[Batch]:
        return _shown_batches(self._reader.poll(own_only=own_only), self._redirected)

    def checkpoint(self) -> dict[str, Any]:
        return self._reader.checkpoint()


def _shown_batches(batches: Iterable[Batch], redirected: Redirection) -> Iterator[Batch]:
    for writer, lines in batches:
        yield Batch(writer, [_shown(line, redirected) if line["type"] in NAMING else line for line in lines])


def _shown(line: Line, redirected: Redirection) -> Line:
    name = line["data"].get("name")
    return {**line, "data": {**line["data"], "name": redirected.shown(name)}} if isinstance(name, str) else line
