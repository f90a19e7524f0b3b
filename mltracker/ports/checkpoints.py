"""The collection of an aggregate's checkpoints."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import IO, overload

from mltracker.models import Checkpoint

Content = bytes | bytearray | memoryview | str | PathLike[str] | IO[bytes]
"""Bytes, the path of a file, or a file opened for reading bytes, which is read from its start."""


class CheckpointQueries(ABC):
    """Answers about the checkpoints of one aggregate. Those of a deleted one are hidden until it is restored."""

    @abstractmethod
    def list(self, name: str | None = None) -> builtins.list[Checkpoint]:
        """Those of that name, or all, oldest first; empty if there are none."""

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())


class Checkpoints(CheckpointQueries):
    """Queries and commands. Contents are bytes to us: nothing is ever unpickled."""

    @abstractmethod
    def add(self, content: Content, name: str | None = None) -> Checkpoint | None:
        """Keep a content, a file of any size streamed. Without a name, that of its file, else "checkpoint".

        None where it could not be kept and `on_error` is "warn". Raises NotFound for a file that cannot be read,
        InvalidName, InvalidValue for what is no content, ReadOnly, AppendFailed.
        """

    @overload
    def load(self, checkpoint: Checkpoint | str, to: None = None) -> bytes: ...
    @overload
    def load(self, checkpoint: Checkpoint | str, to: str | PathLike[str]) -> Path: ...
    @abstractmethod
    def load(self, checkpoint: Checkpoint | str, to: str | PathLike[str] | None = None) -> bytes | Path:
        """The content, its hash checked: of a checkpoint, of the last one of that name, or of that hash.

        With `to` it is written there, all or nothing, and the path is answered. Raises NotFound, Damaged, InvalidValue
        where it cannot be written.
        """
