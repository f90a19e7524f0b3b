"""An aggregate's checkpoints, connected to the store: the contents as blobs, an event for each."""

from __future__ import annotations

import builtins
import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mltracker.commands import check
from mltracker.errors import InvalidValue, NotFound, StoreError
from mltracker.events.blobs import HASH, Blobs, copy_into
from mltracker.events.catalogue import CheckpointStored
from mltracker.html import Rows
from mltracker.models import Checkpoint
from mltracker.ports import Checkpoints
from mltracker.ports.checkpoints import Content
from mltracker.tracker.access import Access

UNNAMED = "checkpoint"


class TrackedCheckpoints(Checkpoints):
    """The checkpoints of the aggregate that these keys mean; new ones go to the oldest key."""

    def __init__(self, access: Access, keys: Sequence[str], path: str) -> None:
        self._access = access
        self._path = path
        self._keys = keys

    def list(self, name: str | None = None) -> builtins.list[Checkpoint]:
        return Rows(self._access.ask(lambda model: model.checkpoints(self._keys).list(name)))

    def add(self, content: Content, name: str | None = None) -> Checkpoint | None:
        return self.keep(content, name, None)

    def keep(self, content: Content, name: str | None, iteration: str | None) -> Checkpoint | None:
        """The same, as a part of that iteration."""
        self._access.refuse_writing()
        name = check.name("name", _name_of(content) if name is None else name)
        try:
            hash, size = _put(self._access.log.blobs, content)
        except StoreError as error:
            self._access.failed(error)
            return None
        event = CheckpointStored(stream=self._keys[0], name=name, hash=hash, size=size, iteration=iteration)
        receipt = self._access.append(event)
        if receipt is None:
            return None
        return Checkpoint(name, hash, size, iteration, receipt.id, receipt.at, f"{receipt.writer}:0")

    def load(self, checkpoint: Checkpoint | str, to: str | os.PathLike[str] | None = None) -> Any:
        found = checkpoint if isinstance(checkpoint, Checkpoint) else self._find(checkpoint)
        content = self._access.log.blobs.get(found.hash)
        return content if to is None else _write(content, Path(to))

    def __repr__(self) -> str:
        return f"<checkpoints of {self._path}>"

    def _repr_html_(self) -> str:
        return Rows(self.list())._repr_html_()

    def _find(self, wanted: object) -> Checkpoint:
        if not isinstance(wanted, str):
            raise InvalidValue("checkpoint", f"must be a Checkpoint, a name or a hash, not {type(wanted).__name__}")
        held = self.list()
        found = [one for one in held if one.name == wanted] or [one for one in held if one.hash == wanted]
        if found:
            return found[-1]
        if HASH.fullmatch(wanted):
            raise NotFound(f"{self._path} has no checkpoint with hash {wanted}")
        names = ", ".join(repr(name) for name in dict.fromkeys(one.name for one in held)) or "none"
        raise NotFound(f"{self._path} has no checkpoint {wanted!r}", hint=f"It has {names}")


def _name_of(content: object) -> str:
    return Path(content).name if isinstance(content, (str, os.PathLike)) else UNNAMED


def _put(blobs: Blobs, content: object) -> tuple[str, int]:
    """Raises NotFound, InvalidValue, AppendFailed."""
    if isinstance(content, (str, os.PathLike)):
        return blobs.put_file(Path(content))
    if isinstance(content, io.BytesIO):
        content = content.getbuffer()
    if isinstance(content, (bytes, bytearray, memoryview)):
        whole = bytes(content)
        return blobs.put(whole), len(whole)
    if hasattr(content, "read"):
        return _put_stream(blobs, content)
    raise InvalidValue("content", f"must be bytes, a path or a file opened for reading bytes, not {_kind(content)}")


def _put_stream(blobs: Blobs, file: Any) -> tuple[str, int]:
    """From its start: who just wrote it stands at its end."""
    with tempfile.NamedTemporaryFile(prefix="mltracker-") as copy:
        try:
            if file.seekable():
                file.seek(0)
            shutil.copyfileobj(file, copy, 1 << 20)
        except (TypeError, ValueError, AttributeError) as error:  # one of text, closed, or opened for writing only
            raise InvalidValue("content", f"this {_kind(file)} cannot be read as bytes: {error}") from error
        copy.flush()
        return blobs.put_file(Path(copy.name))


def _write(content: bytes, path: Path) -> Path:
    if path.is_dir():
        raise InvalidValue("to", f"{path} is a folder", hint="Name the file to be written")
    try:
        copy_into(content, path)
    except OSError as error:
        raise InvalidValue("to", f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _kind(thing: object) -> str:
    return type(thing).__name__
