"""Contents by their hash: kept durably, checked when read, compressed where asked."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import pytest

from mltracker.errors import AppendFailed, Damaged, InvalidValue, MissingExtra, NotFound, ReadOnly
from mltracker.events.blobs import ZSTD_MAGIC, Blobs, FolderBlobs, MemoryBlobs, copy_into
from mltracker.events.memory import MemoryLog
from mltracker.events.segments import SegmentLog

TEXT = b"import torch\n" * 1000
EMPTY = sha256(b"").hexdigest()


@pytest.fixture(params=["memory", "folder"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return MemoryBlobs() if request.param == "memory" else FolderBlobs(tmp_path / "store" / "blobs")


@pytest.mark.parametrize("content", [b"", b"a", TEXT, ZSTD_MAGIC + b"no frame", bytes(range(256)) * 100])
@pytest.mark.parametrize("compress", [True, False])
def test_what_is_put_comes_back(blobs: Blobs, content: bytes, compress: bool) -> None:
    hash = blobs.put(content, compress=compress)
    assert hash == sha256(content).hexdigest() and hash in blobs
    assert blobs.get(hash) == content
    assert blobs.put(content) == hash and blobs.get(hash) == content


def test_many_at_once(blobs: Blobs) -> None:
    contents = [b"a", b"b", b"a", b"", TEXT]
    assert blobs.put_all(contents, compress=True) == [sha256(content).hexdigest() for content in contents]
    assert [blobs.get(sha256(content).hexdigest()) for content in contents] == contents
    assert blobs.put_all([]) == []


def test_a_file(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(TEXT * 200)  # several chunks
    hash, size = blobs.put_file(path)
    assert (hash, size) == (sha256(TEXT * 200).hexdigest(), len(TEXT) * 200)
    assert blobs.get(hash) == TEXT * 200
    assert blobs.put_file(path) == (hash, size)


def test_what_is_not_there(blobs: Blobs, tmp_path: Path) -> None:
    assert EMPTY not in blobs and "../store.json" not in blobs and 5 not in blobs
    with pytest.raises(NotFound, match=EMPTY):
        blobs.get(EMPTY)
    with pytest.raises(NotFound, match="cannot be read"):
        blobs.put_file(tmp_path / "missing")
    for hash in ("../store.json", EMPTY[:-1], EMPTY.upper()):
        with pytest.raises(InvalidValue, match="SHA-256"):
            blobs.get(hash)


def test_one_file_each_and_no_drafts(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    hashes = blobs.put_all([b"a", b"b", b"a"])
    hashes.append(blobs.put(b"c"))
    assert {path.name for path in (tmp_path / "blobs").iterdir()} == set(hashes)


def test_compressed_on_disk(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    hash = blobs.put(TEXT, compress=True)
    assert (tmp_path / hash).stat().st_size < len(TEXT) / 10
    assert (tmp_path / hash).read_bytes().startswith(ZSTD_MAGIC)
    short = blobs.put(b"ab", compress=True)
    assert (tmp_path / short).read_bytes() == b"ab"


def test_without_zstd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FolderBlobs(tmp_path)
    compressed = blobs.put(TEXT, compress=True)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    plain = blobs.put(TEXT + b"2", compress=True)
    assert blobs.get(plain) == (tmp_path / plain).read_bytes() == TEXT + b"2"
    with pytest.raises(MissingExtra, match=r"mltracker\[zstd\]"):
        blobs.get(compressed)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
@pytest.mark.parametrize("compress", [True, False])
def test_damage_is_found(tmp_path: Path, damage: str, compress: bool) -> None:
    blobs = FolderBlobs(tmp_path)
    path = tmp_path / blobs.put(TEXT, compress=compress)
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.write_bytes({"flip": flipped, "cut": content[:-1], "empty": b""}[damage])
    with pytest.raises(Damaged, match=path.name):
        blobs.get(path.name)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(AppendFailed, match="No space left"):
        blobs.put(TEXT)
    assert list((tmp_path / "blobs").iterdir()) == []


def test_of_a_log(tmp_path: Path) -> None:
    memory = MemoryLog()
    assert memory.blobs.get(memory.blobs.put(b"a")) == b"a"
    log = SegmentLog(tmp_path / "store")
    assert EMPTY not in log.blobs and not (tmp_path / "store").exists()
    hash = log.blobs.put(b"a")
    assert (tmp_path / "store" / "blobs" / hash).read_bytes() == b"a"
    reader = SegmentLog(tmp_path / "store", read_only=True)
    assert reader.blobs.get(hash) == b"a"
    with pytest.raises(ReadOnly):
        reader.blobs.put(b"b")
    with pytest.raises(ReadOnly):
        reader.blobs.put_file(tmp_path / "store" / "blobs" / hash)


def test_copy_into(tmp_path: Path) -> None:
    copy_into(b"a", tmp_path / "target")
    copy_into(b"b", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"b" and len(list(tmp_path.iterdir())) == 1
