"""The facts of a session."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from mltracker.capture.session import facts
from mltracker.events import SessionStarted


def test_facts() -> None:
    found = facts()
    assert found["pid"] == os.getpid() and found["host"]
    assert found["environment"]["python"] == platform.python_version()
    assert SessionStarted(**found).encoded()


def test_of_the_command_only_the_script(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import json; from mltracker.capture.session import facts; print(json.dumps(facts()['command']))")
    done = subprocess.run([sys.executable, script, "--token=secret"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["train.py"]


@pytest.mark.parametrize(("argv", "command"), [([], []), ([""], []), (["/a/b\udcff.py"], ["b\ufffd.py"])])
def test_odd_commands(monkeypatch: pytest.MonkeyPatch, argv: list[str], command: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert facts()["command"] == command
