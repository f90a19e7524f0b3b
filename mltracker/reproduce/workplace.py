"""The folder in which one reproduction works, and what is left of those that were killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from mltracker.reproduce.reasons import NotRunnable
from mltracker.reproduce.worktree import remove_worktree

OWNER = "owner.json"


class Workplace:
    """A folder `<temp>/mltracker-reproduce-<uid>/<id>`, held by a lock as long as its process lives.

    `tree` is for the code, `store` for what is recorded, `log` for what the program prints. Raises NotRunnable where it
    cannot be made.
    """

    def __init__(self, id: str) -> None:
        self.id = id
        self.kept = False
        self._about: dict[str, Any] = {"pid": os.getpid()}
        base = _base()
        with _alone(base):
            self.folder = base / id
            self.folder.mkdir(mode=0o700)
            self._owner = os.open(self.folder / OWNER, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._owner, fcntl.LOCK_EX)
            self.note()

    @property
    def tree(self) -> Path:
        """Where the code goes."""
        return self.folder / "tree"

    @property
    def store(self) -> Path:
        """The scratch store."""
        return self.folder / "store"

    @property
    def log(self) -> Path:
        """What the program printed."""
        return self.folder / "output.txt"

    @property
    def report(self) -> Path:
        """What the processes tell of their modules."""
        return self.folder / "modules.jsonl"

    def note(self, **about: object) -> None:
        """Keep what is needed to clean up after this process, should it be killed."""
        self._about.update(about)
        content = orjson.dumps(self._about)
        os.pwrite(self._owner, content, 0)
        os.ftruncate(self._owner, len(content))

    def keep(self) -> None:
        """Nobody cleans this up."""
        self.kept = True
        self.note(keep=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.kept:
            _remove(self.folder, self._about)
        os.close(self._owner)


def clean_up() -> list[Path]:
    """Remove what killed reproductions left behind, and stop what they had started. Answers the folders removed."""
    base = _base()
    with _alone(base):
        return [folder for folder in sorted(base.iterdir()) if folder.is_dir() and _is_left(folder)]


def _is_left(folder: Path) -> bool:
    try:
        owner = os.open(folder / OWNER, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # killed before it had one; whoever makes one holds the lock that is held here
        shutil.rmtree(folder, ignore_errors=True)
        return True
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        about = _read(folder)
        if about.get("keep"):
            return False
        _stop(about.get("child"), folder)
        _remove(folder, about)
    except BlockingIOError:
        return False
    finally:
        os.close(owner)
    return True


def _read(folder: Path) -> dict[str, Any]:
    try:
        about = orjson.loads((folder / OWNER).read_bytes())
    except orjson.JSONDecodeError:  # killed amid the writing
        return {}
    return about if isinstance(about, dict) else {}


def _remove(folder: Path, about: dict[str, Any]) -> None:
    repository = about.get("repository")
    remove_worktree(Path(repository) if isinstance(repository, str) else None, folder / "tree")
    shutil.rmtree(folder, ignore_errors=True)


def _stop(child: object, folder: Path) -> None:
    """The program outlives a parent that was killed. Only where the system proves that it is the one, it is stopped."""
    if not isinstance(child, int):
        return
    with suppress(OSError):
        if os.fsencode(str(folder)) in Path(f"/proc/{child}/environ").read_bytes():
            os.killpg(child, signal.SIGKILL)


def _base() -> Path:
    base = Path(tempfile.gettempdir()).resolve() / f"mltracker-reproduce-{os.getuid()}"
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        found = base.lstat()
    except OSError as error:
        raise NotRunnable(
            f"no folder to work in: {error}", hint="Set $TMPDIR to a folder that can be written"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise NotRunnable(f"{base} belongs to somebody else", hint="Set $TMPDIR to a folder of your own")
    return base


@contextmanager
def _alone(base: Path) -> Iterator[None]:
    fd = os.open(base / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
