"""What cannot be run again says why and what to do next, and nothing wrong is called identical."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mltracker.errors import InvalidValue, NotFound
from tests.mltracker.reproduce.scratch import AGGREGATE, ONE_POINT, Scratch, not_runnable, said


def test_a_script_from_standard_input(scratch: Scratch) -> None:
    scratch.record("-", scratch.store, content=ONE_POINT)
    not_runnable(scratch.reproduce(), "standard input", "tracker.reproduce(")


def test_a_notebook(scratch: Scratch) -> None:
    scratch.write("IPython.py", "class ZMQInteractiveShell: pass\nget_ipython = ZMQInteractiveShell\n")
    scratch.write("train.py", "import IPython\n" + ONE_POINT)
    scratch.commit()
    scratch.record()
    not_runnable(scratch.reproduce(), "notebook", "tracker.reproduce(")


@pytest.mark.parametrize("capture", ["minimal", "off"])
def test_capture_that_was_not_full(scratch: Scratch, capture: str) -> None:
    scratch.write("train.py", ONE_POINT.replace("argv[1])", f"argv[1], capture='{capture}')"))
    scratch.commit()
    scratch.record()
    not_runnable(scratch.reproduce(), f'capture="{capture}"', 'capture="full"')


def test_spaces_and_quotes_in_a_command(scratch: Scratch) -> None:
    words = ["a b", "it's", 'say "x"', "$HOME", "*", "", "--flag=a b", "ünï", "new\nline", "\\"]
    program = f"import sys\nassert sys.argv[2:] == {words!r}, sys.argv\nassert sys.flags.dev_mode\n{ONE_POINT}"
    scratch.write("a folder/it's.py", program)
    scratch.commit()
    scratch.record("-X", "dev", "-Wignore", "a folder/it's.py", scratch.store, *words)
    said(scratch.reproduce().verdict, "identical")


def test_a_secret_in_the_command(scratch: Scratch) -> None:
    scratch.write("train.py", ONE_POINT)
    scratch.commit()
    scratch.record("train.py", scratch.store, "--api_key=abcdefgh12345678")
    not_runnable(scratch.reproduce(), "secret", "command line", "environment")


@pytest.mark.parametrize("command", [("-m", "package.train"), ("-c", ONE_POINT), ("package",), ("-mpackage",)])
def test_modules_and_commands(scratch: Scratch, command: tuple[str, ...]) -> None:
    for name in ("__init__", "train", "__main__"):
        scratch.write(f"package/{name}.py", "" if name == "__init__" else ONE_POINT)
    scratch.commit()
    scratch.record(*command, scratch.store)
    said(scratch.reproduce().verdict, "identical")


def test_started_in_a_folder_below_and_by_a_whole_path(scratch: Scratch) -> None:
    scratch.write("below/values.txt", "3.0")
    scratch.write("settings.py", "scale = float(open('values.txt').read())\n")
    scratch.commit()
    scratch.record(scratch.root / "train.py", scratch.store, cwd=scratch.root / "below")
    (scratch.root / "below" / "values.txt").write_text("4.0")
    said(scratch.reproduce().verdict, "identical")


def test_a_program_that_was_started_elsewhere_does_not_write_there(scratch: Scratch) -> None:
    place = scratch.root.parent / "elsewhere"
    place.mkdir()
    scratch.write(
        "settings.py", "import pathlib, time\nscale = 1.0\npathlib.Path('result').write_text(str(time.time()))\n"
    )
    scratch.commit()
    scratch.record("../repository/train.py", scratch.store, cwd=place)
    before = (place / "result").read_text()
    said(scratch.reproduce().verdict, "identical")
    assert (place / "result").read_text() == before


def test_options_that_keep_our_finder_out(scratch: Scratch) -> None:
    scratch.write("train.py", ONE_POINT)
    scratch.commit()
    scratch.record("-I", "train.py", scratch.store)
    not_runnable(scratch.reproduce(), "-I", "$PYTHONPATH")


def test_a_script_that_git_ignores_is_known_by_its_content(scratch: Scratch) -> None:
    scratch.write("data/train.py", ONE_POINT)
    scratch.record("data/train.py", scratch.store)
    scratch.write("data/train.py", "raise SystemExit('this came later')\n")
    said(scratch.reproduce().verdict, "identical")


def test_a_script_outside_of_the_repository_that_changed(scratch: Scratch) -> None:
    script = scratch.root.parent / "outside.py"
    script.write_text(ONE_POINT)
    scratch.record(script, scratch.store)
    said(scratch.reproduce().verdict, "identical")
    script.write_text(ONE_POINT + "# changed\n")
    not_runnable(scratch.reproduce(), "outside.py", "not the one that was recorded")
    said(scratch.reproduce(allow_dirty=True).verdict, "diverged", "outside.py")


def test_another_python(scratch: Scratch) -> None:
    scratch.record()
    not_runnable(scratch.reproduce(python="/nowhere/python"), "/nowhere/python", "--python")
    not_runnable(scratch.reproduce(python="/bin/false"), "/bin/false", "--python")
    said(scratch.reproduce(python=sys.executable).verdict, "identical")


def test_one_rank_of_many(scratch: Scratch) -> None:
    scratch.record(WORLD_SIZE="4", RANK="0")
    not_runnable(scratch.reproduce(), "4 processes", "launcher")


def test_a_name_that_leaves_no_room(scratch: Scratch) -> None:
    name = "n" * 250
    scratch.write("train.py", ONE_POINT.replace("mnist", name))
    scratch.commit()
    scratch.record()
    not_runnable(scratch.reproduce(f"{name}/1"), "no room")


def test_an_aggregate_in_which_nothing_happened(scratch: Scratch) -> None:
    scratch.write("train.py", ONE_POINT.partition(".metrics")[0])
    scratch.commit()
    scratch.record()
    not_runnable(scratch.reproduce(), "no program recorded anything")


WAITING = """
with aggregate.training():
    aggregate.metrics.log({"loss": 1.0}, step=0)
    print("ready", flush=True)
    input()
"""


def test_one_that_still_runs(scratch: Scratch) -> None:
    scratch.write("train.py", AGGREGATE + WAITING)
    scratch.commit()
    environment = {name: value for name, value in os.environ.items() if name != "MLTRACKER_CAPTURE"}
    command = [sys.executable, "train.py", scratch.store]
    with subprocess.Popen(
        command, cwd=scratch.root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        not_runnable(scratch.reproduce(), "still running")
        process.communicate(b"\n")
    said(scratch.reproduce().verdict, "incomplete", "EOFError")


CRASHING = """
import os, sys
import mltracker

with mltracker.open(sys.argv[1]) as tracker:
    aggregate = tracker.experiment("mnist").aggregate("1")
    with aggregate.training():
        for step in range(6):
            aggregate.metrics.log({"loss": 1.0 / (1 + step)}, step=step)
            if step == 3:
                CRASH
"""


def test_a_training_that_crashed_half_way_crashes_again(scratch: Scratch) -> None:
    scratch.write("train.py", CRASHING.replace("CRASH", "raise ValueError('no more')"))
    scratch.commit()
    scratch.record(exit_code=1)
    verdict = scratch.reproduce().verdict
    assert verdict.verdict == "identical", verdict
    assert any("no more" in note for note in verdict.notes)


def test_a_reproduction_that_crashes_half_way(scratch: Scratch) -> None:
    crash = "if 'MLTRACKER_REPRODUCTION' in os.environ: raise ValueError('only now')"
    scratch.write("train.py", CRASHING.replace("CRASH", crash))
    scratch.commit()
    scratch.record()
    said(scratch.reproduce().verdict, "incomplete", "ValueError: only now")


@pytest.mark.parametrize("crash", ["os.kill(os.getpid(), 9)", "os.abort()"])
def test_a_reproduction_that_is_killed(scratch: Scratch, crash: str) -> None:
    scratch.write("train.py", CRASHING.replace("CRASH", f"if 'MLTRACKER_REPRODUCTION' in os.environ: {crash}"))
    scratch.commit()
    scratch.record()
    said(scratch.reproduce().verdict, "incomplete", "Killed: SIG")


def test_an_abrupt_end_is_seen_through(scratch: Scratch) -> None:
    scratch.write("train.py", ONE_POINT + "tracker.close()\nimport os\nos._exit(0)\n")
    scratch.commit()
    scratch.record()
    said(scratch.reproduce().verdict, "identical")


LEAVING = """
import atexit, ctypes, os
if "MLTRACKER_REPRODUCTION" in os.environ:
    atexit.register(ctypes.CDLL(None)._exit, 0)
"""


def test_an_end_that_tells_nothing_is_not_identical(scratch: Scratch) -> None:
    scratch.write("train.py", LEAVING + ONE_POINT + "tracker.close()\n")
    scratch.commit()
    scratch.record()
    said(scratch.reproduce().verdict, "not runnable", "abruptly")


def test_a_program_that_never_logs(scratch: Scratch) -> None:
    quiet = "if 'MLTRACKER_REPRODUCTION' in os.environ: sys.exit(0)\n"
    scratch.write("train.py", "import os, sys\n" + quiet + ONE_POINT)
    scratch.commit()
    scratch.record()
    said(scratch.reproduce().verdict, "incomplete", "nothing was recorded as mnist/1")


def test_a_training_without_a_number_is_not_called_identical(scratch: Scratch) -> None:
    program = ONE_POINT.replace(".metrics.log({'loss': 1.0}, step=0)", ".training().__enter__()")
    scratch.write("train.py", program)
    scratch.commit()
    scratch.record()
    assert scratch.reproduce().verdict.verdict in ("not runnable", "incomplete")


def test_data_that_git_ignores(scratch: Scratch) -> None:
    data = scratch.write("data/values.txt", "2.0")
    scratch.write("settings.py", "scale = float(open('data/values.txt').read())\n")
    scratch.commit()
    scratch.record()
    verdict = scratch.reproduce().verdict
    said(verdict, "incomplete", "FileNotFoundError")
    assert any("--link" in note for note in verdict.notes)
    said(scratch.reproduce(links=["data"]).verdict, "identical")
    said(scratch.reproduce(links=[str(data)]).verdict, "identical")
    data.write_text("3.0")
    said(scratch.reproduce(links=["data"]).verdict, "diverged", "loss")
    assert data.read_text() == "3.0"
    with pytest.raises(NotFound, match="--link gone"):
        scratch.reproduce(links=["gone"])
    with pytest.raises(InvalidValue, match="not inside of the repository"):
        scratch.reproduce(links=[str(scratch.store)])
    not_runnable(scratch.reproduce(links=["settings.py"]), "settings.py", "has that itself")


WITH_DATA = """
dataset = mltracker.Dataset.of(pathlib.Path("data/values.csv"))
with aggregate.iteration(phase="train", epoch=0, dataset=dataset) as iteration:
    iteration.log({"loss": 1.0}, step=0)
"""


def test_a_dataset_that_changed_is_named(scratch: Scratch) -> None:
    scratch.write("data/values.csv", "1,2\n")
    scratch.write("train.py", AGGREGATE + WITH_DATA)
    scratch.commit()
    scratch.record()
    said(scratch.reproduce(links=["data/values.csv"]).verdict, "identical")
    scratch.write("data/values.csv", "1,3\n")
    verdict = scratch.reproduce(links=["data/values.csv"]).verdict
    said(verdict, "diverged", "dataset values.csv")
    not_runnable(scratch.reproduce(links=["data/values.csv"], strict=True), "dataset values.csv")
