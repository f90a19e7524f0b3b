"""What is not as it was, asked before anything runs: Python and its packages, the machine, linked data."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from mltracker.models import Dataset
from mltracker.reproduce.git import GitFailed, git, text
from mltracker.reproduce.reasons import NotRunnable
from mltracker.reproduce.recipe import Recipe
from mltracker.reproduce.runs import Run
from mltracker.reproduce.verdict import Difference

PROBE = """
import json, os, platform, re, sys
from importlib.metadata import distributions
from urllib.parse import unquote, urlsplit
packages, local = {}, []
for one in distributions():
    name = re.sub(r"[-_.]+", "-", one.metadata["Name"] or "").lower()
    if not name or name in packages:
        continue
    packages[name] = one.version
    origin = json.loads(one.read_text("direct_url.json") or "{}")
    if origin.get("url", "").startswith("file:") and not origin.get("dir_info", {}).get("editable"):
        tops = (one.read_text("top_level.txt") or "").split()
        tops += [re.sub(r"\\.(py|pyc)$", "", file.parts[0]) for file in one.files or () if file.suffix == ".py"]
        local.append({"path": unquote(urlsplit(origin["url"]).path), "names": sorted(set(tops))})
print(json.dumps({
    "python": platform.python_version(), "implementation": platform.python_implementation(),
    "system": platform.system(), "release": platform.release(), "machine": platform.machine(),
    "packages": packages, "local": local, "hashed": sys.flags.hash_randomization,
}))
"""
KINDS = {"python": "python", "implementation": "python", "system": "platform", "release": "platform",
         "machine": "platform"}  # fmt: skip
SECONDS = 120


def probe(interpreter: str) -> dict[str, Any]:
    """What that Python is, and what is installed for it. Raises NotRunnable where it is none."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSTARTUP")}
    hint = "Name a Python with --python"
    try:
        done = subprocess.run(
            [interpreter, "-c", PROBE], capture_output=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL,
            env=environment, cwd="/",
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise NotRunnable(f"{interpreter} cannot be run: {error}", hint=hint) from error
    try:
        found = orjson.loads(done.stdout)
    except orjson.JSONDecodeError:
        said = done.stderr.decode(errors="replace").strip()
        last = said.splitlines()[-1] if said else f"exit code {done.returncode}"
        raise NotRunnable(f"{interpreter} is no Python that could be asked: {last}", hint=hint, said=said) from None
    assert isinstance(found, dict)
    return found


def installed_from(found: Mapping[str, Any], roots: Sequence[str]) -> list[str]:
    """Names of the repository's packages that are installed as copies."""
    return [
        name
        for local in found["local"]
        for name in local["names"]
        if any(_is_within(os.path.realpath(local["path"]), os.path.realpath(root)) for root in roots)
    ]


def differences(run: Run, found: Mapping[str, Any], hardware: Callable[[], Mapping[str, Any]]) -> Iterator[Difference]:
    """Between what a run was recorded on and what it would run on now."""
    before = run.session.environment
    for name, kind in KINDS.items():
        if name in before and before[name] != found[name]:
            yield Difference(kind=kind, name=name, expected=before[name], found=found[name])
    for kind, recorded, now in (
        ("package", before.get("packages"), found["packages"]),
        ("hardware", before.get("hardware"), hardware()),
    ):
        if isinstance(recorded, Mapping) and recorded:
            for name in recorded:
                if recorded[name] != now.get(name) and not _is_close(name, recorded[name], now.get(name)):
                    yield Difference(kind=kind, name=name, expected=recorded[name], found=now.get(name))


def _is_close(name: str, one: object, other: object) -> bool:
    """The memory of a machine is not the same to the byte each time it starts."""
    return name == "memory" and isinstance(one, int) and isinstance(other, int) and abs(one - other) < one / 50


def asides(run: Run, repository: Path | None, interpreter: str, from_tree: bool) -> Iterator[Difference]:
    """Which Python it was, and where the user's tree stands; whether that is changed, only if code is taken from it."""
    before = run.session.environment.get("executable")
    if isinstance(before, str) and before != interpreter and os.access(before, os.X_OK):
        yield Difference(kind="python", name="executable", expected=before, found=interpreter)
    if repository is None or run.code.commit is None:
        return
    try:
        now = text(repository, "rev-parse", "HEAD")
        changed = bool(git(repository, "status", "--porcelain", "-z", "--untracked-files=no"))
    except GitFailed:
        return
    if now != run.code.commit:
        yield Difference(kind="checkout", name="commit", expected=run.code.commit[:12], found=now[:12])
    if from_tree and changed and not run.code.dirty:
        yield Difference(kind="checkout", name="working tree", expected="clean", found="changed")


def linked(recipe: Recipe, links: Sequence[Path]) -> Iterator[Difference]:
    """Datasets that are files or folders, by name, among the linked: whether their content is what it was."""
    recorded = {
        one.dataset.name: one.dataset.hash
        for one in recipe.iterations
        if one.dataset is not None and one.dataset.parameters.get("kind") in ("file", "folder")
    }
    for path in links:
        expected = recorded.get(path.name)
        if expected is None:
            continue
        now = Dataset.of(path).hash
        if now != expected:
            yield Difference(kind="dataset", name=path.name, expected=expected, found=now)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
