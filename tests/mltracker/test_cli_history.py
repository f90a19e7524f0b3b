"""The history of one aggregate on the command line: log ID, blame, and what show and diff say of it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import mltracker
from mltracker import Dataset, Module, Tracker
from mltracker.events import MetricVoided, ReproductionRecorded, SessionDescribed
from mltracker.tracker.aggregates import TrackedAggregate
from tests.mltracker.test_cli import rows, run

SGD = Module("optimizer", "o1", "SGD", {"lr": 0.1})


def git(folder: Path, *arguments: str) -> str:
    options = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *options, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits: the learning rate changes, and a line that could steer a terminal is added."""
    folder = tmp_path_factory.mktemp("code")
    git(folder, "init", "-q", "-b", "main")
    for text in ("lr = 0.1\n", "lr = 0.2\n\tname = '\x1b[31m'\n"):
        (folder / "train.py").write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "a commit")
    return folder


def train(tracker: Tracker, id: str, lr: float) -> TrackedAggregate:
    module = Module("model", "m1", "Net", {"size": lr * 10})
    aggregate = tracker.experiment("mnist").aggregate(id, [module], {"lr": lr})
    with aggregate.training():
        for epoch in (1, 2):
            data = Dataset(f"d{lr}", "digits")
            with aggregate.iteration("train", epoch, data, {"batch_size": int(lr * 100)}, [SGD]) as it:
                for step in it.track(range(3)):
                    it.log({"loss": lr / (step + 1)}, step=3 * epoch + step)
                it.checkpoint(b"weights of %d" % epoch, "best")
    return aggregate


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Two aggregates of two sessions, the code of each known; the first was corrected and reproduced."""
    path = tmp_path_factory.mktemp("history") / "store"
    second, first = git(repository, "rev-list", "HEAD").split()
    for id, commit, lr in (("1", first, 0.1), ("2", second, 0.2)):
        with mltracker.open(path) as tracker:
            aggregate = train(tracker, id, lr)
            patch = tracker.blobs.put(f"+uncommitted of {id}\n".encode())
            script = tracker.blobs.put(f"print({id})\n".encode())
            untracked = {"new.py": {"hash": script, "size": 9}}
            code = {"root": str(repository), "commit": commit, "branch": "main", "dirty": True, "diff": patch}
            packages = {"numpy": f"1.{id}", "orjson": "3"}
            tracker.append(
                SessionDescribed(environment={"code": {**code, "untracked": untracked}, "packages": packages})
            )
            if id == "1":
                correct(aggregate, tracker)
    return path


def correct(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    for point in aggregate.metrics.list("loss")[:3]:
        assert point.id is not None
        tracker.append(MetricVoided(stream=aggregate.keys[0], point=point.id, why="bad\x1b[31m sensor", by="ana"))
    aggregate.metrics.unvoid(aggregate.metrics.list("loss", voided=True)[0], "good")
    aggregate.metrics.rename("loss", "error", "typo")
    for verdict in ("identical", "diverged", "within tolerance", "identical"):
        tracker.append(ReproductionRecorded(stream=aggregate.keys[0], verdict=verdict, reproduction="r:1"))


# log ID --------------------------------------------------------------------------------------------------------------


def test_log_of_an_aggregate_shows_its_changes(store: Path) -> None:
    header, *found = rows("log", "mnist/1", store=store)
    assert header == ["at", "kind", "name", "before", "after", "who", "why", "id"]
    kinds = [row[1] for row in found]
    assert (kinds[0], kinds[-1]) == ("reproduction", "aggregate")
    assert found == rows("log", "mnist/1", "--reverse", store=store)[:0:-1]
    assert found[:2] == rows("log", "mnist/1", "-n", "2", store=store)[1:]
    told = [row[1:5] + row[6:7] for row in found]
    assert ["config", "lr", "", "0.1", ""] in told
    assert ["metric", "loss", "loss", "error", "typo"] in told
    assert ["iteration", "train epoch 2", "running", "completed", ""] in told
    voided = [row for row in found if row[1] == "point" and row[4] == ""]
    assert [row[3] for row in voided] == ["0.03333333333333333", "0.05", "0.1"]
    assert all(row[5].startswith("ana (") and row[6] == "bad\\x1b[31m sensor" for row in voided)
    assert "metrics" not in kinds
    assert "metrics" in [row[1] for row in rows("log", "mnist/1", "--points", store=store)]


def test_log_of_an_aggregate_as_json_and_as_of(store: Path) -> None:
    lines = run("log", "mnist/1", "--json", "--reverse", store=store).stdout.splitlines()
    changes = [json.loads(line) for line in lines]
    assert [change["kind"] for change in changes[:3]] == ["aggregate", "module", "config"]
    assert changes[1]["after"]["parameters"] == {"size": 1.0} and "before" not in changes[1]
    assert {"by": "ana", "why": "bad\x1b[31m sensor", "before": 0.1}.items() <= next(
        change.items() for change in changes if change["kind"] == "point"
    )
    until = rows("log", "mnist/1", "--as-of", changes[4]["id"], store=store)[1:]
    assert [row[7] for row in until] == [change["id"] for change in changes[4::-1]]


@pytest.mark.parametrize(
    "arguments", [["mnist/1", "--follow"], ["mnist/1", "--stream", "mnist/1"], ["mnist/1", "--type", "X"], ["--points"]]
)
def test_what_log_cannot_combine(store: Path, arguments: list[str]) -> None:
    assert "ID" in run("log", *arguments, store=store, code=2).stderr


# blame ---------------------------------------------------------------------------------------------------------------


def test_blame_says_where_a_number_comes_from(store: Path, repository: Path) -> None:
    text = run("blame", "mnist/1", "error", "3", store=store).stdout
    first = git(repository, "rev-list", "HEAD").split()[1]
    for part in (
        "train/error",
        "value  0.1",
        f"{first} (main) dirty",
        "digits (d0.1)",
        "parameters.batch_size  10",
        "optimizer SGD (o1)",
        "lr=0.1",
        "model Net (m1)  size=1.0",
        "new.py",
        "bad\\x1b[31m sensor",
        "renamed loss to error",
        "ana (",
    ):
        assert part in text, part
    assert "voided  yes" not in text and "brought back 1 point" in text
    gone = [line.split() for line in run("blame", "mnist/1", "error", "4", store=store).stdout.splitlines()]
    assert ["voided", "yes"] in gone


def test_blame_as_json(store: Path) -> None:
    found = json.loads(run("blame", "mnist/1", "error", "3", "--phase", "train", "--json", store=store).stdout)
    assert (found["point"]["value"], found["voided"]) == (0.1, False)
    assert found["dataset"] == {"hash": "d0.1", "name": "digits", "parameters": {}}
    assert (found["iteration"]["epoch"], found["iteration"]["modules"][0]["name"]) == (1, "SGD")
    assert found["session"]["id"] == found["point"]["session"] and found["code"]["branch"] == "main"
    assert [one["kind"] for one in found["corrections"]] == ["void", "unvoid", "rename"]
    assert found["config"] == {"lr": 0.1}
    last = json.loads(run("blame", "mnist/2", "loss", "--json", store=store).stdout)
    assert last["point"]["step"] == 8


def test_blame_takes_a_metric_as_it_is_shown(store: Path) -> None:
    asked = [run("blame", "mnist/1", *words, store=store).stdout for words in (["train/error", "3"], ["error", "3"])]
    assert asked[0] == asked[1]


def test_blame_of_what_is_not_there(store: Path) -> None:
    for arguments, said in ((["los"], "It has train/error"), (["error", "99"], "Its steps are 3 to 8")):
        assert said in run("blame", "mnist/1", *arguments, store=store, code=1).stderr


# show ----------------------------------------------------------------------------------------------------------------


def test_show_has_checkpoints_corrections_reproductions_and_sessions(store: Path, repository: Path) -> None:
    text = run("show", "mnist/1", store=store).stdout
    day = time.strftime("%Y-%m-%d", time.gmtime())
    commit = git(repository, "rev-list", "HEAD").split()[1]
    for part in (
        "best\t12\t",
        "voided 3 points\t",
        "brought back 1 point\t",
        "renamed loss to error\t",
        "reproduced 3 times, last identical on 20",
        "diverged 1 time, last on 20",
        f"{commit} (main) dirty",
    ):
        assert part in text, part
    assert day in text
    shown = json.loads(run("show", "mnist/1", "--json", store=store).stdout)
    assert [one["size"] for one in shown["checkpoints"]] == [12, 12]
    assert [one["verdict"] for one in shown["reproductions"]].count("identical") == 2
    assert [one["kind"] for one in shown["corrections"]] == ["void"] * 3 + ["unvoid", "rename"]
    assert len(shown["sessions"]) == 1 and shown["sessions"][0]["environment"]["packages"]["orjson"] == "3"
    assert [one["batches"] for one in shown["iterations"]] == [3, 3]


def test_show_as_of_shows_what_was_then(store: Path) -> None:
    changes = run("log", "mnist/1", "--json", "--reverse", store=store).stdout.splitlines()
    first = next(json.loads(line)["id"] for line in changes if '"checkpoint"' in line)
    shown = json.loads(run("show", "mnist/1", "--as-of", first, "--json", store=store).stdout)
    assert (len(shown["checkpoints"]), shown["corrections"], shown["reproductions"]) == (1, [], [])


# diff ----------------------------------------------------------------------------------------------------------------


def test_diff_has_code_environment_data_iterations_and_corrections(store: Path, repository: Path) -> None:
    found = {(row[0], row[1]): row[2:] for row in rows("diff", "mnist/1", "mnist/2", store=store)}
    second, first = git(repository, "rev-list", "HEAD").split()
    assert found["code", "commit"] == [first, second, ""]
    assert found["code", "diff"] != found["code", "untracked new.py"]
    assert found["package", "numpy"] == ["1.1", "1.2", ""] and ("package", "orjson") not in found
    assert found["dataset", "digits"] == ["d0.1", "d0.2", ""]
    assert found["iteration", "train batch_size"] == ["10", "20", ""]
    assert found["iteration", "train dataset"] == ["digits (d0.1)", "digits (d0.2)", ""]
    assert found["parameter", "model.size"] == ["1.0", "2.0", ""]
    assert found["correction", "voided 3 points"][0].endswith("bad\\x1b[31m sensor")
    assert ("iteration", "train") not in found
    nested = json.loads(run("diff", "mnist/1", "mnist/2", "--json", store=store).stdout)
    assert nested["code"]["commit"] == {"a": first, "b": second}
    assert nested["packages"] == {"numpy": {"a": "1.1", "b": "1.2"}}


def test_diff_at_two_times_has_deltas(store: Path) -> None:
    points = json.loads(run("metrics", "mnist/2", "--json", store=store).stdout)
    found = rows("diff", f"mnist/2@{points[0]['id'].rpartition(':')[0]}", "mnist/2", store=store)
    assert ["iteration", "train", "1", "2", ""] in found
    value = points[-1]["value"]
    assert ["metric", "train/loss", "0.2", str(value), str(value - 0.2)] in found


def test_diff_of_code_is_gits_and_then_what_was_not_committed(store: Path) -> None:
    lines = run("diff", "mnist/1", "mnist/2", "--code", store=store).stdout.splitlines()
    for line in ("-lr = 0.1", "+lr = 0.2", "+\tname = '\\x1b[31m'", "+uncommitted of 2", "-print(1)", "+print(2)"):
        assert line in lines
    assert run("diff", "mnist/1", "mnist/1", "--code", store=store).stdout == "# no difference\n"
    assert (
        "one of --code and --json" in run("diff", "mnist/1", "mnist/1", "--code", "--json", store=store, code=2).stderr
    )


@pytest.mark.parametrize("gone", ["folder", "commit"])
def test_where_the_repository_is_gone_the_recorded_diffs_remain(
    store: Path, tmp_path: Path, gone: str, repository: Path
) -> None:
    with mltracker.open(tmp_path / "s") as tracker:
        aggregate = train(tracker, "1", 0.1)
        root = str(tmp_path / "none") if gone == "folder" else str(repository)
        patch = tracker.blobs.put(b"+only here\n")
        code = {"root": root, "commit": "a" * 40, "diff": patch, "dirty": True}
        tracker.append(SessionDescribed(environment={"code": code}))
        moment = tracker.append(MetricVoided(stream=aggregate.keys[0], point=aggregate.metrics.list()[0].id)).id
        tracker.append(SessionDescribed(environment={"code": {**code, "commit": "b" * 40, "diff": None}}))
    text = run("diff", f"mnist/1@{moment}", "mnist/1", "--code", store=tmp_path / "s").stdout
    assert f"# commit {'a' * 40} -> {'b' * 40}" in text
    assert "cannot be compared here: no repository with both commits at" in text
    assert "+only here" in text


def test_a_commit_that_is_none_is_no_option_of_git(tmp_path: Path, repository: Path) -> None:
    with mltracker.open(tmp_path / "s") as tracker:
        train(tracker, "1", 0.1)
        moment = list(tracker.history())[-1].id
        told = f"--output={tmp_path / 'written'}"
        commit = git(repository, "rev-parse", "HEAD")
        tracker.append(SessionDescribed(environment={"code": {"root": str(repository), "commit": commit}}))
        between = tracker.append(SessionDescribed(environment={"run": "x"})).id
        tracker.append(SessionDescribed(environment={"code": {"root": str(repository), "commit": told}}))
    text = run("diff", f"mnist/1@{between}", "mnist/1", "--code", store=tmp_path / "s").stdout
    assert text == f"# commit {commit} -> {told}\n"
    assert not (tmp_path / "written").exists()
    assert "not recorded" in run("diff", f"mnist/1@{moment}", "mnist/1", "--code", store=tmp_path / "s").stdout


def test_code_that_was_not_recorded(store: Path, tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "s") as tracker:
        train(tracker, "1", 0.1)
    text = run("diff", "mnist/1", "mnist/1", "--code", store=tmp_path / "s").stdout
    assert text == "# mnist/1: its code was not recorded\n" * 2
    assert "not recorded" in run("blame", "mnist/1", "loss", store=tmp_path / "s").stdout


# On a terminal -------------------------------------------------------------------------------------------------------


def on_terminal(*arguments: str, store: Path) -> str:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mltracker", *arguments, "--store", str(store)]
    environment = {**os.environ, "COLUMNS": "160", "TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen(command, stdout=theirs, env=environment)
    os.close(theirs)
    shown = b""
    with suppress(OSError):
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


def test_a_terminal_gets_short_hashes_and_ids(store: Path) -> None:
    for arguments in (["log", "mnist/1"], ["blame", "mnist/1", "error", "3"], ["show", "mnist/1"]):
        text = on_terminal(*arguments, store=store)
        assert not any(len(word) > 60 for word in text.split()), text
        assert "\x1b[31m" not in text


@pytest.fixture(autouse=True)
def _no_git_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Repositories of tests are their own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    yield
