"""What lies where in a store's folder, and the lines that are no events: headers, seals, skips (events/FORMAT.md)."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import orjson

from mltracker.errors import NewerFormat, NotAStore
from mltracker.events.envelope import CRC_TAIL, CRC_TAIL_LENGTH

FORMAT = 1
HEADER_START = b'{"mltracker":'
SEAL_START = b'{"seal":'
SUFFIX = ".jsonl"
OURS = ("store.json", "events", "blobs", "projections", "lock")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of each part. `first` is the seq of its first event, `state` the CRC-32 state before it."""

    writer: str
    part: int
    first: int
    state: int
    host: str
    machine: str
    boot: str
    pid: int
    locked: bool

    def encode(self) -> bytes:
        return _closed({"mltracker": FORMAT, **asdict(self), "state": f"{self.state:08x}"})


@dataclass(frozen=True, slots=True)
class Seal:
    """The end of a writer's file: `count` events, the `last` seq, SHA-256 of all bytes before the seal."""

    writer: str
    count: int
    last: int
    sha256: str

    def encode(self) -> bytes:
        return _closed({"seal": FORMAT, **asdict(self)})


@dataclass(frozen=True, slots=True)
class Skip:
    """The bytes `start` to `end` of a damaged segment are passed over; void unless their SHA-256 is `sha256`."""

    start: int
    end: int
    sha256: str
    why: str

    def encode(self) -> bytes:
        return orjson.dumps({"from": self.start, "to": self.end, "sha256": self.sha256, "why": self.why}) + b"\n"


def _closed(fields: dict[str, object]) -> bytes:
    """A line whose own CRC-32 stands at its end."""
    body = orjson.dumps(fields)[:-1]
    return body + CRC_TAIL % crc32(body)


def _opened(line: bytes) -> dict[str, object] | None:
    """The fields of such a line, or None if its bytes do not verify."""
    body = line[:-CRC_TAIL_LENGTH]
    if line[-CRC_TAIL_LENGTH:] != CRC_TAIL % crc32(body):
        return None
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def decode_header(line: bytes) -> Header | None:
    """The header on this line, or None if it is none. Raises NewerFormat."""
    fields = _opened(line) if line.startswith(HEADER_START) else None
    if fields is None:
        return None
    if fields.get("mltracker") != FORMAT:
        raise NewerFormat(f"a segment of format {fields.get('mltracker')}", hint="Update mltracker")
    try:
        known = {name: fields[name] for name in Header.__slots__}
        return Header(**{**known, "state": int(str(known["state"]), 16)})  # type: ignore[arg-type]
    except (KeyError, ValueError):
        return None


def decode_seal(line: bytes) -> Seal | None:
    """The seal on this line, or None if it is none or does not verify."""
    fields = _opened(line) if line.startswith(SEAL_START) else None
    try:
        return fields and Seal(**{name: fields[name] for name in Seal.__slots__})  # type: ignore[arg-type,return-value]
    except KeyError:
        return None


def read_skips(segment: Path) -> list[Skip]:
    """What the sidecar of a segment says to pass over; nothing where there is none or it is unreadable."""
    try:
        lines = segment.with_suffix(".skip").read_bytes().splitlines()
        fields = [orjson.loads(line) for line in lines]
        return [Skip(f["from"], f["to"], f["sha256"], f["why"]) for f in fields]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return []


def segment_path(folder: Path, writer: str, part: int) -> Path:
    return folder / "events" / f"{writer}.{part}{SUFFIX}"


def segment_names(events: Path, suffix: str = SUFFIX) -> list[str]:
    """The names of all segments, or sidecars, sorted; none where the folder does not exist yet."""
    try:
        return sorted(entry.name for entry in os.scandir(events) if entry.name.endswith(suffix))
    except (FileNotFoundError, NotADirectoryError):
        return []


def check_store(folder: Path, *, to_read: bool = False) -> None:
    """Raise NotAStore or NewerFormat where the folder is no store. A missing or empty one can become one.

    `to_read`: an unreadable store.json is passed over, for the events do not need it.
    """
    if folder.exists() and not folder.is_dir():
        raise NotAStore("is a file, not a folder", path=str(folder), hint="Name the store's folder")
    try:
        format_ = _format(folder)
    except (FileNotFoundError, NotADirectoryError):
        foreign = folder.is_dir() and [e.name for e in os.scandir(folder) if not e.name.startswith(OURS)]
        if foreign:
            raise NotAStore(
                f"holds other things ({foreign[0]}) and no store.json", path=str(folder), hint="Name an empty folder"
            ) from None
        return
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        if to_read:
            return
        raise NotAStore(
            "store.json is unreadable", path=str(folder / "store.json"),
            hint='The events are not harmed; write {"format":1} into it',
        ) from error  # fmt: skip
    if format_ > FORMAT:
        raise NewerFormat(f"format {format_} is newer than {FORMAT}", path=str(folder), hint="Update mltracker")


def _format(folder: Path) -> int:
    format_ = orjson.loads((folder / "store.json").read_bytes())["format"]
    if not isinstance(format_, int):
        raise TypeError("the format is no number")
    return format_


def make_store(folder: Path) -> None:
    """Create what is missing of a store's folder, durably. Raises OSError."""
    (folder / "events").mkdir(parents=True, exist_ok=True)
    path = folder / "store.json"
    if not path.exists():
        draft = folder / f"store.json.{secrets.token_hex(4)}"
        write_durably(draft, orjson.dumps({"format": FORMAT, "id": secrets.token_hex(16)}) + b"\n")
        try:
            os.link(draft, path)  # the first of several starters wins
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            draft.replace(path)
        draft.unlink(missing_ok=True)
    sync_folder(folder)
    sync_folder(folder.parent)


def write_durably(path: Path, content: bytes) -> None:
    """Write a whole small file and fsync it. Raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, content: bytes) -> None:
    """Put a whole file in place of another at once: temp, fsync, rename, fsync of the folder. Raises OSError."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    write_durably(draft, content)
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@cache
def host() -> str:
    return socket.gethostname()


@cache
def machine() -> str:
    """A digest of this machine's id; empty where it has none (a container)."""
    text = _first_line("/etc/machine-id")
    return sha256(text.encode()).hexdigest()[:16] if text else ""


@cache
def boot() -> str:
    """This boot of this kernel; empty where the system does not say."""
    return _first_line("/proc/sys/kernel/random/boot_id")


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
