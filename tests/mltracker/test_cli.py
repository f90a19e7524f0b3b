"""The command line: in process through typer's runner, and as a real process through real pipes."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import mltracker
from mltracker import Dataset, Iteration, Module
from mltracker.cli.app import EXIT_CODES, app
from mltracker.cli.plot import sparkline

LONG = "a-name-that-is-much-too-long-for-a-column"
COMMAND = [sys.executable, "-m", "mltracker"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two aggregates; read by all tests, changed by none."""
    path = tmp_path_factory.mktemp("cli") / "store"
    fill(path)
    return path


def fill(path: Path) -> None:
    module = Module("model", "1234", "Perceptron", {"input_size": 784, "act": {"name": "relu"}})
    with mltracker.open(path) as tracker:
        mnist = tracker.experiment("mnist")
        tracker.experiment("[red]cifar")
        for number in (1, 2):
            aggregate = mnist.aggregate(str(number), modules=[module], config={"lr": 0.5 / number})
            with aggregate.training():
                for step in range(5):
                    aggregate.metrics.log({"loss": number / 2**step, "a/b": step}, step=step, epoch=1, phase="train")
            aggregate.metrics.log({"loss": float("nan")}, phase="=cmd()")
            fed = Iteration("ab12", "train", 1, Dataset("ab12", "digits"), {"batch_size": 32})
            aggregate.iterations.add(fed)


def run(*arguments: str | Path, store: Path | None = None, code: int = 0) -> Result:
    options = ["--store", str(store)] if store else []
    result = CliRunner().invoke(app, [*map(str, arguments), *options])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def rows(*arguments: str, store: Path) -> list[list[str]]:
    return [line.split("\t") for line in run(*arguments, store=store).stdout.splitlines()]


def test_ls_lists_experiments(store: Path) -> None:
    header, *found = rows("ls", store=store)
    assert header[:2] == ["experiment", "aggregates"]
    assert [row[:2] for row in found] == [["mnist", "2"], ["[red]cifar", "0"]]


def test_ls_lists_aggregates_with_their_last_metrics(store: Path) -> None:
    header, *found = rows("ls", "mnist", store=store)
    assert [dict(zip(header, row, strict=True))["train/loss"] for row in found] == ["0.0625", "0.125"]
    assert [row[:3] for row in found] == [["1", "completed", "1"], ["2", "completed", "1"]]


def test_show_has_all_but_the_points(store: Path) -> None:
    text = run("show", "mnist/1", store=store).stdout
    for part in ("completed", "lr", "0.5", "Perceptron (1234)", "act.name", "relu", "digits", "train\tloss\t5"):
        assert part in text
    shown = json.loads(run("show", "mnist/1", "--json", store=store).stdout)
    assert shown["config"] == {"lr": 0.5}
    assert shown["modules"][0]["parameters"] == {"input_size": 784, "act": {"name": "relu"}}
    assert shown["last"] == [
        {"phase": "=cmd()", "name": "loss", "value": "NaN"},
        {"phase": "train", "name": "a/b", "value": 4},
        {"phase": "train", "name": "loss", "value": 0.0625},
    ]
    assert json.loads(run("ls", "mnist", "--json", store=store).stdout)[0]["last"] == shown["last"]


def test_show_as_json_has_trainings_iterations_and_summaries(store: Path) -> None:
    shown = json.loads(run("show", "mnist/1", "--json", store=store).stdout)
    assert [training["outcome"] for training in shown["trainings"]] == ["completed"]
    assert 0 < shown["trainings"][0]["seconds"] < 60
    assert [(one["hash"], one["dataset"]["name"], one["parameters"]) for one in shown["iterations"]] == [
        ("ab12", "digits", {"batch_size": 32})
    ]
    summaries = {(one["phase"], one["name"]): one for one in shown["metrics"]}
    loss = {"phase": "train", "name": "loss", "points": 5, "first": 1.0, "last": 0.0625}
    assert summaries["train", "loss"] == {**loss, "lowest": 0.0625, "highest": 1.0}
    assert summaries["=cmd()", "loss"]["highest"] == "NaN"


def test_show_takes_an_experiment(store: Path) -> None:
    assert "mnist" in run("show", "mnist", store=store).stdout
    assert json.loads(run("show", "mnist", "--json", store=store).stdout)["aggregates"] == ["1", "2"]


def test_metrics_summarises_and_lists(store: Path) -> None:
    summary = rows("metrics", "mnist/1", store=store)
    assert ["train", "loss", "5", "1.0", "0.0625", "0.0625", "1.0"] in summary
    _, *points = rows("metrics", "mnist/1", "loss", "--phase", "train", "-n", "2", store=store)
    assert [(row[0], row[4]) for row in points] == [("3", "0.125"), ("4", "0.0625")]


def test_metrics_as_json_and_csv_hold_every_point(store: Path) -> None:
    points = json.loads(run("metrics", "mnist/1", "--json", store=store).stdout)
    assert len(points) == 11
    assert [point["value"] for point in points if point.get("phase") == "=cmd()"] == ["NaN"]
    table = list(csv.DictReader(io.StringIO(run("metrics", "mnist/1", "--csv", store=store).stdout)))
    assert len(table) == 11
    assert {row["phase"] for row in table} == {"train", "'=cmd()"}
    assert [float(row["value"]) for row in table if row["name"] == "loss"][:5] == [1.0, 0.5, 0.25, 0.125, 0.0625]


def test_metrics_plots(store: Path) -> None:
    chart = run("metrics", "mnist/1", "loss", "--phase", "train", "--plot", store=store).stdout
    assert "train/loss" in chart
    assert "0.0625 ┤" in chart
    assert "▁" in run("metrics", "mnist/1", "--plot", store=store).stdout


def test_a_metric_may_be_named_as_it_is_shown(store: Path, alike: Path) -> None:
    values = [row[4] for row in rows("metrics", "mnist/1", "train/loss", store=store)[1:]]
    assert values == ["1.0", "0.5", "0.25", "0.125", "0.0625"]
    assert rows("metrics", "same/1", '"a/b"/loss', store=alike)[1][3:5] == ["a/b", "1.0"]
    assert rows("metrics", "same/1", "a/b/loss", store=alike)[1][3:5] == ["a", "1.0"]
    assert [row[3] for row in rows("metrics", "same/1", "train/loss", store=alike)[1:]] == [""]


def test_log_is_latest_first_and_can_be_narrowed(store: Path) -> None:
    lines = run("log", store=store).stdout.splitlines()
    assert "SessionEnded" in lines[0]
    assert "SessionStarted" in lines[-1]
    assert lines[::-1] == run("log", "--reverse", store=store).stdout.splitlines()
    assert lines[:3] == run("log", "-n", "3", store=store).stdout.splitlines()
    metrics = run("log", "--type", "MetricsRecorded", "--stream", "mnist/2", store=store).stdout.splitlines()
    assert len(metrics) == 6
    assert "mnist/2" in metrics[1]
    assert "loss=0.125" in metrics[1]


def test_log_as_json_can_be_read_back(store: Path) -> None:
    events = [json.loads(line) for line in run("log", "--json", "--reverse", store=store).stdout.splitlines()]
    assert [event["type"] for event in events[:3]] == ["SessionStarted", "ExperimentCreated", "ExperimentCreated"]
    middle = events[10]["id"]
    until = run("log", "--json", "--as-of", middle, store=store).stdout.splitlines()
    assert [json.loads(line)["id"] for line in until] == [event["id"] for event in events[10::-1]]


def test_log_finds_streams_by_every_name_they_had(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "s") as tracker:
        experiment = tracker.experiments.create("old")
        experiment.aggregate("1")
        experiment.name = "new"
        tracker.experiments.update(experiment)
        tracker.experiments.delete("new")
    for name in ("old", "new"):
        types = [line.split()[1] for line in run("log", "--stream", name, store=tmp_path / "s").stdout.splitlines()]
        assert types == ["ExperimentDeleted", "ExperimentRenamed", "AggregateCreated", "ExperimentCreated"]


def test_diff_of_two_aggregates(store: Path) -> None:
    found = rows("diff", "mnist/1", "mnist/2", store=store)
    assert ["config", "lr", "0.5", "0.25", ""] in found
    assert ["metric", "train/loss", "0.0625", "0.125", "0.0625"] in found
    assert not {"status", "module"} & {row[0] for row in found}
    assert not any(row[1] == "=cmd()/loss" for row in found)
    assert run("diff", "mnist/1", "mnist/1", store=store).stdout == "no difference\n"
    assert json.loads(run("diff", "mnist/1", "mnist/2", "--json", store=store).stdout) == {
        "config": {"lr": {"a": 0.5, "b": 0.25}},
        "metrics": [{"phase": "train", "name": "loss", "a": 0.0625, "b": 0.125, "delta": 0.0625}],
    }


def test_diff_of_one_at_two_times(store: Path) -> None:
    log = run("log", "--reverse", "--json", "--stream", "mnist/1", "--type", "MetricsRecorded", store=store).stdout
    first = json.loads(log.splitlines()[0])["id"]
    found = rows("diff", f"mnist/1@{first}", "mnist/1", store=store)
    assert ["status", "", "running", "completed", ""] in found
    assert ["metric", "train/loss", "1.0", "0.0625", "-0.9375"] in found


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which everything is called the same."""
    path = tmp_path_factory.mktemp("cli") / "alike"
    with mltracker.open(path) as tracker:
        for number, value in ((1, 1.0), (2, float("nan"))):
            module = Module("status", str(number), f"Net{number}", {"seed": number, "nan": float("nan")})
            config = {"status": number, "epoch": number, "seed": number, "train/loss": number}
            aggregate = tracker.experiment("same").aggregate(str(number), modules=[module], config=config)
            aggregate.metrics.log({"seed": value, "train/loss": value, "layer_10": 1.0, "layer_2": 1.0})
            aggregate.metrics.log({"loss": value}, epoch=number, phase="train")
            aggregate.metrics.log({"loss": value}, phase="a/b")
            aggregate.metrics.log({"b/loss": value}, phase="a")
            aggregate.tags["status"] = value
            tracker.experiment("same").aggregates.update(aggregate)
    return path


def test_diff_keeps_apart_what_is_called_the_same(alike: Path) -> None:
    shown = json.loads(run("diff", "same/1", "same/2", "--json", store=alike).stdout)
    one_or_two = {"a": 1, "b": 2}
    assert shown["epoch"] == one_or_two
    assert shown["config"] == dict.fromkeys(("status", "epoch", "seed", "train/loss"), one_or_two)
    assert shown["parameters"] == {"status.seed": one_or_two}
    assert shown["modules"]["status"] == {"a": [{"name": "Net1", "hash": "1"}], "b": [{"name": "Net2", "hash": "2"}]}
    assert shown["tags"] == {"status": {"a": 1.0, "b": {"$float": "NaN"}}}
    keys = [(None, "seed"), (None, "train/loss"), ("a", "b/loss"), ("a/b", "loss"), ("train", "loss")]
    assert shown["metrics"] == [
        {"phase": phase, "name": name, "a": 1.0, "b": "NaN", "delta": "NaN"} for phase, name in keys
    ]
    found = rows("diff", "same/1", "same/2", store=alike)
    assert len({tuple(row[:2]) for row in found}) == len(found)
    assert ["metric", '"train/loss"', "1.0", "nan", "nan"] in found
    assert ["config", "train/loss", "1", "2", ""] in found


def test_ls_keeps_apart_what_is_called_the_same_and_counts_as_people_do(alike: Path) -> None:
    header = rows("ls", "same", store=alike)[0][4:]
    assert header == ["layer_2", "layer_10", "seed", '"train/loss"', "a/b/loss", '"a/b"/loss', "train/loss"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "mnist/9"], 1, "no aggregate '9' in experiment 'mnist'. `mltracker ls mnist`"),
        (["ls", "nothing"], 1, "no experiment 'nothing'"),
        (["metrics", "mnist/1", "los"], 1, "It has =cmd()/loss, train/a/b, train/loss"),
        (
            ["metrics", "mnist/1", "train/loss", "-p", "nope"],
            1,
            "no metric 'loss' in phase 'nope'. It has phase =cmd()",
        ),
        (["metrics", "mnist"], 1, "Write EXPERIMENT/AGGREGATE"),
        (["log", "--stream", "nothing"], 1, "no stream 'nothing'"),
        (["ls", "--as-of", "yesterday"], 1, "yesterday"),
        (["metrics", "mnist/1", "-p", "nope"], 1, "no metric in phase 'nope'. It has phase =cmd(), train"),
        (["metrics", "mnist/1", "a/b", "-p", "nope"], 1, "no metric 'a/b' in phase 'nope'. It has phase train"),
        (["show", "mnist/"], 1, "'mnist/' names no aggregate after the slash"),
        (["show", "/1"], 1, "'/1' names no experiment before the slash"),
        (["diff", "mnist/1@bogus", "mnist/1"], 1, "'bogus' is neither an RFC 3339 time nor an event's id"),
        (["diff", "mnist/9@bogus", "mnist/1"], 1, "no aggregate '9'"),
        (["rebuild", "--to", "oracle"], 1, "oracle"),
        (["nothing"], 2, "No such command"),
        (["schema", "metricsrecorded"], 2, "Did you mean MetricsRecorded?"),
        (["schema", "Nothing"], 2, "no event type 'Nothing'"),
        (["log", "--type", "TrainingStart"], 2, "Did you mean TrainingStarted"),
        (["metrics", "mnist/1", "--json", "--csv"], 2, "one of --plot, --json and --csv"),
        (["metrics", "mnist/1", "loss", "--plot", "--csv"], 2, "one of --plot, --json and --csv"),
        (["ls", "--projection", "oracle"], 2, "oracle"),
        (["log", "-n", "-1"], 2, "Invalid value for '-n'"),
        (["log", "--follow", "--as-of", "2026-01-01"], 2, "--as-of"),
    ],
)
def test_errors_are_one_clear_line_and_an_exit_code(store: Path, arguments: list[str], code: int, said: str) -> None:
    options = [] if arguments[0] in {"schema", "nothing"} else ["--store", str(store)]
    result = run(*arguments, *options, code=code)
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    if code == 1:
        assert result.stderr.startswith("mltracker: ")
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [["ls"], ["show", "a/b"], ["log"], ["verify"], ["compact"], ["repair"], ["rebuild"]]
)
def test_where_there_is_no_store_nothing_is_created(tmp_path: Path, command: list[str]) -> None:
    result = run(*command, store=tmp_path / "nothing", code=1)
    assert "nothing" in result.stderr
    assert not (tmp_path / "nothing").exists()


def test_reading_leaves_the_store_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "s").rglob("*")}
    commands = [["ls"], ["ls", "mnist"], ["show", "mnist/1"], ["metrics", "mnist/1"], ["log"], ["verify"]]
    for command in [*commands, ["diff", "mnist/1", "mnist/2"]]:
        run(*command, store=tmp_path / "s")
    events = {path: time for path, time in before.items() if "projections" not in path.parts}
    now = {path: path.stat().st_mtime_ns for path in (tmp_path / "s").rglob("*") if "projections" not in path.parts}
    assert now == events


def test_the_store_comes_from_the_environment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLTRACKER_URI", str(store))
    assert "mnist" in run("ls").stdout


def test_verify_finds_damage_and_says_so_by_exit_code(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    assert "no damage" in run("verify", store=tmp_path / "s").stdout
    segment = next((tmp_path / "s" / "events").glob("*.jsonl"))
    data = bytearray(segment.read_bytes())
    data[data.index(b"0.0625")] ^= 1
    segment.write_bytes(data)
    shutil.rmtree(tmp_path / "s" / "projections")
    assert f"notice: {segment.name}" in run("ls", store=tmp_path / "s").stderr
    result = run("verify", store=tmp_path / "s", code=3)
    assert f"{segment.name}:" in result.stdout
    assert "`mltracker pull PATH`" in result.stdout
    assert "`mltracker repair`" in result.stdout
    for command in (["ls", "mnist"], ["show", "mnist/1"], ["log"], ["log", "--type", "MetricsRecorded"], ["rebuild"]):
        notices = run(*command, store=tmp_path / "s").stderr.splitlines()
        assert [notice for notice in notices if f"notice: {segment.name}:" in notice], command
        assert len(notices) == len(set(notices))
    assert json.loads(run("verify", "--json", store=tmp_path / "s", code=3).stdout)["ok"] is False
    assert "passed over" in run("repair", store=tmp_path / "s").stdout


def test_rebuild_says_what_it_did(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    for name in ("tinydb", "sqlite"):
        assert name in run("rebuild", "--to", name, store=tmp_path / "s").stdout
    assert "mnist" in run("ls", store=tmp_path / "s").stdout


def test_the_read_model_that_is_there_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mltracker.open(tmp_path / "s", projection="sqlite") as tracker:
        tracker.experiment("mnist").aggregate("1").metrics.log({"loss": 1.0})
        tracker.experiments.list()
    kinds = lambda: {path.name.split("-")[0] for path in (tmp_path / "s" / "projections").iterdir()}  # noqa: E731
    assert kinds() == {"sqlite"}
    for command in (["ls", "mnist"], ["show", "mnist/1"], ["metrics", "mnist/1"], ["diff", "mnist/1", "mnist/1"]):
        run(*command, store=tmp_path / "s")
        run(*command, "--projection", "memory", store=tmp_path / "s")
    assert "rebuilt sqlite from" in run("rebuild", store=tmp_path / "s").stdout
    assert kinds() == {"sqlite"}
    monkeypatch.setenv("MLTRACKER_PROJECTION", "tinydb")
    run("ls", store=tmp_path / "s")
    assert kinds() == {"sqlite", "tinydb"}


def test_an_empty_store_option_is_named(store: Path) -> None:
    assert "--store" in run("ls", "-s", "", code=2).stderr


def test_types_of_ones_own_are_known_by_their_events(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    code = """
import sys, mltracker
from mltracker.events import Event
class Chilled(Event):
    degrees: float
with mltracker.open(sys.argv[1]) as tracker:
    tracker.append(Chilled(stream=tracker.experiment("mnist").keys[0], degrees=4.2))
"""
    subprocess.run([sys.executable, "-c", code, tmp_path / "s"], check=True)
    assert "degrees=4.2" in run("log", "--type", "Chilled", store=tmp_path / "s").stdout
    assert "Did you mean Chilled" in run("log", "--type", "Chiled", store=tmp_path / "s", code=2).stderr


def test_pull_is_a_union_and_twice_is_once(store: Path, tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "s") as tracker:
        tracker.experiment("mnist").aggregate("3")
    assert "1 segment " in run("pull", store, store=tmp_path / "s").stdout
    assert [row[0] for row in rows("ls", "mnist", store=tmp_path / "s")] == ["aggregate", "1", "2", "3"]
    assert "0 events in 0 segments" in run("pull", store, store=tmp_path / "s").stdout
    run("pull", tmp_path / "nothing", store=tmp_path / "s", code=1)


def test_compact_changes_no_answer(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    with mltracker.open(tmp_path / "s") as tracker:
        tracker.experiment("late")
    before = run("log", "--json", store=tmp_path / "s").stdout
    said = run("compact", store=tmp_path / "s").stdout
    assert "packed 2 segments into 1 pack\n2 sources stay for an hour" in said
    assert run("compact", store=tmp_path / "s").stdout == "packed 0 segments into 0 packs\n"
    assert run("log", "--json", store=tmp_path / "s").stdout == before


def test_schema_describes_every_event() -> None:
    schema = json.loads(run("schema").stdout)
    kinds = {option["properties"]["type"]["const"] for option in schema["oneOf"]}
    assert {"MetricsRecorded", "SessionStarted", "TrainingFailed"} <= kinds <= set(schema["$defs"])
    assert json.loads(run("schema", "MetricsRecorded").stdout)["required"] == ["values"]


def test_help_says_the_exit_codes() -> None:
    assert EXIT_CODES in " ".join(run("--help").stdout.split())


# Real processes ------------------------------------------------------------------------------------------------------


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "s") as tracker:
        aggregate = tracker.experiment("big").aggregate("1")
        aggregate.metrics.log_series("loss", steps=range(20_000), values=range(20_000))
    command = " ".join([*COMMAND, "metrics", "big/1", "--csv", "--store", str(tmp_path / "s")])
    script = f"set -o pipefail; {command} | head -n 2"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("reader", ["head -n 1", "true"])
def test_whenever_the_reader_leaves_the_exit_code_is_the_same(store: Path, reader: str, unbuffered: str) -> None:
    shows = " ".join([*COMMAND, "show", "mnist/1", "--store", str(store)])
    helps = " ".join([*COMMAND, "--help"])
    script = f"for i in 1 2 3 4 5; do for c in '{shows}' '{shows}' '{helps}'; do $c | {reader} >/dev/null; "
    script += 'echo "${PIPESTATUS[0]}"; done; done'
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert (result.stdout.split(), result.stderr) == (["0"] * 15, "")


def test_without_a_stdout_it_does_its_work(store: Path) -> None:
    script = " ".join([*COMMAND, "ls", "--store", str(store), ">&-"])
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_reader_that_has_left_hears_of_damage_by_exit_code(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    segment = next((tmp_path / "s" / "events").glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b"0.0625", b"0.0626", 1))
    command = " ".join([*COMMAND, "verify", "--store", str(tmp_path / "s")])
    script = f"{command} | true; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (3, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error(store: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "ls", "--store", str(store)]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "mltracker: [Errno 28] No space left on device\n")


@pytest.mark.parametrize(("words", "found"), [("show mn", "mnist/1 mnist/2"), ("ls mn", "mnist"), ("ver", "verify")])
def test_the_shell_completes(store: Path, words: str, found: str) -> None:
    words = f"mltracker {words}"
    asked = {"_MLTRACKER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment = {**os.environ, **asked, "MLTRACKER_URI": str(store)}
    command = Path(sys.executable).parent / "mltracker"
    result = subprocess.run([command], capture_output=True, text=True, check=False, env=environment)
    assert result.stdout.split() == found.split()


def test_a_pipe_gets_no_colour_and_whole_cells(store: Path) -> None:
    environment = {**os.environ, "COLUMNS": "20"}
    command = [*COMMAND, "show", "mnist/1", "--store", str(store)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "\x1b" not in result.stdout
    assert "…" not in result.stdout


def on_terminal(*arguments: str, columns: int = 80) -> list[str]:
    """The lines that a terminal gets, as they stand there, without colours."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
    chunks: list[bytes] = []
    with subprocess.Popen([*COMMAND, *arguments], stdout=child, env=environment) as process:
        os.close(child)
        with suppress(OSError):  # a terminal whose other side has gone
            while chunk := os.read(parent, 10_000):
                chunks.append(chunk)
    os.close(parent)
    assert process.returncode == 0
    return [line.rstrip() for line in re.sub("\x1b\\[[0-9;]*m", "", b"".join(chunks).decode()).splitlines()]


def test_a_terminal_gets_a_table(store: Path) -> None:
    shown = on_terminal("ls", "--store", str(store), columns=100)
    assert any(line.startswith("[red]cifar") for line in shown)
    assert not any("\t" in line for line in shown)


def test_a_narrow_terminal_gets_fewer_metrics_and_nothing_broken(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "s") as tracker:
        for id in ("1", LONG):
            aggregate = tracker.experiment("many").aggregate(id)
            with aggregate.training():
                aggregate.metrics.log({f"layer_{number}": number / 7 for number in range(20)}, epoch=1, phase="train")
    header, first, second, *folded, more = on_terminal("ls", "many", "--store", str(tmp_path / "s"))
    assert header.split() == ["aggregate", "status", "epoch", "created", "train/layer_0"]
    assert first.split()[:3] == ["1", "completed", "1"]
    assert re.fullmatch(r"[\w-]+ +completed +1 +\S+Z +0", second)
    assert second.split()[0] + "".join(folded) == LONG
    assert more == "(19 more metrics: train/layer_1, train/layer_2, train/layer_3, ...; a pipe or --json has all)"


def test_a_terminal_gets_whole_numbers_however_narrow_it_is(store: Path) -> None:
    for columns in (20, 80):
        words = " ".join(on_terminal("metrics", "mnist/1", "--store", str(store), columns=columns)).split()
        assert words.count("0.0625") == 2
        words = " ".join(on_terminal("metrics", "mnist/1", "--plot", "--store", str(store), columns=columns)).split()
        assert sparkline([1, 0.5, 0.25, 0.125, 0.0625]) in words


def test_a_terminal_gets_a_log_in_columns(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "s") as tracker:
        for name in ("short", LONG):
            tracker.experiment(name).aggregate("1").metrics.log({"loss": 0.5}, step=1)
    lines = on_terminal("log", "--reverse", "--store", str(tmp_path / "s"), columns=200)
    metrics = [line for line in lines if "MetricsRecorded" in line]
    assert len({line.index("loss=0.5 step=1") for line in metrics}) == 1
    assert metrics[0].endswith("loss=0.5 step=1")
    assert "…long-for-a-column/1" in metrics[1]
    assert not any(re.search("[0-9a-f]{32}", line) for line in lines)
    *_, id = run("log", "-n", "1", store=tmp_path / "s").stdout.rstrip("\n").split("\t")
    assert re.fullmatch("[0-9a-f]{32}:[0-9]+", id)


def test_a_terminal_gets_short_ids_and_durations_of_trainings(store: Path) -> None:
    lines = on_terminal("show", "mnist/1", "--store", str(store))
    heading = next(line for line in lines if line.split()[:2] == ["id", "started"])
    assert heading.split() == ["id", "started", "outcome", "seconds", "error"]
    id, _, outcome, seconds = lines[lines.index(heading) + 1].split()
    assert re.fullmatch("[0-9a-f]{8}:[0-9]+", id)
    assert (outcome, 0 < float(seconds) < 60) == ("completed", True)


def test_a_terminal_gets_an_indented_schema() -> None:
    assert on_terminal("schema", "MetricsRecorded")[1].startswith('  "')


@pytest.fixture
def following(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    fill(tmp_path / "s")
    command = [*COMMAND, "log", "--follow", "-n", "1", "--store", str(tmp_path / "s")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_follow_shows_what_arrives(following: subprocess.Popen[str], tmp_path: Path) -> None:
    assert following.stdout is not None
    assert "SessionEnded" in following.stdout.readline()
    with mltracker.open(tmp_path / "s") as tracker:
        tracker.experiment("new")
        assert "SessionStarted" in following.stdout.readline()
        line = following.stdout.readline()
        assert "ExperimentCreated" in line
        assert "name=new" in line
    time.sleep(0.1)
    following.send_signal(signal.SIGINT)
    assert following.wait(timeout=10) == 0
    assert following.stderr is not None
    assert following.stderr.read() == ""


def test_the_command_is_installed(store: Path) -> None:
    command = Path(sys.executable).parent / "mltracker"
    result = subprocess.run([command, "ls", "--store", store], capture_output=True, text=True, check=True)
    assert "mnist" in result.stdout


def test_erase_takes_the_payload_and_keeps_the_record(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "s") as tracker:
        tracker.experiment("e").aggregate("1", config={"password": "hunter2"})
    (event,) = [one.id for one in mltracker.open(tmp_path / "s").history(types=["AggregateCreated"])]
    command = [sys.executable, "-m", "mltracker"]
    result = subprocess.run(
        [*command, "erase", event, "--why", "a password", "--who", "me", "--store", tmp_path / "s"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout == "erased 1 event in 1 segment\n"
    assert b"hunter2" not in b"".join(path.read_bytes() for path in (tmp_path / "s").rglob("*") if path.is_file())
    assert subprocess.run([*command, "verify", "--store", tmp_path / "s"], capture_output=True).returncode == 0
    again = subprocess.run(
        [*command, "erase", "0" * 32 + ":7", "--why", "x", "--store", tmp_path / "s"], capture_output=True, text=True
    )
    assert (again.returncode, "there is no event" in again.stderr) == (1, True)
