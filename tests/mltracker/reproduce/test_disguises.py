"""What looks like the recorded run and is another one: its own results, other code, another store."""

from __future__ import annotations

import os

import pytest

import mltracker
from tests.mltracker.reproduce.scratch import AGGREGATE, Scratch, not_runnable, said

on_linux = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc here")  # noqa: PTH112

CACHED = """
import json, pathlib, random, sys
results = pathlib.Path("history.json")
if not results.exists():
    results.write_text(json.dumps([random.SystemRandom().random() for _ in range(5)]))
import mltracker
tracker = mltracker.open(sys.argv[1])
aggregate = tracker.experiment("mnist").aggregate("1")
for step, value in enumerate(json.loads(results.read_text())):
    aggregate.metrics.log({"loss": value}, step=step)
"""


def test_results_that_a_program_finds_again_are_no_code(scratch: Scratch) -> None:
    scratch.write("train.py", CACHED)
    scratch.commit()
    scratch.record()
    verdict = scratch.reproduce().verdict
    said(verdict, "diverged", "loss")
    assert any("history.json" in note and "after the program began" in note for note in verdict.notes)


def test_results_in_a_file_of_git(scratch: Scratch) -> None:
    scratch.write("train.py", CACHED.replace("if not results.exists()", "if results.read_text() == ''"))
    scratch.write("history.json", "")
    scratch.commit()
    scratch.record()
    not_runnable(scratch.reproduce(), "history.json", "after the program began")


def test_what_was_there_before_is_code(scratch: Scratch) -> None:
    scratch.write("train.py", CACHED)
    scratch.commit()
    scratch.write("history.json", "[0.5, 0.25]")
    scratch.record()
    said(scratch.reproduce().verdict, "identical")


def test_code_that_is_run_and_not_imported(scratch: Scratch) -> None:
    helper = scratch.write("helper.py", "value = 0.5\n")
    scratch.write(
        "train.py", f"{AGGREGATE}import runpy\nvalue = runpy.run_path({str(helper)!r})['value']\n"
        "aggregate.metrics.log({'loss': value}, step=0)\n",
    )  # fmt: skip
    scratch.commit()
    scratch.record()
    helper.write_text("value = 1 / 2\n")
    not_runnable(scratch.reproduce(), "helper.py", str(helper))


@on_linux
@pytest.mark.parametrize(
    "forgetting",
    [
        "import os\nos.environ.clear()\nimport mltracker\nstore = sys.argv[1]\n",
        "import subprocess\nif len(sys.argv) == 2:\n"
        "    sys.exit(subprocess.run([sys.executable, __file__, sys.argv[1], 'worker'], env={}).returncode)\n",
    ],
    ids=["environment cleared", "a worker without it"],
)
def test_who_loses_the_environment_does_not_write_to_the_original(scratch: Scratch, forgetting: str) -> None:
    scratch.write(
        "train.py", f"import sys\n{forgetting}{AGGREGATE}aggregate.metrics.log({{'loss': 1.0}}, step=0)\n"
    )  # fmt: skip
    scratch.commit()
    scratch.record()
    scratch.reproduce()
    with mltracker.open(scratch.store, read_only=True) as tracker:
        assert len(tracker.experiment("mnist").aggregate("1").metrics.list()) == 1


def test_code_that_a_process_of_its_own_runs(scratch: Scratch) -> None:
    worker = scratch.write("worker.py", "print(0.5)\n")
    scratch.write(
        "train.py", f"{AGGREGATE}import subprocess\n"
        f"out = subprocess.run([sys.executable, '-I', {str(worker)!r}], capture_output=True, text=True).stdout\n"
        "aggregate.metrics.log({'loss': float(out)}, step=0)\n",
    )  # fmt: skip
    scratch.commit()
    scratch.record()
    said(scratch.reproduce().verdict, "identical")
    worker.write_text("print(1 / 2)\n")
    not_runnable(scratch.reproduce(), "worker.py")


def test_data_of_the_working_tree_is_told(scratch: Scratch) -> None:
    scratch.write(".gitignore", "data.txt\n")
    data = scratch.write("data.txt", "0.5")
    scratch.write(
        "train.py", f"{AGGREGATE}aggregate.metrics.log({{'loss': float(open({str(data)!r}).read())}}, step=0)\n"
    )
    scratch.commit()
    scratch.record()
    verdict = scratch.reproduce().verdict
    said(verdict, "identical")
    assert f"read in your working tree, by its whole path: {data}" in verdict.notes


def test_a_store_in_memory_stays_one(scratch: Scratch) -> None:
    scratch.write(
        "train.py", f"{AGGREGATE}other = mltracker.open('memory:').experiment('mnist').aggregate('1')\n"
        "other.metrics.log({'loss': 2.0}, step=7)\naggregate.metrics.log({'loss': 1.0}, step=0)\n",
    )  # fmt: skip
    scratch.commit()
    scratch.record()
    said(scratch.reproduce().verdict, "identical")


def test_checkpoints_that_differ_are_told(scratch: Scratch) -> None:
    scratch.write(
        "train.py", f"{AGGREGATE}import os\naggregate.checkpoints.add(os.urandom(8), name='weights')\n"
        "aggregate.metrics.log({'loss': 1.0}, step=0)\n",
    )  # fmt: skip
    scratch.commit()
    scratch.record()
    verdict = scratch.reproduce().verdict
    said(verdict, "identical")
    assert [note for note in verdict.notes if note.startswith("checkpoint weights: ") and " became " in note], verdict


def test_changed_files_that_the_program_does_not_use_are_told_and_do_not_decide(scratch: Scratch) -> None:
    scratch.write("test_it.py", "")
    scratch.commit()
    scratch.record()
    scratch.write("test_it.py", "# changed\n")
    scratch.write("report.html", "<p>")
    verdict = scratch.reproduce(allow_dirty=True).verdict
    said(verdict, "identical")
    assert [note for note in verdict.notes if note.startswith("differs, but")] == [
        "differs, but the program did not use it: report.html",
        "differs, but the program did not use it: test_it.py",
    ]


@pytest.mark.parametrize(
    "reading",
    ["open('settings.txt').read()", "__import__('subprocess').run(['sh', '-c', 'cat settings.txt'])"],
    ids=["by itself", "by another program"],
)
def test_a_changed_file_that_may_have_been_used_decides(scratch: Scratch, reading: str) -> None:
    scratch.write("settings.txt", "1")
    scratch.write("train.py", f"{AGGREGATE}{reading}\naggregate.metrics.log({{'loss': 1.0}}, step=0)\n")
    scratch.commit()
    scratch.record()
    scratch.write("settings.txt", "2")
    said(scratch.reproduce(allow_dirty=True).verdict, "diverged", "other means", "settings.txt")


@pytest.mark.parametrize(
    "change",
    ["open({path!r}, 'w').write('new')", "os.remove({path!r})", "os.replace(__file__, {path!r})"],
)
def test_the_working_tree_is_not_written_to(scratch: Scratch, change: str) -> None:
    path = scratch.write("results.txt", "old")
    scratch.write(
        "train.py", f"{AGGREGATE}import os\naggregate.metrics.log({{'loss': 1.0}}, step=0)\n"
        f"if 'MLTRACKER_REPRODUCTION' in os.environ:\n    {change.format(path=str(path))}\n",
    )  # fmt: skip
    scratch.commit()
    scratch.record()
    before = scratch.state()
    not_runnable(scratch.reproduce(), "writes to your working tree", str(path))
    assert scratch.state() == before
