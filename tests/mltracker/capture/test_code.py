"""The code of a run, from repositories in every state."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mltracker.capture import code as module
from mltracker.capture.code import Code
from mltracker.capture.command import Started
from tests.mltracker.capture.conftest import Repository


@pytest.fixture(autouse=True)
def no_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this process only what a test names."""
    monkeypatch.setattr(Code, "_loaded", lambda self: iter([("__main__", str(self._script))] if self._script else []))


def gather(
    monkeypatch: pytest.MonkeyPatch, cwd: Path, script: Path | None = None, seconds: float = 30
) -> tuple[dict[str, Any], dict[str, bytes]]:
    monkeypatch.setattr(module, "folder_at_start", lambda started: cwd)
    monkeypatch.setattr(module, "script", lambda started: script)
    code = Code(Started([], "script"), time.monotonic() + seconds)
    code.gather()
    assert code.contents.keys() == named(code.facts)
    assert all(sha256(content).hexdigest() == hash for hash, content in code.contents.items())
    return code.facts, code.contents


def named(facts: dict[str, Any]) -> set[str]:
    hashes = {kept["hash"] for kept in facts["untracked"].values()}
    return hashes | ({facts["diff"]} if facts.get("diff") else set())


def whys(facts: dict[str, Any]) -> dict[str, str]:
    return {entry["path"]: entry["why"] for entry in facts["omitted"]}


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(root)): (path.lstat().st_mtime_ns, path.lstat().st_mode, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_clean_repository(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.git("remote", "add", "origin", "https://bob:hunter2@host/org/x.git")
    facts, contents = gather(monkeypatch, repository.root / ".", repository.root / "train.py")
    assert contents == {}
    assert facts == {
        "root": str(repository.root.resolve()),
        "cwd": ".",
        "remote": "https://host/org/x.git",
        "commit": repository.git("rev-parse", "HEAD"),
        "branch": "main",
        "dirty": False,
        "submodules": {},
        "diff": None,
        "diff_size": 0,
        "untracked": {},
        "omitted": [],
        "redacted": [],
    }


def test_what_is_kept_makes_the_working_tree_again(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("gone.py", "x")
    repository.write("old.py", "x")
    repository.write("data.bin", bytes(range(256)))
    repository.commit()
    repository.write("helper.py", "x = 2\n")
    repository.write("data.bin", bytes(reversed(range(256))))
    repository.write("staged ü.py", "x = 'ü'\n")
    repository.git("add", "staged ü.py")
    repository.git("mv", "old.py", "new.py")
    (repository.root / "gone.py").unlink()
    repository.write("a b/ä.py", "y = 2\n").chmod(0o755)
    repository.write("conf/run.yaml", "lr: 1\n")
    repository.write("data.csv", "1,2\n")
    for name, value in {"diff.noprefix": "true", "diff.mnemonicPrefix": "true", "color.ui": "always",
                        "diff.renames": "copies", "diff.context": "0", "diff.submodule": "log"}.items():  # fmt: skip
        repository.git("config", name, value)
    before = snapshot(repository.root)
    facts, contents = gather(monkeypatch, repository.root / "a b")
    assert snapshot(repository.root) == before
    assert facts["dirty"] and facts["cwd"] == "a b" and facts["omitted"] == []
    assert facts["untracked"].keys() == {"a b/ä.py", "conf/run.yaml"}
    assert facts["untracked"]["a b/ä.py"]["mode"] == 0o755 and facts["untracked"]["conf/run.yaml"]["mode"] == 0o644
    again = tmp_path / "again"
    subprocess.run(["git", "clone", "-q", repository.root, again], check=True)
    assert facts["diff_size"] == len(contents[facts["diff"]])
    subprocess.run(["git", "apply", "-"], cwd=again, input=contents[facts["diff"]], check=True)
    for path, kept in facts["untracked"].items():
        (again / path).parent.mkdir(parents=True, exist_ok=True)
        (again / path).write_bytes(contents[kept["hash"]])
        assert len(contents[kept["hash"]]) == kept["size"]

    def files(root: Path) -> dict[str, bytes]:
        found = {path.relative_to(root) for path in root.rglob("*") if path.is_file() and path.suffix != ".csv"}
        return {str(path): (root / path).read_bytes() for path in found if ".git" not in path.parts}

    assert files(again) == files(repository.root)


def test_a_detached_head(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.git("checkout", "-q", "--detach")
    facts, _ = gather(monkeypatch, repository.root)
    assert facts["branch"] is None and facts["commit"] == repository.git("rev-parse", "HEAD")
    assert "problem" not in facts


def test_a_shallow_clone(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("b.py", "b")
    head = repository.commit()
    subprocess.run(["git", "clone", "-q", "--depth", "1", repository.root.as_uri(), tmp_path / "shallow"], check=True)
    (tmp_path / "shallow" / "b.py").write_text("c")
    facts, _ = gather(monkeypatch, tmp_path / "shallow")
    assert facts["commit"] == head and facts["diff"] and "problem" not in facts
    assert facts["remote"] == repository.root.as_uri()


def test_no_commit_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "new"
    root.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
    (root / "a.py").write_text("a")
    (root / "b.py").write_text("b")
    subprocess.run(["git", "-C", root, "add", "a.py"], check=True)
    facts, _ = gather(monkeypatch, root)
    assert facts["problem"] == "no commit yet" and facts["commit"] is None and facts["branch"] == "main"
    assert facts["untracked"].keys() == {"a.py", "b.py"} and facts["diff"] is None


@pytest.mark.parametrize("inside", [True, False])
def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool) -> None:
    (tmp_path / "src").mkdir()
    script = tmp_path / "src" / "train.py"
    script.write_text("x")
    cwd = tmp_path if inside else tmp_path / "elsewhere"
    cwd.mkdir(exist_ok=True)
    facts, contents = gather(monkeypatch, cwd, script)
    assert facts["problem"] == "no git repository"
    kept = "src/train.py" if inside else "train.py"
    assert contents[facts["untracked"][kept]["hash"]] == b"x"
    assert facts["root"] == str(tmp_path if inside else tmp_path / "src")
    assert facts["cwd"] == ("." if inside else str(cwd))


def test_a_bare_repository(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "clone", "-q", "--bare", repository.root, tmp_path / "bare.git"], check=True)
    facts, _ = gather(monkeypatch, tmp_path / "bare.git")
    assert facts["problem"] == "no git repository" and facts["untracked"] == {}


def test_a_script_decides_over_the_working_directory(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other")
    facts, _ = gather(monkeypatch, other.root, repository.root / "train.py")
    assert facts["root"] == str(repository.root) and facts["cwd"] == str(other.root)
    installed = Path(sys.prefix) / "bin" / "torchrun"
    facts, _ = gather(monkeypatch, other.root, installed)
    assert facts["root"] == str(other.root)


def test_git_is_not_installed(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    facts, _ = gather(monkeypatch, repository.root, repository.root / "train.py")
    assert facts["problem"] == "git is not installed"
    assert facts["untracked"].keys() == {"train.py"} and facts["root"] == str(repository.root)


def test_a_repository_that_git_refuses(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository.root / ".git").rename(repository.root / "moved")
    (repository.root / ".git").write_text("gitdir: gone\n")
    facts, _ = gather(monkeypatch, repository.root, repository.root / "train.py")
    assert facts["problem"].startswith("fatal:")
    assert facts["untracked"].keys() == {"train.py"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to another user")
def test_a_repository_of_another_user(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (repository.root, repository.root / ".git"):
        os.chown(path, 12345, 12345)
    facts, _ = gather(monkeypatch, repository.root, repository.root / "train.py")
    assert "dubious ownership" in facts["problem"] and facts["untracked"].keys() == {"train.py"}


def test_the_commit_is_gone(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    head = repository.git("rev-parse", "HEAD")
    (repository.root / ".git" / "objects" / head[:2] / head[2:]).unlink()
    facts, _ = gather(monkeypatch, repository.root, repository.root / "train.py")
    assert facts["problem"] and facts["untracked"].keys() == {"train.py"}


def test_no_time(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    facts, _ = gather(monkeypatch, repository.root, repository.root / "train.py", seconds=0)
    assert facts["problem"] == "no time was left to ask git"
    assert whys(facts) == {"train.py": "no time was left to look for secrets in it"}


def test_no_time_to_look_for_secrets(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not looked through is not kept, and that is told."""

    def late(self: Code) -> None:
        raise TimeoutError("no time was left")

    repository.write("helper.py", "x = 2\n")
    repository.write("new.py", "x = 3\n")
    monkeypatch.setattr(Code, "_in_time", late)
    facts, contents = gather(monkeypatch, repository.root)
    assert facts["diff"] is None and facts["untracked"] == {} and contents == {}
    assert whys(facts) == {".": "no time was left", "new.py": "no time was left"}


def test_submodules(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Repository(tmp_path / "library")
    repository.git("submodule", "add", "-q", library.root.as_uri(), "lib")
    repository.git("submodule", "add", "-q", library.root.as_uri(), "gone")
    repository.commit()
    repository.git("submodule", "deinit", "-q", "-f", "gone")
    head = library.git("rev-parse", "HEAD")
    facts, _ = gather(monkeypatch, repository.root)
    assert facts["submodules"] == {"lib": head, "gone": None} and not facts["dirty"] and facts["diff"] is None
    (repository.root / "lib" / "helper.py").write_text("x = 5\n")
    facts, _ = gather(monkeypatch, repository.root)
    assert facts["dirty"] and facts["diff"] is None
    assert whys(facts) == {"lib": "a submodule with changes that are not committed"}
    inner = ["git", "-C", str(repository.root / "lib"), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*inner, "commit", "-qam", "y"], check=True)
    facts, contents = gather(monkeypatch, repository.root)
    assert facts["submodules"]["lib"] != head and facts["omitted"] == []
    assert f"+Subproject commit {facts['submodules']['lib']}\n".encode() in contents[facts["diff"]]


def test_a_worktree(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    facts, _ = gather(monkeypatch, tmp_path / "side")
    assert facts["branch"] == "side" and facts["root"] == str(tmp_path / "side") and "problem" not in facts


def test_a_repository_within(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    Repository(repository.root / "cloned" / "library")
    facts, _ = gather(monkeypatch, repository.root)
    assert whys(facts) == {"cloned/library/": "a git repository of its own that is no submodule"}


def test_ignored_files_are_not_kept_but_for_the_code_that_runs(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write(".gitignore", "build/\n*.local.py\n")
    repository.commit()
    repository.write("build/x.py", "x")
    script = repository.write("train.local.py", "x")
    facts, _ = gather(monkeypatch, repository.root, script)
    assert facts["untracked"].keys() == {"train.local.py"}


def test_limits_are_recorded(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_FILE", 100)
    monkeypatch.setattr(module, "LARGEST_FILES", 250)
    repository.write("a.py", "a" * 100)
    repository.write("b.py", "b" * 101)
    repository.write("c.py", "c" * 100)
    repository.write("d.py", "d" * 100)
    repository.write("e.json", "e" * 50)
    repository.write("f.json", "f" * 50)
    repository.write("g.py", b"g\0g")
    (repository.root / "link.py").symlink_to("a.py")
    facts, _ = gather(monkeypatch, repository.root)
    assert facts["untracked"].keys() == {"a.py", "c.py", "e.json"}
    assert whys(facts) == {
        "b.py": "larger than 100 bytes",
        "d.py": "untracked files of more than 250 bytes",
        "f.json": "untracked files of more than 250 bytes",
        "g.py": "not text",
        "link.py": "a link",
    }
    assert {entry["size"] for entry in facts["omitted"] if entry["path"] == "b.py"} == {101}


def test_many_files(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 5)
    monkeypatch.setattr(module, "MOST_OMITTED", 3)
    for index in range(20):
        repository.write(f"data/{index:02}.json", "{}")
    repository.write("z.py", "z")
    facts, _ = gather(monkeypatch, repository.root)
    assert list(facts["untracked"]) == ["z.py", *(f"data/{index:02}.json" for index in range(4))]
    assert [entry["path"] for entry in facts["omitted"]] == ["data/04.json", "data/05.json", "data/06.json", "*"]
    assert facts["omitted"][-1]["why"] == "and 13 more"


def test_a_file_of_2_gb_is_not_read(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("tracked.py", "x")
    repository.commit()
    for name in ("huge.json", "tracked.py", "data.csv"):
        with (repository.root / name).open("wb") as file:
            file.truncate(2 << 30)
    repository.write("helper.py", "x = 2\n")
    started = time.monotonic()
    facts, contents = gather(monkeypatch, repository.root)
    assert time.monotonic() - started < 10
    assert whys(facts) == {"huge.json": "larger than 1,000,000 bytes", "tracked.py": "larger than 10,000,000 bytes"}
    assert b"+x = 2" in contents[facts["diff"]] and b"tracked.py" not in contents[facts["diff"]]


def test_a_large_diff(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_DIFF", 1000)
    for index in range(20):
        repository.write(f"{index}.py", "x")
    repository.commit()
    for index in range(20):
        repository.write(f"{index}.py", "y" * 100)
    facts, _ = gather(monkeypatch, repository.root)
    assert facts["diff"] is None and facts["dirty"]
    assert whys(facts) == {".": "the diff is larger than 1,000 bytes"}


@pytest.mark.parametrize("tracked", [True, False])
def test_the_store_itself_is_left_out(repository: Repository, monkeypatch: pytest.MonkeyPatch, tracked: bool) -> None:
    repository.write("runs/.mltracker/store.json", "{}")
    repository.write("runs/.mltracker/events/a.jsonl", "{}")
    repository.write("runs/.mltracker/projections/tinydb-v1.json", "{}")
    if tracked:
        repository.commit()
        repository.write("runs/.mltracker/projections/tinydb-v1.json", "{1}")
        repository.write("helper.py", "x = 2\n")
    facts, contents = gather(monkeypatch, repository.root)
    assert facts["untracked"] == {} and facts["omitted"] == []
    assert not tracked or (b"helper" in contents[facts["diff"]] and b"tinydb" not in contents[facts["diff"]])


def test_secrets_are_cut_out_and_that_is_told(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("helper.py", 'PASSWORD = "hunter2"\n')
    repository.write("secret.yaml", "api_key: hunter2\n")
    repository.write("fine.py", "import os\npassword = os.environ['PASSWORD']\n")
    facts, contents = gather(monkeypatch, repository.root)
    assert facts["redacted"] == ["helper.py", "secret.yaml"]
    assert not any(b"hunter2" in content for content in contents.values())
    assert facts["untracked"]["fine.py"]["size"] == len("import os\npassword = os.environ['PASSWORD']\n")


def test_names_and_contents_that_are_no_text(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.fsdecode(b"latin-\xe4.py")
    (repository.root / name).write_bytes(b"# \xe4\n")
    facts, contents = gather(monkeypatch, repository.root)
    assert list(facts["untracked"]) == ["latin-\ufffd.py"]
    assert list(contents.values()) == [b"# \xe4\n"]


def test_no_repository_is_written_to(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("helper.py", "train.py"):  # the index no longer knows their times, which tempts git to refresh it
        os.utime(repository.root / path, (1, 1))
    before = snapshot(repository.root)
    gather(monkeypatch, repository.root)
    assert snapshot(repository.root) == before


def test_helpers_of_the_users_are_not_run(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = tmp_path / "tell"
    tell.write_text(f"#!/bin/sh\ntouch {tmp_path}/told\n")
    tell.chmod(0o755)
    repository.write(".gitattributes", "*.py diff=mine\n")
    repository.commit()
    for name in ("diff.external", "diff.mine.command", "diff.mine.textconv", "core.fsmonitor", "core.pager"):
        repository.git("config", name, str(tell))
    repository.write("helper.py", "x = 2\n")
    (tmp_path / "told").unlink(missing_ok=True)
    facts, contents = gather(monkeypatch, repository.root)
    assert b"+x = 2" in contents[facts["diff"]] and not (tmp_path / "told").exists()


def test_100_000_files(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in range(100):
        for index in range(1000):
            repository.write(f"d{folder}/f{index}.py", f"x = {index}\n")
    repository.commit()
    repository.write("d5/f5.py", "x = 'changed'\n")
    facts, contents = gather(monkeypatch, repository.root)
    assert "problem" not in facts and b"changed" in contents[facts["diff"]]
