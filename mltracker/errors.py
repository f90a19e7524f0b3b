"""Every error of mltracker, in one tree.

    MLTrackerError
    ├── InvalidValue (ValueError)         bad input, refused before anything is written
    │   ├── InvalidName                   an experiment's name, an aggregate's id, a metric's name, ...
    │   ├── InvalidMetric                 a value that is no number
    │   └── InvalidParameters             something without a JSON form; names the path inside
    ├── NotFound (LookupError)            an entity, event, projection or file that is not there
    ├── AlreadyExists                     create or rename met a live name
    ├── Closed                            use after close()
    ├── ReadOnly                          a command on a read-only store or a view of the past
    ├── StoreError                        the store itself
    │   ├── NotAStore                     the path is a file, or a folder with foreign contents
    │   ├── NewerFormat                   written by a later release
    │   ├── AppendFailed                  the event was not recorded (disk full, folder gone, ...)
    │   ├── Damaged                       bytes that do not verify; names file and line
    │   └── FutureClock                   depends on a writer whose clock is more than a day ahead
    ├── UnreadableEvent                   an event that does not fit its type's schema
    ├── ProjectionError                   a handler rejected an event; names it
    └── MissingExtra (ImportError)        an optional library is not installed; gives the install line

Warnings: `Notice` (UserWarning) says once that an answer may lack something, or that a read model was rebuilt.
"""

from __future__ import annotations

import sys
import warnings


class MLTrackerError(Exception):
    """Base of all errors. `hint` is the next thing to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}. {hint}" if hint else message)
        self.hint = hint


class InvalidValue(MLTrackerError, ValueError):
    """Bad input. `field` is where it stood."""

    def __init__(self, field: str, rule: str, *, hint: str = "") -> None:
        super().__init__(f"{field}: {rule}", hint=hint)
        self.field = field
        self.rule = rule


class InvalidName(InvalidValue):
    """A name or id that breaks the rules: 1 to 256 characters, no control characters, where said no slashes."""


class InvalidMetric(InvalidValue):
    """A metric's value that is neither a float nor an int within signed 64 bits."""


class InvalidParameters(InvalidValue):
    """Parameters without a JSON form. `field` is the path inside them."""


class NotFound(MLTrackerError, LookupError):
    """Something that was asked for does not exist."""


class AlreadyExists(MLTrackerError):
    """A live experiment or aggregate bears the name already."""


class Closed(MLTrackerError):
    """The tracker or log was closed."""


class ReadOnly(MLTrackerError):
    """The store, or this view of it, takes no commands."""


class StoreError(MLTrackerError):
    """Something about the store on disk. `path` is the file or folder, `line` counts from 1 where known."""

    def __init__(self, message: str, *, path: str = "", line: int | None = None, hint: str = "") -> None:
        where = f"{path}:{line}: " if line is not None else f"{path}: " if path else ""
        super().__init__(where + message, hint=hint)
        self.path = path
        self.line = line


class NotAStore(StoreError):
    """The path cannot be a store."""


class NewerFormat(StoreError):
    """The store was written by a later release."""


class AppendFailed(StoreError):
    """The event was not recorded; nothing of it is in the log."""


class Damaged(StoreError):
    """Bytes that do not verify."""


class FutureClock(StoreError):
    """A command depends on an event stamped more than a day in the future."""


class UnreadableEvent(MLTrackerError):
    """An event that does not fit its type's schema."""


class ProjectionError(MLTrackerError):
    """A handler of a projection rejected an event."""


class MissingExtra(MLTrackerError, ImportError):
    """An optional library is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed", hint=f"Install it: pip install 'mltracker[{extra}]'")


class Notice(UserWarning):
    """Said once: an answer may lack something, or a read model was rebuilt."""


def notify(message: str) -> None:
    """Warn with a Notice that points at the line outside of mltracker from which it was called."""
    warnings.warn(Notice(message), stacklevel=_depth_of_caller())


def _depth_of_caller() -> int:
    """The stack level, seen from `notify`, of the nearest frame that is not ours (or of a context manager of ours)."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__"))
        if name.partition(".")[0] not in ("mltracker", "contextlib"):
            return level
        frame, level = frame.f_back, level + 1
    return level
