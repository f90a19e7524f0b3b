"""The code of two runs side by side: between their commits by git, what was not committed out of the store."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mltracker.cli import output
from mltracker.errors import MLTrackerError

if TYPE_CHECKING:
    from mltracker.events.blobs import Blobs

COMMIT = re.compile("[0-9a-f]{40}([0-9a-f]{24})?")
LONGEST_DIFF = 5000
"""Lines."""
SECONDS = 30

Code = Mapping[str, Any] | None
Side = tuple[str, Code]
"""What an aggregate is called, and what its session found out of its code."""


def print_code(a: Side, b: Side, blobs: Blobs) -> None:
    """The diff between the commits, then the changes and files of each that were not committed."""
    for name, code in (a, b):
        if not code:
            output.line(f"# {output.plain(name)}: its code was not recorded")
    if not a[1] or not b[1]:
        return
    one, other = a[1], b[1]
    lines = [*_between(one, other), *_uncommitted(a, b, blobs), *_untracked(one, other, blobs)]
    for line in lines or ["# no difference"]:
        output.line("\t".join(map(output.plain, line.split("\t"))))


def _between(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    first, second = one.get("commit"), other.get("commit")
    if first == second:
        return
    if not all(isinstance(commit, str) and COMMIT.fullmatch(commit) for commit in (first, second)):
        yield f"# commit {first or 'none'} -> {second or 'none'}"
        return
    yield f"# commit {first} -> {second}"
    roots = dict.fromkeys(str(code["root"]) for code in (other, one) if code.get("root"))
    for root in roots:
        found = _git(root, "diff", "--no-ext-diff", "--no-textconv", "--no-color", str(first), str(second), "--")
        if found is not None:
            yield from _limited(found)
            return
    yield f"# cannot be compared here: no repository with both commits at {' or '.join(roots) or 'any known place'}"


def _git(root: str, *arguments: str) -> str | None:
    """What git prints; None where it cannot. The repository is that folder's, whatever the environment says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", root, "-c", "core.fsmonitor=false", *arguments],
            capture_output=True,
            timeout=SECONDS,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _uncommitted(a: Side, b: Side, blobs: Blobs) -> Iterator[str]:
    """The recorded diffs, unless both are the same on the same commit."""
    marks = [code and (code.get("commit"), code.get("diff")) for _, code in (a, b)]
    if marks[0] == marks[1]:
        return
    for name, code in (a, b):
        if code and code.get("diff"):
            yield f"# {name}: not committed, on {code.get('commit') or 'no commit'}"
            yield from _limited(_text(blobs, code["diff"]))


def _untracked(one: Mapping[str, Any], other: Mapping[str, Any], blobs: Blobs) -> Iterator[str]:
    before, after = one.get("untracked", {}), other.get("untracked", {})
    for path in sorted({*before, *after}):
        hashes = [files[path]["hash"] if path in files else None for files in (before, after)]
        if hashes[0] != hashes[1]:
            left, right = (_text(blobs, hash).splitlines() if hash else [] for hash in hashes)
            old, new = (path if hash else "/dev/null" for hash in hashes)
            yield from difflib.unified_diff(left, right, old, new, "untracked", "untracked", lineterm="")


def _text(blobs: Blobs, hash: str) -> str:
    try:
        return blobs.get(hash).decode(errors="replace")
    except MLTrackerError as error:
        return f"# {error}"


def _limited(text: str) -> Iterator[str]:
    lines = text.splitlines()
    yield from lines[:LONGEST_DIFF]
    if len(lines) > LONGEST_DIFF:
        yield f"# and {output.count(len(lines) - LONGEST_DIFF, 'line')} more"
