"""What differs between the code of two sessions, named by its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from mltracker.errors import MLTrackerError
from mltracker.reproduce.verdict import Difference

if TYPE_CHECKING:
    from mltracker.reproduce.recipe import Code, RecordedSession

ReadBlob = Callable[[str], bytes]
COMMITTED = "as committed"
_FILE = b"diff --git "


def codes(one: RecordedSession, other: RecordedSession, read: ReadBlob) -> Iterator[Difference]:
    """The commit, the files with other uncommitted changes, untracked files, submodules; without git the script."""
    if one.code is not None and other.code is not None:
        found = [*_repository(one.code, other.code), *_changes(one.code, other.code, read)]
        yield from found
        if found:
            return
    before, after = _script(one), _script(other)
    if before and after and before[1] != after[1]:
        yield Difference(kind="code", name=before[0], expected=before[1][:12], found=after[1][:12])


def _repository(one: Code, other: Code) -> Iterator[Difference]:
    if one.commit != other.commit:
        yield Difference(kind="code", name="commit", expected=one.commit, found=other.commit)
    for path in dict.fromkeys([*one.submodules, *other.submodules]):
        before, after = one.submodules.get(path), other.submodules.get(path)
        if before != after:
            yield Difference(kind="code", name=f"submodule {path}", expected=before, found=after)


def _changes(one: Code, other: Code, read: ReadBlob) -> Iterator[Difference]:
    mine, its = _files(one, read), _files(other, read)
    for path in dict.fromkeys([*mine, *its]):
        if mine.get(path) != its.get(path):
            yield Difference(
                kind="code", name=path, expected=mine.get(path, COMMITTED), found=its.get(path, COMMITTED)
            )  # fmt: skip


def _files(code: Code, read: ReadBlob) -> dict[str, str]:
    """What each file that is not as committed was like, in a word with a part of its hash."""
    files = {path: f"untracked {file.hash[:12]}" for path, file in code.untracked.items()}
    if code.diff is None:
        return files
    patch = b""
    with suppress(MLTrackerError, OSError):  # without it, that the whole differs is known all the same
        patch = read(code.diff)
    sections = (b"\n" + patch).split(b"\n" + _FILE)[1:]
    for section in sections:
        path = _path(section.partition(b"\n")[0])
        files[path] = f"changed {sha256(section.rstrip()).hexdigest()[:12]}"
    return files if sections else {**files, "diff": f"changed {code.diff[:12]}"}


def _path(heading: bytes) -> str:
    """Of `a/PATH b/PATH` the latter; git quotes what is not plain."""
    text = heading.decode(errors="backslashreplace")
    half = text[len(text) // 2 + 1 :] if len(text) % 2 else text
    return half.strip('"').removeprefix("b/")


def _script(session: RecordedSession) -> tuple[str, str] | None:
    script = session.environment.get("script")
    if not isinstance(script, dict) or not isinstance(script.get("sha256"), str):
        return None
    return str(script.get("path")), script["sha256"]
