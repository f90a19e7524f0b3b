"""Programs are run again by real processes, and the verdict is about what they did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

import mltracker
from mltracker.errors import InvalidValue, NotFound, ReadOnly
from mltracker.reproduce.verdict import Difference
from mltracker.reproduce.watching import Silent
from mltracker.tracker.redirection import VARIABLE, Redirection
from tests.mltracker.reproduce.scratch import AGGREGATE, ONE_POINT, Scratch, said

RESUMING = """
import json, pathlib, sys
import mltracker

epochs, store = int(sys.argv[1]), sys.argv[2]
saved = pathlib.Path("data/state.json")
saved.parent.mkdir(exist_ok=True)
start, loss = json.loads(saved.read_text()) if saved.exists() else (0, 8.0)
with mltracker.open(store) as tracker:
    aggregate = tracker.experiment("mnist").aggregate("1")
    assert (aggregate.epoch or 0) == start, (aggregate.epoch, start)
    for epoch in range(start + 1, epochs + 1):
        loss = loss / 2
        aggregate.metrics.log({"loss": loss}, step=epoch, epoch=epoch)
        saved.write_text(json.dumps([epoch, loss]))
"""
CLOCK = """
import sys, time
import mltracker

with mltracker.open(sys.argv[1]) as tracker:
    aggregate = tracker.experiment("mnist").aggregate("1")
    for step in range(5):
        aggregate.metrics.log({"loss": 1.0 / (1 + step), "now": time.time() if step > 2 else 0.0}, step=step)
"""


def test_the_same_program_is_identical_and_the_users_tree_stays_as_it_was(scratch: Scratch) -> None:
    scratch.record()
    os.utime(scratch.root / "settings.py", (1, 1))  # git would refresh its index
    hook = scratch.write(".git/hooks/post-checkout", f"#!/bin/sh\ntouch {scratch.root / 'hooked'}\n")
    hook.chmod(0o755)
    before = scratch.state()
    done = scratch.reproduce()
    assert (done.verdict.verdict, done.verdict.exit_code) == ("identical", 0), done.verdict
    assert done.verdict.compared.points == 5
    assert done.verdict.environment == []
    assert scratch.state() == before
    assert scratch.git("worktree", "list").count("\n") == 1
    assert list(Path(scratch.root.parent / "temp").glob("*/*/*")) == []


def test_the_verdict_is_recorded_and_the_reproduction_stands_beside_the_original(scratch: Scratch) -> None:
    scratch.record()
    first, second = scratch.reproduce(), scratch.reproduce()
    assert scratch.verdicts() == ["identical", "identical"]
    assert first.reproduction != second.reproduction
    with mltracker.open(scratch.store, read_only=True) as tracker:
        names = [one.name for one in tracker.experiments.list()]
        assert names == ["mnist", *(str(done.reproduction).removesuffix("/1") for done in (first, second))]
        again = tracker.experiments.list()[1]
        assert again.tags == {"reproduction_of": "mnist/1"}
        assert [point.value for point in again.aggregates.list()[0].metrics.list("loss")] == [
            point.value for point in tracker.experiment("mnist").aggregate("1").metrics.list("loss")
        ]
        described = [session.environment.get("reproduction") for session in tracker.sessions()]
        assert {"id": names[1].removeprefix("mnist~"), "of": "mnist/1"} in described


def test_a_reproduction_is_not_reproduced(scratch: Scratch) -> None:
    scratch.record()
    done = scratch.reproduce()
    with pytest.raises(InvalidValue, match=r"is itself a reproduction, of mnist/1.*mltracker reproduce mnist/1"):
        scratch.reproduce(str(done.reproduction))


def test_a_reproduction_does_not_reproduce(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.record()
    monkeypatch.setenv(VARIABLE, Redirection(scratch.store, "1a2b3c4d", "mnist/1", "~1a2b3c4d").encode())
    with pytest.raises(InvalidValue, match="a reproduction does not reproduce"):
        scratch.reproduce()


def test_what_differs_is_found_at_its_first_step(scratch: Scratch) -> None:
    scratch.write("train.py", CLOCK)
    scratch.commit()
    scratch.record()
    verdict = scratch.reproduce().verdict
    assert (verdict.verdict, verdict.exit_code) == ("diverged", 4)
    assert verdict.first is not None
    assert (verdict.first.metric, verdict.first.step) == ("now", 3)
    assert scratch.reproduce(metrics=["loss"]).verdict.verdict == "identical"
    assert scratch.reproduce(tolerance=1.0).verdict.verdict == "within tolerance"
    with pytest.raises(NotFound, match="'gain'"):
        scratch.reproduce(metrics=["gain"])


def test_uncommitted_changes_are_restored(scratch: Scratch) -> None:
    scratch.write("gone.py", "raise SystemExit('it was deleted')\n")
    scratch.write("tool.sh", "echo\n")
    scratch.write("weights.bin", bytes(range(256)) * 9)
    scratch.commit()
    scratch.write("settings.py", "from fresh import scale\n")
    scratch.write("weights.bin", bytes(range(255, -1, -1)) * 9)
    scratch.write("fresh.py", "from unknown import scale\n")
    (scratch.root / "tool.sh").chmod(0o755)
    (scratch.root / "gone.py").unlink()
    scratch.git("add", "fresh.py")
    scratch.write("folder with space/ünknown.py", "scale = 1\n")
    scratch.write(
        "unknown.py",
        "import os, pathlib\nassert os.access('tool.sh', os.X_OK)\nassert not pathlib.Path('gone.py').exists()\n"
        "assert pathlib.Path('folder with space/ünknown.py').exists()\n"
        "scale = pathlib.Path('weights.bin').read_bytes()[0] / 3\n",
    )
    scratch.record()
    for name in ("settings.py", "fresh.py", "unknown.py"):
        scratch.write(name, "raise SystemExit('this came later')\n")
    before = scratch.state()
    done = scratch.reproduce()
    assert done.verdict.verdict == "identical", done.verdict
    assert done.verdict.differences == []
    assert scratch.state() == before


def test_a_session_that_resumes_finds_what_the_one_before_left(scratch: Scratch) -> None:
    scratch.write("train.py", RESUMING)
    scratch.commit()
    scratch.record("train.py", "2", scratch.store)
    scratch.write("note.txt", "code changed between the two")
    scratch.commit()
    scratch.record("train.py", "4", scratch.store)
    verdict = scratch.reproduce().verdict
    assert (verdict.verdict, verdict.compared.points) == ("identical", 4), verdict


LEAVING = """
aggregate.metrics.log({"loss": 1.0}, step=int(sys.argv[2]))
tracker.close()  # which waits until the code is described
saved = pathlib.Path("saved.json")
if not saved.exists():
    saved.write_text(str(time.time()))
"""


def test_what_the_run_before_made_is_not_replaced_by_what_the_original_made(scratch: Scratch) -> None:
    scratch.write("train.py", AGGREGATE + LEAVING)
    scratch.commit()
    for step in ("0", "1"):
        scratch.record("train.py", scratch.store, step)
    done = scratch.reproduce(keep=True)
    assert done.verdict.verdict == "identical", done.verdict
    assert done.kept is not None
    assert (done.kept / "tree" / "saved.json").read_text() != (scratch.root / "saved.json").read_text()
    scratch.git("worktree", "remove", "--force", done.kept / "tree")


def test_of_two_sessions_with_other_code_each_runs_its_own(scratch: Scratch) -> None:
    log = "from settings import scale\naggregate.metrics.log({'loss': scale}, step=int(sys.argv[2]))\n"
    scratch.write("train.py", AGGREGATE + log)
    scratch.commit()
    for step, scale in enumerate((1.5, 2.5, 1.5)):
        scratch.write("settings.py", f"scale = {scale}\n")
        scratch.record("train.py", scratch.store, str(step))
    scratch.write("settings.py", "scale = 9\n")
    verdict = scratch.reproduce().verdict
    assert (verdict.verdict, verdict.compared.points) == ("identical", 3), verdict


def test_the_working_tree_is_run_with_allow_dirty_and_other_code_decides(scratch: Scratch) -> None:
    scratch.record()
    assert scratch.reproduce(allow_dirty=True).verdict.verdict == "identical"
    scratch.write("settings.py", "scale = 1.0 + 1.0\n")
    scratch.write("helper.py", "")
    before = scratch.state()
    verdict = scratch.reproduce(allow_dirty=True).verdict
    assert (verdict.verdict, verdict.exit_code) == ("diverged", 4)
    assert verdict.reason.startswith("same numbers by other means: code differs in helper.py, settings.py")
    assert scratch.state() == before
    scratch.write("settings.py", "scale = 3.0\n")
    verdict = scratch.reproduce(allow_dirty=True).verdict
    assert verdict.verdict == "diverged"
    assert "settings.py" in verdict.reason
    assert verdict.first is not None
    assert scratch.reproduce().verdict.verdict == "identical"


def test_a_store_inside_of_the_repository_is_no_code(scratch: Scratch) -> None:
    scratch.store = scratch.root / "runs" / "store"
    scratch.record()
    said(scratch.reproduce().verdict, "identical")
    said(scratch.reproduce(allow_dirty=True).verdict, "identical")


def test_recorded_variables_are_as_they_were(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "sum(map(hash, [os.environ.get('OMP_NUM_THREADS', ''), os.environ.get('MKL_NUM_THREADS', '')]))"
    scratch.write("train.py", f"{AGGREGATE}import os\naggregate.metrics.log({{'loss': {told}}}, step=0)\n")
    scratch.commit()
    scratch.record(PYTHONHASHSEED="7", OMP_NUM_THREADS="3")
    monkeypatch.setenv("PYTHONHASHSEED", "8")
    monkeypatch.setenv("MKL_NUM_THREADS", "5")
    monkeypatch.setenv("MLTRACKER_URI", "/nowhere")
    verdict = scratch.reproduce().verdict
    assert verdict.verdict == "identical", verdict
    assert verdict.environment == []


def test_an_id_that_is_made_anew_each_time_is_recognized(scratch: Scratch) -> None:
    program = ONE_POINT.replace("'1'", "uuid.uuid4().hex")
    scratch.write("train.py", f"import uuid\n{program}")
    scratch.commit()
    scratch.record()
    with mltracker.open(scratch.store, read_only=True) as tracker:
        id = tracker.experiment("mnist").aggregates.list()[0].id
    done = scratch.reproduce(f"mnist/{id}")
    assert done.verdict.verdict == "identical"
    assert done.verdict.notes == [f"the run recorded it as {done.reproduction}"]


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []
        self.seen: list[tuple[int, int, int, int]] = []
        self.output: Sequence[str] = ()

    def differs(self, differences: Sequence[Difference]) -> None:
        self.differences += differences

    def progress(self, points: int, expected: int, run: int, runs: int) -> None:
        self.seen.append((points, expected, run, runs))

    def failed(self, failure: str, output: Sequence[str]) -> None:
        self.output = output


def test_who_watches_sees_the_points_come(scratch: Scratch) -> None:
    loop = "for step in range(4):\n    aggregate.metrics.log({'loss': 1.0}, step=step)\n    time.sleep(0.4)\n"
    scratch.write("train.py", AGGREGATE + loop)
    scratch.commit()
    scratch.record()
    watch = Told()
    scratch.reproduce(watch=watch)
    assert watch.seen[0] == (0, 4, 1, 1)
    assert 0 < watch.seen[-1][0] <= 4
    assert watch.seen == sorted(watch.seen)


def test_strict_stops_at_other_packages(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.record()
    assert scratch.reproduce(strict=True).verdict.verdict == "identical"
    found = probed = __import__("mltracker.reproduce.checks", fromlist=["probe"]).probe(sys.executable)
    monkeypatch.setattr(
        "mltracker.reproduce.checks.probe", lambda _: {**probed, "packages": {**found["packages"], "orjson": "0.1"}}
    )
    watch = Told()
    verdict = scratch.reproduce(watch=watch, strict=True).verdict
    assert (verdict.verdict, verdict.exit_code) == ("not runnable", 6)
    assert "package orjson" in verdict.reason
    assert [one.name for one in watch.differences] == ["orjson"] == [one.name for one in verdict.environment]
    assert scratch.reproduce().verdict.verdict == "identical"


def test_what_is_kept_is_there_and_is_not_cleaned_up(scratch: Scratch) -> None:
    scratch.record()
    done = scratch.reproduce(keep=True)
    assert done.kept is not None
    assert scratch.reproduce().kept is None
    assert (done.kept / "tree" / "train.py").exists()
    assert (done.kept / "output.txt").exists()
    scratch.git("worktree", "remove", "--force", done.kept / "tree")


def test_a_store_that_cannot_be_written_is_refused_before_anything_runs(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch.record()
    monkeypatch.setattr("os.access", lambda path, mode, **more: Path(path) != scratch.store)
    with pytest.raises(ReadOnly, match="the verdict could not be recorded"):
        scratch.reproduce()


def mltracker_says(scratch: Scratch, *command: str, exit_code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mltracker", *command, "--store", scratch.store],
        cwd=scratch.root, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "TMPDIR": str(scratch.root.parent / "temp")},
    )  # fmt: skip
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_command_line_says_it_all(scratch: Scratch, tmp_path: Path) -> None:
    scratch.record()
    page = tmp_path / "report.html"
    assert mltracker_says(scratch, "reproduce", "mnist/1", "--report", str(page)).startswith("identical: all 5 numbers")
    assert page.read_text().startswith("<!doctype html>")
    told = json.loads(mltracker_says(scratch, "reproduce", "mnist/1", "--json"))
    assert (told["verdict"], told["exit_code"], told["of"]) == ("identical", 0, "mnist/1")
    assert "loss" in mltracker_says(scratch, "show", told["name"])
    listed = mltracker_says(scratch, "ls")
    assert "~" not in listed
    assert "(2 reproductions left out; --all lists all)" in listed
    assert mltracker_says(scratch, "ls", "--all").count("mnist~") == 2
    assert "EXPERIMENT/AGGREGATE" in mltracker_says(scratch, "reproduce", "mnist", exit_code=1)
    assert "no aggregate '2'" in mltracker_says(scratch, "reproduce", "mnist/2", exit_code=1)
    assert "choose one" in mltracker_says(scratch, "reproduce", "mnist/1", "--exact", "--tolerance", "1", exit_code=2)


def test_the_command_line_draws_where_it_diverged(scratch: Scratch) -> None:
    scratch.write("train.py", CLOCK)
    scratch.commit()
    scratch.record()
    said = mltracker_says(scratch, "reproduce", "mnist/1", exit_code=4)
    assert "diverged: first different number: now at step 3" in said
    assert "expected: now at step 3" in said
    assert "found: now at step 3" in said
    assert "┤" in said


@pytest.mark.parametrize("allow_dirty", [False, True])
def test_a_changed_tree_is_told_of_where_it_is_run(scratch: Scratch, allow_dirty: bool) -> None:
    class Told(Silent):
        said: ClassVar[list[str]] = []

        def differs(self, differences: Sequence[Difference]) -> None:
            Told.said = [str(one) for one in differences]

    scratch.record()
    scratch.write("settings.py", "scale = 2.0  # the same\n")
    scratch.reproduce(watch=Told(), allow_dirty=allow_dirty)
    assert ("checkout working tree: clean became changed" in Told.said) is allow_dirty
