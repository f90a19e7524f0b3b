"""How a process was started."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from mltracker.capture import command
from mltracker.capture.command import Started, parse, repository, script_facts
from tests.mltracker.capture.conftest import Repository

SHOW = """
import json
from mltracker.capture.command import folder_at_start, script, started
found = started()
print(json.dumps([found.command, found.how, found.target, str(script(found)), str(folder_at_start(found))]))
"""


@pytest.mark.parametrize(
    ("line", "how", "target"),
    [
        ("python train.py --lr 1", "script", "train.py"),
        ("python -u -W error -X dev train.py -m x", "script", "train.py"),
        ("python -Werror -Xdev ./a/train.py", "script", "./a/train.py"),
        ("python --check-hash-based-pycs always train.py", "script", "train.py"),
        ("python -m pkg.train --lr 1", "module", "pkg.train"),
        ("python -c pass -m x", "command", ""),
        ("python -c from~multiprocessing.spawn~import~spawn_main --multiprocessing-fork", "worker", ""),
        ("python -m joblib.externals.loky.backend.x --y", "worker", "joblib.externals.loky.backend.x"),
        ("python - --lr 1", "stdin", ""),
        ("python -u -", "stdin", ""),
        ("python", "stdin", ""),
        ("python -i", "stdin", ""),
    ],
)  # fmt: skip
def test_command_lines(line: str, how: str, target: str) -> None:
    words = [word.replace("~", " ") for word in line.split(" ")]
    assert parse(["/usr/bin/python3.11", *words[1:]]) == Started(words, how, target)


@pytest.mark.parametrize(
    ("line", "spelled"),
    [
        ("python -mpkg.train x", "python -m pkg.train x"),
        ("python -Im pkg.train", "python -I -m pkg.train"),
        ("python -Bucpass x", "python -Bu -c pass x"),
    ],
)
def test_options_in_one_word(line: str, spelled: str) -> None:
    assert parse(line.split()).command == spelled.split()


def show(*arguments: str, cwd: Path, **options: object) -> tuple[list[str], str, str, str, str]:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, check=True, capture_output=True, text=True, **options  # type: ignore[call-overload]
    )  # fmt: skip
    command_, how, target, script, folder = json.loads(done.stdout)
    return command_, how, target, script, folder


def test_a_script_with_spaces_and_quotes(tmp_path: Path) -> None:
    name = "my 'train' \"x\".py"
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / name).write_text("import os\nos.chdir('/')\n" + SHOW)
    given = f"a b/{name}"
    found = show("-W", "error", given, "--note", "it's", "", cwd=tmp_path)
    assert found[0] == ["python", "-W", "error", given, "--note", "it's", ""]
    assert found[1:] == ("script", given, str(tmp_path / given), str(tmp_path))  # although it changed the folder


def test_a_module_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg" / "train.py").write_text(SHOW)
    (tmp_path / "pkg" / "__main__.py").write_text(SHOW)
    assert show("-m", "pkg.train", cwd=tmp_path)[1:4] == ("module", "pkg.train", str(tmp_path / "pkg" / "train.py"))
    assert show("-m", "pkg", cwd=tmp_path)[3] == str(tmp_path / "pkg" / "__main__.py")
    assert show("pkg", cwd=tmp_path)[1:4] == ("script", "pkg", str(tmp_path / "pkg" / "__main__.py"))


def test_stdin_and_commands_have_no_script(tmp_path: Path) -> None:
    assert show("-", "x", cwd=tmp_path, input=SHOW)[:4] == (["python", "-", "x"], "stdin", "", "None")
    assert show(cwd=tmp_path, input=SHOW)[1] == "stdin"
    assert show("-c", SHOW, cwd=tmp_path)[1] == "command"


def test_a_person_at_a_terminal(tmp_path: Path) -> None:
    child, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-q"], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path
    ) as process:
        os.write(child, b"from mltracker.capture.command import started; print(started().how, flush=True)\nquit()\n")
        assert process.stdout is not None and b"interactive" in process.stdout.read()
    os.close(child)
    os.close(terminal)


def test_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    class ZMQInteractiveShell:
        pass

    class TerminalInteractiveShell:
        pass

    class IPython:
        @staticmethod
        def get_ipython() -> object:
            return shell

    monkeypatch.setitem(sys.modules, "IPython", IPython)  # type: ignore[arg-type]
    shell: object = ZMQInteractiveShell()
    assert command.started().how == "notebook"
    shell = TerminalInteractiveShell()
    assert command.started().how == "interactive"
    shell = None
    assert command.started().how in ("script", "module", "command", "worker")


def test_workers_of_multiprocessing(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import multiprocessing\nfrom mltracker.capture.command import started\n"
        "def how(_): return started().how\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(*pool.map(how, [0]))\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "main.py"], check=True, capture_output=True, text=True)
    assert done.stdout == "worker\n"


def test_script_facts(repository_: Repository, tmp_path: Path) -> None:
    path = repository_.write("a/train.py", "x\n")
    assert script_facts(path) == {"path": "a/train.py", "sha256": sha256(b"x\n").hexdigest()}
    alone = tmp_path / "alone.py"
    alone.write_text("y\n")
    assert script_facts(alone) == {"path": str(alone), "sha256": sha256(b"y\n").hexdigest()}
    assert "cannot be read" in script_facts(tmp_path / "gone.py")["problem"]


def test_the_nearest_repository(repository_: Repository, tmp_path: Path) -> None:
    inner = repository_.write("a/b/c.py", "").parent
    assert repository(inner) == repository_.root.resolve()
    assert repository(tmp_path) is None
    (tmp_path / "link").symlink_to(inner)
    assert repository(tmp_path / "link") == repository_.root.resolve()


@pytest.fixture
def repository_(repository: Repository) -> Repository:
    return repository
