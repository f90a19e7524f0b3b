"""The facts of a session."""

from __future__ import annotations

import json
import os
import platform
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import pytest

import mltracker
from mltracker import InvalidValue
from mltracker.capture import session
from mltracker.capture.session import Capture, facts
from mltracker.events import SessionStarted
from tests.mltracker.capture.conftest import Repository, run

SHOW = "import json; from mltracker.capture.session import facts; print(json.dumps(facts({!r})))"


def shown(script: Path, capture: str, *arguments: str, cwd: Path, **variables: str) -> dict[str, Any]:
    script.write_text(SHOW.format(capture))
    given = {**os.environ, **variables}
    found: dict[str, Any] = json.loads(run(script, *arguments, cwd=cwd, env=given).stdout)
    return found


@pytest.mark.parametrize("capture", get_args(Capture))
def test_facts(capture: Capture) -> None:
    found = facts(capture)
    assert found["pid"] == os.getpid() and found["host"]
    assert found["environment"]["capture"] == capture
    assert found["environment"]["run"] == session.RUN and len(session.RUN) == 16
    assert SessionStarted(**found).encoded()
    assert capture == "off" or found["environment"]["python"] == platform.python_version()


def test_full(tmp_path: Path, repository: Repository) -> None:
    script = repository.root / "train.py"
    given = ["--token", "secret", "https://bob:secret@host/", "--lr", "0.1"]
    found = shown(script, "full", *given, cwd=tmp_path, OMP_NUM_THREADS="3", WANDB_API_KEY="secret")
    told = found["environment"]
    assert found["command"] == [
        "python", "-W", "error", str(script), "--token", "[redacted]", "https://host/", "--lr", "0.1",
    ]  # fmt: skip
    assert told["started_as"] == "script" and told["arguments_redacted"] is True
    assert told["script"] == {"path": "train.py", "sha256": sha256(script.read_bytes()).hexdigest()}
    assert told["executable"] == sys.executable and told["cwd"] == str(tmp_path)
    assert told["variables"]["OMP_NUM_THREADS"] == "3" and "secret" not in json.dumps(found)
    assert "arguments_redacted" not in shown(script, "full", "--lr", "1", cwd=tmp_path)["environment"]


def test_minimal_is_of_the_command_only_the_script(tmp_path: Path) -> None:
    found = shown(tmp_path / "train.py", "minimal", "--token=secret", cwd=tmp_path)
    assert found["command"] == ["train.py"]
    assert found["environment"].keys() == {
        "python", "implementation", "system", "release", "machine", "capture", "run", "started_as",
    }  # fmt: skip


def test_off(tmp_path: Path) -> None:
    found = shown(tmp_path / "train.py", "off", cwd=tmp_path)
    assert found.keys() == {"host", "pid", "environment"} and found["environment"].keys() == {"capture", "run"}


@pytest.mark.parametrize(("argv", "command"), [([], []), ([""], []), (["/a/b\udcff.py"], ["b\ufffd.py"])])
def test_odd_commands(monkeypatch: pytest.MonkeyPatch, argv: list[str], command: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert facts("minimal")["command"] == command
    monkeypatch.setattr(sys, "orig_argv", ["python", *argv])
    assert SessionStarted(**facts("full")).encoded()


def test_what_goes_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> object:
        raise ValueError("no variables")

    monkeypatch.setattr(session, "variables", fails)
    found = facts("full")
    assert found["environment"]["describing_failed"] == "ValueError: no variables"
    assert found["environment"]["started_as"] and found["command"]


def test_the_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(store: str, **options: Any) -> str:
        with mltracker.open(tmp_path / store, **options) as tracker:
            tracker.experiment("e")
            return str(tracker.sessions()[0].environment["capture"])

    assert chosen("a") == "minimal"  # as these tests have set it
    assert chosen("b", capture="off") == "off"
    monkeypatch.setenv("MLTRACKER_CAPTURE", "off")
    assert chosen("c") == "off" and chosen("d", capture="minimal") == "minimal"
    monkeypatch.delenv("MLTRACKER_CAPTURE")
    assert chosen("e") == "full"
    with pytest.raises(InvalidValue, match="capture: must be one of off, minimal, full, not 'all'"):
        mltracker.open(tmp_path, capture="all")  # type: ignore[arg-type]
    monkeypatch.setenv("MLTRACKER_CAPTURE", "all")
    with pytest.raises(InvalidValue, match=r"\$MLTRACKER_CAPTURE: must be one of"):
        mltracker.open(tmp_path)
