"""Contents kept by their SHA-256: code and checkpoints, beside the events that name them.

A blob is one file, `blobs/<sha256>`, written once and never changed. One that was asked to be compressed begins with
the magic of a zstd frame (RFC 8878) unless its content itself has that name; the name is always that of the content.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from mltracker.errors import AppendFailed, Damaged, InvalidValue, MissingExtra, NotFound, ReadOnly

CHUNK = 1 << 20
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
HASH = re.compile("[0-9a-f]{64}")


class Blobs(ABC):
    """Contents by their SHA-256 in hex. Putting one twice keeps one."""

    @abstractmethod
    def put(self, content: bytes, *, compress: bool = False) -> str:
        """Keep it durably; answers its hash. Compressed where asked and zstd is at hand.

        Raises AppendFailed, ReadOnly.
        """

    def put_all(self, contents: Iterable[bytes], *, compress: bool = False) -> list[str]:
        """Keep many durably, in less time than one by one; answers their hashes. Raises AppendFailed, ReadOnly."""
        return [self.put(content, compress=compress) for content in contents]

    @abstractmethod
    def put_file(self, path: Path) -> tuple[str, int]:
        """Keep a copy of a file, streamed; answers its hash and size in bytes.

        Raises NotFound, AppendFailed, ReadOnly.
        """

    @abstractmethod
    def get(self, hash: str) -> bytes:
        """The content, checked. Raises NotFound, Damaged, InvalidValue for what is no hash, MissingExtra for zstd."""

    @abstractmethod
    def __contains__(self, hash: object) -> bool: ...


class MemoryBlobs(Blobs):
    """Blobs of a store in memory."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, content: bytes, *, compress: bool = False) -> str:
        hash = sha256(content).hexdigest()
        self._contents[hash] = bytes(content)
        return hash

    def put_file(self, path: Path) -> tuple[str, int]:
        content = b"".join(_chunks(path))
        return self.put(content), len(content)

    def get(self, hash: str) -> bytes:
        _require_hash(hash)
        try:
            return self._contents[hash]
        except KeyError:
            raise NotFound(f"there is no blob {hash}") from None

    def __contains__(self, hash: object) -> bool:
        return hash in self._contents


class FolderBlobs(Blobs):
    """Blobs as files of one folder, which is made when the first one comes."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._folder = folder
        self._read_only = read_only

    def put(self, content: bytes, *, compress: bool = False) -> str:
        return self.put_all([content], compress=compress)[0]

    def put_all(self, contents: Iterable[bytes], *, compress: bool = False) -> list[str]:
        hashes: list[str] = []
        drafts: dict[str, Path] = {}
        try:
            for content in contents:
                hash = sha256(content).hexdigest()
                hashes.append(hash)
                if hash not in drafts and hash not in self:
                    drafts[hash] = self._draft()
                    drafts[hash].write_bytes(_compressed(content) if compress else content)
            for draft in drafts.values():  # after all were written: the first sync then carries most of them
                _sync(draft)
            self._name(drafts)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            for draft in drafts.values():
                draft.unlink(missing_ok=True)
        return hashes

    def put_file(self, path: Path) -> tuple[str, int]:
        draft = self._draft()
        digest, size = sha256(), 0
        try:
            with draft.open("wb") as file:
                for chunk in _chunks(path):
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            _sync(draft)
            self._name({digest.hexdigest(): draft})
        except OSError as error:
            raise self._failed(error) from error
        finally:
            draft.unlink(missing_ok=True)
        return digest.hexdigest(), size

    def get(self, hash: str) -> bytes:
        _require_hash(hash)
        path = self._folder / hash
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"there is no blob {hash}", hint="It may be in the store this one was pulled from") from None
        if sha256(content).hexdigest() == hash:
            return content
        if content.startswith(ZSTD_MAGIC):
            plain = _decompressed(content, path)
            if sha256(plain).hexdigest() == hash:
                return plain
        raise Damaged("does not have the SHA-256 that is its name", path=str(path), hint="Take it from another store")

    def __contains__(self, hash: object) -> bool:
        return isinstance(hash, str) and HASH.fullmatch(hash) is not None and (self._folder / hash).exists()

    def _draft(self) -> Path:
        if self._read_only:
            raise ReadOnly(f"{self._folder.parent} was opened read-only", hint="Open it without read_only=True")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error
        return self._folder / f"{secrets.token_hex(8)}.tmp"

    def _name(self, drafts: Mapping[str, Path]) -> None:
        for hash, draft in drafts.items():
            draft.replace(self._folder / hash)
        if drafts:
            _sync(self._folder)

    def _failed(self, error: OSError) -> AppendFailed:
        return AppendFailed(f"the blob was not kept: {error.strerror or error}", path=str(self._folder))


def _sync(path: Path) -> None:
    """Make a file's content, or a folder's names, durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def copy_into(content: bytes, target: Path) -> None:
    """Write a blob's content to a file of the user's, all or nothing. Raises OSError."""
    draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        draft.write_bytes(content)
        shutil.move(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


def _require_hash(hash: object) -> None:
    if not isinstance(hash, str) or HASH.fullmatch(hash) is None:
        raise InvalidValue("hash", f"must be a SHA-256 in hex, not {hash!r}")


def _compressed(content: bytes) -> bytes:
    try:
        import zstandard
    except ImportError:
        return content
    frame = zstandard.ZstdCompressor().compress(content)
    return frame if len(frame) < len(content) else content


def _decompressed(frame: bytes, path: Path) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise MissingExtra("zstandard", "zstd") from None
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(frame)
    except zstandard.ZstdError as error:
        raise Damaged(f"is no whole zstd frame: {error}", path=str(path), hint="Take it from another store") from error
