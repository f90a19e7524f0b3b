"""The programs of one aggregate, run one after another in one worktree and one scratch store."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from mltracker.errors import InvalidValue, NotFound
from mltracker.events.blobs import FolderBlobs
from mltracker.events.values import LONGEST_NAME
from mltracker.reproduce import checks
from mltracker.reproduce.git import GitFailed, has_file, top_level
from mltracker.reproduce.launch import Ended, Setting, run_again, script_of, tail
from mltracker.reproduce.reasons import NotRunnable
from mltracker.reproduce.recipe import Omitted, Recipe
from mltracker.reproduce.restored import Restorable, present, present_files, recorded
from mltracker.reproduce.runs import Run, omitted, repository_of, runs_of
from mltracker.reproduce.verdict import Difference
from mltracker.reproduce.watching import Points, Watch
from mltracker.reproduce.workplace import Workplace
from mltracker.reproduce.worktree import Worktree
from mltracker.tracker.redirection import Redirection


@dataclass(frozen=True)
class Options:
    """How to repeat: see `mltracker reproduce --help`. `links` are paths as the user gave them."""

    tolerance: float | None = None
    metrics: Sequence[str] | None = None
    allow_dirty: bool = False
    python: str | None = None
    strict: bool = False
    links: Sequence[str] = ()
    keep: bool = False


@dataclass
class Repetition:
    """One go at it. `environment`, `code` and `notes` grow with what is found out on the way."""

    store: Path
    recipe: Recipe
    options: Options
    watch: Watch
    place: Workplace
    environment: list[Difference] = field(default_factory=list)
    code: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: str | None = None
    swept: bool = True
    used: set[str] | None = field(default_factory=set)

    def set_unused_aside(self) -> None:
        """A file that was changed, and that no program used, says nothing against what came out. It is noted."""
        if self.used is not None and self.swept and self.failure is None:
            aside = [one for one in self.code if one.found is not None and one.name not in self.used]
            aside = [one for one in aside if one.name != "commit" and one.expected != "not kept"]
            self.code = [one for one in self.code if one not in aside]
            self.notes += [f"differs, but the program did not use it: {one.name}" for one in aside]

    def run(self) -> None:
        """All programs, until one fails that had not failed. Raises NotRunnable."""
        if len(self.recipe.experiment) + len(self.suffix) > LONGEST_NAME:
            raise NotRunnable("the experiment's name leaves no room for the name of its reproduction", hint="Rename it")
        runs = runs_of(self.recipe, any_code=self.options.allow_dirty)
        repository = self._repository(runs)
        roots = list(dict.fromkeys([*(run.root for run in runs), *([str(repository)] if repository else [])]))
        links = self._links(roots)
        setting = self._check(runs, repository, roots, links)
        self.place.note(repository=str(repository) if repository else None)
        tree = Worktree(repository, self.place.tree)
        blobs = FolderBlobs(self.store / "blobs", read_only=True)
        codes = self._present(tree, runs, blobs) if self.options.allow_dirty else self._recorded(tree, runs, blobs)
        points = Points(self.place.store, sum(series.points for series in self.recipe.series), len(runs), self.watch)
        for number, (run, code) in enumerate(zip(runs, codes, strict=True), 1):
            tree.restore(code)
            if number == 1:
                for relative, path in links.items():
                    tree.link(path, relative)
            self._require_script(run)
            points.run = number
            if not self._went_well(run, run_again(run, self.place, self._for(run, setting), points.look)):
                break

    @property
    def suffix(self) -> str:
        """What is put behind the names of experiments."""
        return f"~{self.place.id}"

    def _repository(self, runs: Sequence[Run]) -> Path | None:
        dirty = self.options.allow_dirty
        try:
            return repository_of(runs, Path.cwd(), here_first=dirty)
        except GitFailed:
            raise
        except NotRunnable:
            standing = top_level(Path(runs[0].root)) if dirty else None
            if standing is None:
                raise
            return standing

    def _links(self, roots: Sequence[str]) -> dict[str, Path]:
        """What is to be linked, by its place relative to the root. Raises NotFound, InvalidValue."""
        linked = {}
        for given in self.options.links:
            path = next((base / given for base in (Path.cwd(), *map(Path, roots)) if (base / given).exists()), None)
            if path is None:
                raise NotFound(
                    f"--link {given}: there is no such file", hint="Name what the program reads, as it lies now"
                )
            whole = path.parent.resolve() / path.name
            inside = [root for root in (Path(root).resolve() for root in roots) if whole.is_relative_to(root)]
            if not inside or whole in inside:
                raise InvalidValue(
                    f"--link {given}", "is not inside of the repository",
                    hint="What lies elsewhere is found without; what moved there can be linked back: ln -s NEW OLD",
                )  # fmt: skip
            linked[str(whole.relative_to(inside[0]))] = whole
        return linked

    def _check(self, runs: Sequence[Run], repository: Path | None, roots: list[str], links: dict[str, Path]) -> Setting:
        from mltracker.reproduce.surroundings import hardware, is_recorded

        interpreter = self.options.python or sys.executable
        found = checks.probe(interpreter)
        for run in runs:
            self.environment += [one for one in checks.differences(run, found, hardware) if one not in self.environment]
        self.environment += checks.linked(self.recipe, list(links.values()))
        asides = checks.asides(runs[0], repository, interpreter, self.options.allow_dirty)
        self.watch.differs([*asides, *self.environment])
        if self.options.strict and self.environment:
            raise NotRunnable(
                f"--strict: {len(self.environment)} things are not as they were: {self.environment[0]}",
                hint="Leave out --strict to run it all the same",
            )
        installed = checks.installed_from(found, roots)
        redirected = Redirection(self.place.store, self.place.id, self.recipe.id, self.suffix)
        return Setting(interpreter, roots, installed, is_recorded, redirected)

    def _for(self, run: Run, setting: Setting) -> Setting:
        seeds: list[dict[str, Any]] = run.session.seeds
        one = setting.redirection
        return Setting(
            setting.interpreter, setting.roots, setting.installed, setting.allowed,
            Redirection(one.store, one.id, one.of, one.suffix, seeds),
        )  # fmt: skip

    def _recorded(self, tree: Worktree, runs: Sequence[Run], blobs: FolderBlobs) -> list[Restorable]:
        for run in runs:
            lost = self._lost(tree, run)
            if lost:
                told = ", ".join(f"{one.path or 'files'} ({one.why})" for one in lost[:3])
                raise NotRunnable(
                    f"not all of the code was kept: {told}",
                    hint="--allow-dirty runs the code as it is now",
                )
        return [recorded(run.code, blobs) for run in runs]

    def _lost(self, tree: Worktree, run: Run) -> list[Omitted]:
        """Code that was not kept. What was not kept and is no code is noted."""
        commit, root = run.code.commit, tree.repository
        lost = omitted(run.code, lambda path: commit is not None and root is not None and has_file(root, commit, path))
        notes = [f"not kept, so not restored: {one.path} ({one.why})" for one in run.code.omitted if one not in lost]
        self.notes += [note for note in notes if note not in self.notes]
        return lost

    def _present(self, tree: Worktree, runs: Sequence[Run], blobs: FolderBlobs) -> list[Restorable]:
        """The code as it stands now for all of them; what differs from what was recorded is noted."""
        scratch = self.place.folder / "snapshot"
        if tree.repository is None:
            now = [present_files(Path(run.root), run.code) for run in runs]
            for run, code in zip(runs, now, strict=True):
                self._differs([_file(run, path, code) for path in run.code.untracked])
            return now
        before: list[tuple[Run, str | None]] = []
        for run in runs:
            try:
                tree.restore(recorded(run.code, blobs))
                before.append((run, tree.snapshot(scratch)))
            except (NotRunnable, GitFailed) as why:
                self.notes.append(f"the recorded code cannot be compared: {why.reason}")
                before.append((run, None))
        standing = present(tree.repository, self.store)
        tree.restore(standing)
        self.notes += [f"not copied from the working tree: {path}" for path in standing.skipped[:5]]
        after = tree.snapshot(scratch)
        for run, snapshot in before:
            unknown = Difference(kind="code", name="commit", expected=run.code.commit, found=standing.commit)
            lost = [
                Difference(kind="code", name=one.path or "files", expected="not kept") for one in self._lost(tree, run)
            ]
            self._differs([*([unknown] if snapshot is None else tree.differences(scratch, snapshot, after)), *lost])
        return [standing] * len(runs)

    def _differs(self, found: Sequence[Difference | None]) -> None:
        self.code += [one for one in found if one is not None and one not in self.code]

    def _require_script(self, run: Run) -> None:
        script = script_of(run, self.place)
        if script is None:
            return
        if not script.is_file():
            raise NotRunnable(
                f"the script {run.command.program} is not in the recorded code", hint="Was it ignored by git?"
            )
        changed = run.script_hash not in (None, sha256(script.read_bytes()).hexdigest())
        if changed and not self.options.allow_dirty:
            raise NotRunnable(
                f"the script {run.command.program} is not the one that was recorded",
                hint="A git filter did that, or it lies outside of the repository. --allow-dirty runs it as it is",
            )
        if changed and not script.is_relative_to(self.place.tree):
            self._differs([Difference(kind="code", name=str(script), expected=run.script_hash)])

    def _went_well(self, run: Run, ended: Ended) -> bool:
        """Whether to go on: also after a program that had failed in the original."""
        self.swept = self.swept and ended.swept
        self.notes += [note for note in ended.astray if note not in self.notes]
        self.used = None if self.used is None or ended.used is None else self.used | ended.used
        self.failure = ended.failure
        if ended.failure is None:
            return True
        self.watch.failed(ended.failure, tail(self.place.log))
        if "FileNotFoundError" in ended.failure:
            self.notes.append("data that git ignores is brought along with --link PATH")
        return run.session.failure is not None


def _file(run: Run, path: str, code: Restorable) -> Difference | None:
    expected, now = run.code.untracked[path].hash, code.files.get(path)
    found = None if now is None else sha256(now.content()).hexdigest()
    return (
        None
        if expected == found
        else Difference(kind="code", name=path, expected=expected[:12], found=found and found[:12])
    )
