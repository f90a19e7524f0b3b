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
