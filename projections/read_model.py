"""A read model that is kept: it folds events, and stores its content and how far it got in one step."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from mltracker.events.log import Batch
from mltracker.ports import ReadModel


class StoredReadModel(ReadModel):
    """Base of the read models that the runner keeps caught up. Not for several threads at once; does not survive fork.

    `name` and `version` make the file's name, `suffix` its ending ("" where nothing is kept). A changed version means
    a rebuild.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    suffix: ClassVar[str] = ""
    in_place: ClassVar[bool] = False
    """Whether queries read the file itself, which then has one writer at a time, and readers beside it."""

    path: Path | None = None
    """The file that `commit` writes; the runner renames one that is not `in_place`, and sets this."""
    unknown: Counter[str]
    """How many events of each "type v<version>" this release does not know were passed over."""

    @abstractmethod
    def apply(self, batch: Batch) -> None:
        """Fold the events of one writer, in the order of their seq. Twice is once; writers may come in any order.

        Raises ProjectionError naming the event that a handler rejected; call `discard` then.
        """

    @abstractmethod
    def checkpoint(self) -> dict[str, Any] | None:
        """What the last commit stored; None for a model that is empty, damaged, outdated or too new: rebuild it."""

    @abstractmethod
    def commit(self, checkpoint: Mapping[str, Any]) -> None:
        """Store what changed, and the checkpoint, atomically. Raises StoreError."""

    @abstractmethod
    def discard(self) -> None:
        """Forget everything since the last commit."""

    def hold(self) -> None:
        """Until `release`, answer out of the file as it is now, whatever others write. For `in_place` ones."""

    def release(self) -> None:
        """Let go of what `hold` took. Without it, nothing happens."""

    @abstractmethod
    def close(self) -> None:
        """Release files without committing. Twice is once."""
