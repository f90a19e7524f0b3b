"""Files and folders."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mltracker import Dataset, InvalidValue, NotFound
from mltracker.capture import files
from mltracker.capture.hashing import node


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a.txt").write_text("one")
    (root / "a" / "x.txt").write_text("two")
    (root / "a" / "b" / "y.txt").write_bytes(b"\0" * 300_000)
    (root / ".hidden").write_text("three")
    return root


def digest(path: Path) -> str:
    return Dataset.of(path).hash


def test_a_file_is_its_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "moved" / "other.csv"
    one.write_bytes(b"abc" * 200_000)
    dataset = Dataset.of(one)
    assert dataset.name == "one.csv"
    assert dataset.parameters == {"kind": "file", "bytes": 600_000}
    assert dataset.hash == node("file", {}, [sha256(one.read_bytes()).digest()]).hex()
    assert Dataset.of(str(one)) == dataset
    other.parent.mkdir()
    one.rename(other)
    assert digest(other) == dataset.hash
    with other.open("r+b") as file:
        file.seek(400_000)
        file.write(b"x")
    assert digest(other) != dataset.hash


def test_a_folder_is_its_files(folder: Path) -> None:
    dataset = Dataset.of(folder)
    assert (dataset.name, dataset.parameters) == ("data", {"kind": "folder", "files": 4, "bytes": 300_011})
    parts = [
        part
        for name in (".hidden", "a.txt", "a/b/y.txt", "a/x.txt")
        for part in (name.encode(), sha256((folder / name).read_bytes()).digest())
    ]
    assert dataset.hash == node("folder", {"files": 4}, parts).hex()
    folder.rename(folder.with_name("moved"))
    assert digest(folder.with_name("moved")) == dataset.hash


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a.txt").write_text("One"),
        lambda root: (root / "a.txt").rename(root / "b.txt"),
        lambda root: (root / "a" / "x.txt").rename(root / "a" / "b" / "x.txt"),
        lambda root: (root / "a.txt").unlink(),
        lambda root: (root / "new").write_text(""),
    ],
)
def test_every_change_counts(folder: Path, change: Callable[[Path], object]) -> None:
    before = digest(folder)
    change(folder)
    assert digest(folder) != before


def test_times_permissions_and_empty_folders_do_not_count(folder: Path) -> None:
    before = digest(folder)
    os.utime(folder / "a.txt", (1, 1))
    (folder / "a.txt").chmod(0o600)
    (folder / "empty").mkdir()
    assert digest(folder) == before


def test_links_count_as_what_they_lead_to(folder: Path, tmp_path: Path) -> None:
    before = digest(folder)
    (folder / "a.txt").rename(tmp_path / "elsewhere")
    (folder / "a.txt").symlink_to(tmp_path / "elsewhere")
    (folder / "a").rename(tmp_path / "there")
    (folder / "a").symlink_to(tmp_path / "there")
    assert digest(folder) == before


def test_a_circle_of_links_is_refused(folder: Path) -> None:
    (folder / "a" / "back").symlink_to(folder)
    with pytest.raises(InvalidValue, match=r"back: a link that leads back"):
        digest(folder)


def test_a_link_to_nowhere_is_told(folder: Path) -> None:
    (folder / "gone").symlink_to(folder / "nothing")
    with pytest.raises(NotFound, match=r"gone: a link that leads nowhere"):
        digest(folder)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"missing.csv: no such file or folder"):
        Dataset.of(str(tmp_path / "missing.csv"))


def test_what_is_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(InvalidValue, match=r"socket: is neither a file nor a folder"):
            digest(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidValue, match=r"pipe: is neither"):
        digest(tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(folder: Path) -> None:
    (folder / "a.txt").chmod(0)
    with pytest.raises(InvalidValue, match=r"a.txt: cannot be read: Permission denied"):
        digest(folder)
    (folder / "a").chmod(0)
    with pytest.raises(InvalidValue, match=r"a: cannot be read"):
        digest(folder)
    (folder / "a").chmod(0o700)


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Does something each time that a piece of a file was read."""
    advance = files.Progress.advance

    def changing(progress: files.Progress, size: int) -> None:
        change()
        advance(progress, size)

    monkeypatch.setattr(files.Progress, "advance", changing)


def test_a_file_that_changes_meanwhile_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = folder / "a" / "b" / "y.txt"
    meanwhile(monkeypatch, lambda: os.truncate(growing, growing.stat().st_size - 1))
    for path in (growing, folder):
        with pytest.raises(InvalidValue, match=r"y.txt: changed while it was read"):
            digest(path)


def test_a_file_that_vanishes_meanwhile_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_WORKERS", 1)
    meanwhile(monkeypatch, lambda: (folder / "a" / "x.txt").unlink(missing_ok=True))
    with pytest.raises(NotFound, match=r"x.txt: no such file or folder"):
        digest(folder)


def test_names_that_are_no_text(folder: Path) -> None:
    before = digest(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe")).write_text("")
    assert digest(folder) != before


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_number_of_threads_does_not_count(folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(folder)
    monkeypatch.setattr(files, "_WORKERS", workers)
    assert digest(folder) == before


def test_progress_shows_on_a_terminal_once_it_takes_long(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digest(folder)
    monkeypatch.setattr(files, "_PATIENCE", -1.0)
    digest(folder)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    digest(folder)
    shown: Any = capsys.readouterr().err
    assert "fingerprint:" in shown
    assert "GB/s" in shown
    assert shown.endswith("\r\x1b[2K")
