"""What every Checkpoints collection must do. Subclass `CheckpointsContract` and give it the fixture `checkpoints`."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mltracker.errors import InvalidName, InvalidValue, NotFound
from mltracker.models import Checkpoint
from mltracker.ports import Checkpoints
from tests.contracts.experiments import BAD_NAMES

CONTENTS = [b"", b"weights", bytes(range(256)) * 5000, b"\x28\xb5\x2f\xfd not really zstd", b"\x80\x04N."]


class CheckpointsContract:
    """`checkpoints` is the empty collection of an aggregate."""

    @pytest.fixture
    def checkpoints(self) -> Checkpoints:
        raise NotImplementedError

    def test_there_are_none_at_first(self, checkpoints: Checkpoints) -> None:
        assert checkpoints.list() == [] and len(checkpoints) == 0
        with pytest.raises(NotFound, match=r"no checkpoint 'best'.*has none"):
            checkpoints.load("best")

    @pytest.mark.parametrize("content", CONTENTS, ids=lambda content: f"{len(content)} bytes")
    @pytest.mark.parametrize("way", ["bytes", "view", "path", "text", "stream", "file"])
    def test_whatever_comes_in_comes_out(
        self, checkpoints: Checkpoints, tmp_path: Path, content: bytes, way: str
    ) -> None:
        path = tmp_path / "model.pt"
        path.write_bytes(content)
        with path.open("rb") as file:
            file.seek(0, io.SEEK_END)
            stream = io.BytesIO()
            stream.write(content)
            given: dict[str, Any] = {
                "bytes": content,
                "view": memoryview(content),
                "path": path,
                "text": str(path),
                "stream": stream,
                "file": file,
            }
            made = checkpoints.add(given[way])
        name = "model.pt" if way in ("path", "text") else "checkpoint"
        assert made == Checkpoint(name, sha256(content).hexdigest(), len(content))
        [found] = checkpoints.list()
        assert found == made
        assert (found.id, found.session) == (made.id, made.session)
        assert found.id and found.at and found.session and found.time
        for wanted in (found, name, found.hash):
            assert checkpoints.load(wanted) == content

    def test_by_name_oldest_first(self, checkpoints: Checkpoints) -> None:
        for name, content in (("best", b"1"), ("last", b"2"), ("best", b"3")):
            checkpoints.add(content, name)
        assert [one.name for one in checkpoints] == ["best", "last", "best"]
        assert [checkpoints.load(one) for one in checkpoints.list("best")] == [b"1", b"3"]
        assert checkpoints.load("best") == b"3"
        assert checkpoints.list("worst") == []
        with pytest.raises(NotFound, match=r"'worst'.*It has 'best', 'last'"):
            checkpoints.load("worst")

    def test_equal_contents_are_two_checkpoints(self, checkpoints: Checkpoints) -> None:
        one, other = checkpoints.add(b"same", "a"), checkpoints.add(b"same", "b")
        assert one is not None and other is not None
        assert one.hash == other.hash and len(checkpoints) == 2
        with pytest.raises(NotFound, match=f"no checkpoint with hash {'0' * 64}"):
            checkpoints.load("0" * 64)

    def test_load_writes_a_file_whole_or_not_at_all(self, checkpoints: Checkpoints, tmp_path: Path) -> None:
        checkpoints.add(b"weights", "best")
        target = tmp_path / "out.pt"
        target.write_bytes(b"older and longer")
        assert checkpoints.load("best", to=str(target)) == target
        assert target.read_bytes() == b"weights"
        for wrong, said in ((tmp_path, "is a folder"), (tmp_path / "none" / "out.pt", "cannot be written")):
            with pytest.raises(InvalidValue, match=said):
                checkpoints.load("best", to=wrong)
        assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out.pt"]

    @pytest.mark.parametrize("name", [name for name in BAD_NAMES if name is not None], ids=repr)
    def test_bad_names_are_refused(self, checkpoints: Checkpoints, name: str) -> None:
        with pytest.raises(InvalidName, match="name"):
            checkpoints.add(b"weights", name)
        assert checkpoints.list() == []

    def test_what_is_no_content_is_refused(self, checkpoints: Checkpoints, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match=r"gone\.pt"):
            checkpoints.add(tmp_path / "gone.pt")
        with pytest.raises(NotFound, match=r"directory"):
            checkpoints.add(tmp_path)
        with pytest.raises(InvalidValue, match="not dict"):
            checkpoints.add({"weights": 1})  # type: ignore[arg-type]
        with pytest.raises(InvalidValue, match="cannot be read as bytes"):
            checkpoints.add(io.StringIO("text"))  # type: ignore[arg-type]
        with (tmp_path / "written").open("wb") as file, pytest.raises(InvalidValue, match="cannot be read as bytes"):
            checkpoints.add(file)
        with pytest.raises(InvalidValue, match="not int"):
            checkpoints.load(3)  # type: ignore[arg-type,call-overload]
        assert checkpoints.list() == []
