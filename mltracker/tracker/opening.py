"""`open`: from an address to a tracker. The only place that names concrete logs and read models."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Literal, cast, get_args
from urllib.parse import unquote, urlsplit

import orjson

from mltracker.capture.description import DescribedSession
from mltracker.capture.session import Capture
from mltracker.errors import InvalidValue
from mltracker.events.catalogue import SessionEnded, SessionStarted
from mltracker.events.log import EventLog
from mltracker.events.segments.file_systems import is_remote
from mltracker.projections.building import Make
from mltracker.projections.files import locked
from mltracker.projections.runner import Runner
from mltracker.tracker.access import LiveAccess, Losses, OnError
from mltracker.tracker.redirection import RedirectedLog, marked, redirection
from mltracker.tracker.tracker import Tracker

ProjectionName = Literal["tinydb", "sqlite", "memory"]
Durability = Literal["interval", "always", "os"]

MEMORY = "memory:"
DEFAULT_STORE = ".mltracker"
READ_MODELS = {"tinydb": "TinyDBReadModel", "sqlite": "SQLiteReadModel", "memory": "MemoryReadModel"}
LOCK_WAIT = 1.0
"""Seconds that creating waits for others who create; after that names are merely likely to be unique."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def open(
    uri: str | os.PathLike[str] | None = None,
    *,
    projection: ProjectionName = "tinydb",
    durability: Durability = "interval",
    on_error: OnError = "raise",
    strict: bool = False,
    read_only: bool = False,
    capture: Capture | None = None,
) -> Tracker:
    """The tracker of the store at a path, a `file:///` URL or `memory:`; default $MLTRACKER_URI, else ./.mltracker.

    The store is made by the first event; opening makes nothing. `durability`: "interval" (structure at once, metrics
    within a second), "always" or "os". `on_error`: what happens to a failed recording, "raise" or "warn". `strict`:
    damage raises instead of warning. `capture`: what a session tells of its process, "off", "minimal" (what it ran on)
    or "full" (all that is needed to run it again: command, code, packages, seeds); default $MLTRACKER_CAPTURE, else
    "full". Raises InvalidValue, NotAStore, NewerFormat.
    """
    _choose("projection", projection, ProjectionName)
    _choose("durability", durability, Durability)
    _choose("on_error", on_error, OnError)
    address = os.fsdecode(uri) if uri is not None else default_uri()
    store = location(address)
    redirected = None if store is None else redirection()
    if redirected is not None:
        store = redirected.store
    losses = Losses(on_error)
    session = DescribedSession(_capture(capture), losses.take)
    log = _log(store, durability, losses, session, read_only)
    if redirected is not None:
        log = RedirectedLog(log, redirected)
    session.tell(log)
    place = partial(_projections, store)
    access = LiveAccess(
        log,
        _Choice(log, read_model(projection), place),
        losses,
        before_closing=session.finish,
        structure=partial(_structure, store) if store else nullcontext,
        strict=strict,
        read_only=read_only,
    )
    return Tracker(access, address, projection, lambda name: read_model(name) if name in READ_MODELS else None, place)


def default_uri() -> str:
    """$MLTRACKER_URI, else ./.mltracker."""
    return os.environ.get("MLTRACKER_URI") or DEFAULT_STORE


def location(uri: str) -> Path | None:
    """The store's folder, None for memory. Raises InvalidValue for an address that is neither."""
    if uri == MEMORY:
        return None
    scheme = _SCHEME.match(uri)
    if scheme is None:
        if not uri or "\0" in uri:
            raise InvalidValue("uri", f"{uri!r} is no path")
        try:
            return Path(uri).expanduser().absolute()  # where it is now: a training may change its folder
        except RuntimeError as error:
            raise InvalidValue("uri", f"{uri!r}: {error}") from error
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return Path(unquote(parts.path))
    raise InvalidValue(
        "uri", f"{uri!r} is neither a path, nor file:///..., nor memory:",
        hint="A path that holds a colon can be written ./like:this",
    )  # fmt: skip


def read_model(name: str) -> Make:
    """The class of a read model by its name."""
    return cast(Make, getattr(import_module(f"mltracker.projections.{name}"), READ_MODELS[name]))


def _choose(field: str, value: object, choices: object) -> None:
    if value not in get_args(choices):
        raise InvalidValue(field, f"must be one of {', '.join(get_args(choices))}, not {value!r}")


def _capture(given: Capture | None) -> Capture:
    chosen = given if given is not None else os.environ.get("MLTRACKER_CAPTURE") or "full"
    _choose("capture" if given is not None else "$MLTRACKER_CAPTURE", chosen, Capture)
    return cast(Capture, chosen)


class _Choice:
    """The runner to ask: kept in memory while there is no store, in its folder once there is one."""

    def __init__(self, log: EventLog, make: Make, place: Callable[[], Path | None]) -> None:
        self._log = log
        self._make = make
        self._place = place
        self._folder: Path | None = None

    def __call__(self, present: Runner | None) -> Runner:
        if present is not None and self._folder is not None:
            return present
        folder = self._place()
        if present is not None:
            if folder is None:
                return present
            present.close()
        self._folder = folder
        return Runner(self._log, self._make, folder)


def _log(
    store: Path | None, durability: Durability, losses: Losses, session: DescribedSession, read_only: bool
) -> EventLog:
    def opening() -> SessionStarted:
        return marked(SessionStarted(**session.begin()))

    def closing() -> SessionEnded:
        return SessionEnded(dropped=losses.count)

    if store is None:
        from mltracker.events.memory import MemoryLog

        return MemoryLog(opening=opening, closing=closing)
    from mltracker.events.segments import SegmentLog

    return SegmentLog(store, durability=durability, opening=opening, closing=closing, read_only=read_only)


def _projections(store: Path | None) -> Path | None:
    """Where read models are kept: in the store, or the user's cache where that is read-only or on a network.

    None without a store.
    """
    if store is None or not store.is_dir() or not any(store.iterdir()):
        return None
    folder = store / "projections"
    if os.access(folder if folder.exists() else store, os.W_OK | os.X_OK) and not is_remote(store):
        return folder
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return caches / "mltracker" / _store_id(store)


def _store_id(store: Path) -> str:
    with suppress(OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return str(orjson.loads((store / "store.json").read_bytes())["id"])
    return sha256(os.fsencode(store.absolute())).hexdigest()[:32]


@contextmanager
def _structure(store: Path) -> Iterator[None]:
    """Keep others on this machine from creating the same; where there is no lock to be had, go on without."""
    from mltracker.events.segments.layout import check_store, make_store

    with ExitStack() as stack:
        with suppress(OSError):  # a file system without locks; whatever else is wrong, the append will say
            check_store(store)
            if not (store / "store.json").exists():
                make_store(store)
            stack.enter_context(locked(store / "lock", wait=LOCK_WAIT))
        yield
