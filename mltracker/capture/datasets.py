"""A dataset's identity from the data itself: the same content, the same hash."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from itertools import islice
from pathlib import Path
from typing import Any

from mltracker.capture import arrays, files, fingerprints
from mltracker.capture.hashing import node
from mltracker.capture.loaded import is_a
from mltracker.errors import InvalidValue
from mltracker.events.values import DEEPEST
from mltracker.models import Dataset

_DESCRIPTIVE = frozenset(
    ("DESCR", "filename", "data_filename", "target_filename", "data_module", "details", "url", "categories")
)
"""What scikit-learn's Bunch says about data, which is not data."""
_TOLD = 16
_LOOKED_AT = 1000


def dataset_of(data: Any, name: str | None, parameters: Mapping[str, Any] | None) -> Dataset:
    """See `Dataset.of`."""
    if isinstance(data, (str, os.PathLike)):
        data = Path(data)
    facts, digest = _of(data, "data", 0)
    called = data.name or data.resolve().name if isinstance(data, Path) else type(data).__name__
    return Dataset(digest.hex(), name or called or str(data), {**facts, **(parameters or {})})


def _of(data: Any, path: str, depth: int) -> tuple[dict[str, Any], bytes]:
    """Facts and digest of anything."""
    if depth > DEEPEST:
        raise InvalidValue(path, f"nesting beyond {DEEPEST} levels")
    if isinstance(data, Path):
        found = files.path(data)
        facts = {"kind": "folder", "files": found.files} if data.is_dir() else {"kind": "file"}
        return {**facts, "bytes": found.bytes}, found.digest
    if fingerprints.knows(data):
        return fingerprints.fingerprint(data, path)
    if isinstance(data, Mapping):
        return _mapping(data, path, depth)
    if isinstance(data, (list, tuple)):
        return _sequence(data, path, depth)
    if depth and (digest := arrays.plain_or_none([data])):
        return {"kind": type(data).__name__}, digest
    return _torch_dataset(data, path, depth)


def _mapping(data: Mapping[Any, Any], path: str, depth: int) -> tuple[dict[str, Any], bytes]:
    if is_a(data, "sklearn.utils", "Bunch"):
        data = {key: value for key, value in data.items() if key not in _DESCRIPTIVE}
    values = _as_paths(list(data.values()), path)
    parts = [
        (arrays.plain([key], path), key, *_of(value, f"{path}[{key!r}]", depth + 1))
        for key, value in zip(data, values, strict=True)
    ]
    parts.sort(key=lambda part: part[0])
    digest = node("mapping", {"length": len(parts)}, [half for key, _, _, value in parts for half in (key, value)])
    told = {str(key): facts for _, key, facts, _ in parts} if len(parts) <= _TOLD else {}
    return {"kind": "mapping", "items": len(parts), **({"parts": told} if told else {})}, digest


def _sequence(data: Sequence[Any], path: str, depth: int) -> tuple[dict[str, Any], bytes]:
    data = _as_paths(data, path)
    facts: dict[str, Any] = {"kind": "sequence", "items": len(data)}
    if not any(isinstance(item, Path) for item in data) and (digest := arrays.plain_or_none(data)):
        return facts, digest
    parts = [_of(item, f"{path}[{at}]", depth + 1) for at, item in enumerate(data)]
    if len(parts) <= _TOLD:
        facts["parts"] = [told for told, _ in parts]
    return facts, node("sequence", {"length": len(parts)}, (digest for _, digest in parts))


def _as_paths(values: Sequence[Any], path: str) -> Sequence[Any]:
    """Texts written as paths ("a.csv", "data/train") are paths if they lead somewhere; other texts are data.

    Raises InvalidValue where it is not clear which they are: only some are there, or they are there but could be words.
    """
    if not values or not all(isinstance(value, str) for value in values):
        return values
    there = [_exists(value) for value in islice(values, _LOOKED_AT)]
    written = any(there) and all(map(_is_written_as_path, values))
    if not any(there) or not (written or all(there)):
        return values
    missing = [value for value in values if not _exists(value)]
    if written and not missing:
        return [Path(value) for value in values]
    what = f"some of these texts name files, {missing[0]!r} does not" if missing else "these texts also name files"
    raise InvalidValue(path, what, hint="Give paths as pathlib.Path, and texts that are data in an array")


def _is_written_as_path(text: str) -> bool:
    return "/" in text or os.sep in text or bool(Path(text).suffix)


def _exists(text: str) -> bool:
    try:
        return Path(text).name not in ("", "..") and Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or a null character in it
        return False


def _torch_dataset(data: Any, path: str, depth: int) -> tuple[dict[str, Any], bytes]:
    """Datasets of torch that are made of tensors, or of such datasets; a loader's is the one that it loads."""
    if is_a(data, "torch.utils.data", "DataLoader"):
        return _of(data.dataset, f"{path}.dataset", depth + 1)
    if is_a(data, "torch.utils.data", "TensorDataset"):
        return _made_of("TensorDataset", {"items": len(data)}, list(data.tensors), path, depth)
    if is_a(data, "torch.utils.data", "Subset"):
        indices = [int(index) for index in data.indices]
        return _made_of("Subset", {"items": len(indices)}, [data.dataset, indices], path, depth)
    if is_a(data, "torch.utils.data", "ConcatDataset"):
        return _made_of("ConcatDataset", {"items": len(data)}, list(data.datasets), path, depth)
    raise _unknown(data, path)


def _made_of(
    kind: str, facts: dict[str, Any], parts: Sequence[Any], path: str, depth: int
) -> tuple[dict[str, Any], bytes]:
    found = [_of(part, f"{path}.{at}", depth + 1) for at, part in enumerate(parts)]
    told = [told for told, _ in found]
    return {"kind": kind, **facts, "parts": told}, node(kind, {}, [digest for _, digest in found])


def _unknown(data: Any, path: str) -> InvalidValue:
    cls = type(data).__name__
    if isinstance(data, Set):
        return InvalidValue(path, f"a {cls} has no order", hint="Give sorted(data)")
    if hasattr(data, "__next__"):
        return InvalidValue(path, f"a {cls} can be read only once", hint="Give list(data), or the files it reads")
    return InvalidValue(
        path, f"the content of a {cls} is not known",
        hint="Give the arrays, frames, tensors, files or folders that it reads, or a list or mapping of them",
    )  # fmt: skip
