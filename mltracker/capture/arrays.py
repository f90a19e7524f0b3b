"""The content of arrays and of plain values as digests, whatever their layout in memory.

Numbers are their bytes, little-endian in C order, NaNs all alike; 0.0 and -0.0 differ. Texts are UTF-8 and their
lengths, so that the width of a fixed-width array does not count.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array as packed
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import PurePath
from typing import Any
from uuid import UUID

from mltracker.capture.hashing import content, node
from mltracker.errors import InvalidValue
from mltracker.events.values import scalar

# NumPy is not imported here: whoever hands in an array has imported it. Its arrays have no type without it: hence Any.

_BLOCK, _COPIED = 1 << 18, 1 << 21
"""Elements that are looked at, and that are copied where they must be, at once."""


def array(values: Any, path: str) -> bytes:
    """The digest of a NumPy array. Raises InvalidValue for a dtype without a content that is the same everywhere."""
    np = sys.modules["numpy"]
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        return node("masked array", {}, [array(values.filled(_zero(values.dtype)), path), array(mask, path)])
    values = np.asarray(values)
    header = {"shape": list(values.shape), "dtype": dtype_name(values.dtype)}
    return node("array", header, _parts(values, path))


def _zero(dtype: Any) -> Any:
    return sys.modules["numpy"].zeros((), dtype=dtype)[()]


def dtype_name(dtype: Any) -> str:
    """The name of a NumPy dtype without its byte order; of texts without their width."""
    if dtype.names:
        return "record"
    return {"U": "str", "S": "bytes", "T": "str"}.get(dtype.kind) or str(dtype.newbyteorder("=").name)


def _parts(values: Any, path: str) -> Iterable[bytes]:
    kind, names = values.dtype.kind, values.dtype.names
    if names:
        return [node("field", {"name": name}, [array(values[name], path)]) for name in names]
    if kind in "USTO":
        return _texts(_encoded(values.ravel().tolist(), path))
    if kind in "mM":
        return [_numbers(values.view(values.dtype.str.replace(kind, "i").partition("[")[0]))]
    if kind == "V" or (kind in "fc" and values.dtype.itemsize > {"f": 8, "c": 16}[kind]):
        hint = "Convert it to float64 or another dtype first"
        raise InvalidValue(path, f"{values.dtype} has not the same bytes on every machine", hint=hint)
    return [_numbers(values)]


def _numbers(values: Any) -> bytes:
    np = sys.modules["numpy"]
    whole = sha256()
    for block in _blocks(values):
        little = block.astype(block.dtype.newbyteorder("<"), copy=False)
        if little.dtype.kind in "fc":
            little = _with_one_nan(little.view(f"<f{little.itemsize // 2}") if little.dtype.kind == "c" else little)
        whole.update(little.view(np.uint8))
    return whole.digest()


def _blocks(values: Any) -> Iterator[Any]:
    """Contiguous pieces in C order; only what is not contiguous is copied."""
    np = sys.modules["numpy"]
    if not values.size:
        return
    if values.flags.c_contiguous:
        flat = values.reshape(-1)
        yield from (flat[start : start + _BLOCK] for start in range(0, flat.size, _BLOCK))
        return
    rows = max(1, _COPIED * len(values) // values.size)
    for start in range(0, len(values), rows):
        piece = values[start : start + rows]
        yield from _blocks(piece[0] if piece.size > _COPIED else np.ascontiguousarray(piece))


def _with_one_nan(block: Any) -> Any:
    """NaNs come with any sign and payload, which differ between machines that computed the same."""
    np = sys.modules["numpy"]
    missing = np.isnan(block)
    if missing.any():
        block = block.copy()
        block[missing] = np.nan
    return block


def plain(values: Sequence[Any], path: str) -> bytes:
    """The digest of a sequence of plain values. Raises InvalidValue for one that is none."""
    return node("values", {"length": len(values)}, _texts(_encoded(values, path)))


def _texts(encoded: list[bytes]) -> list[bytes]:
    lengths = packed("q", map(len, encoded))
    if sys.byteorder == "big":
        lengths.byteswap()
    return [content(lengths.tobytes()), content(b"".join(encoded))]


def _encoded(values: Iterable[Any], path: str) -> list[bytes]:
    return [_plain(value, path) for value in values]


def plain_or_none(values: Sequence[Any]) -> bytes | None:
    """The same; None if one of them is not plain itself."""
    encoded: list[bytes] = []
    for value in values:
        spelled = _spelled(value)
        if spelled is None:
            return None
        encoded.append(spelled)
    return node("values", {"length": len(values)}, _texts(encoded))


def _plain(value: Any, path: str) -> bytes:
    spelled = _spelled(value)
    if spelled is None:
        nested = _nested(value, path)
        if nested is None:
            raise InvalidValue(path, f"holds a {type(value).__name__}, whose content is not known", hint=_HINT)
        return b"#" + nested
    return spelled


_HINT = "Give the numbers, texts, arrays or files that it is made of"


def _nested(value: Any, path: str) -> bytes | None:
    if isinstance(value, (list, tuple)):
        return plain(value, path)
    if isinstance(value, Mapping):
        pairs = sorted((_plain(key, path), _plain(item, path)) for key, item in value.items())
        return node("mapping of values", {}, [part for pair in pairs for part in pair])
    np = sys.modules.get("numpy")
    return array(value, path) if np is not None and isinstance(value, np.ndarray) else None


def _spelled(value: Any) -> bytes | None:
    """A plain value with a letter for its type."""
    if isinstance(value, str):
        return b"s" + str.encode(value, "utf-8", "surrogatepass")
    value = scalar(value)
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return b"n"
    if isinstance(value, (bool, int)):
        return b"%c%d" % (b"b" if isinstance(value, bool) else b"i", value)
    if isinstance(value, float):
        return b"f" + struct.pack("<d", math.nan if value != value else value)
    return _spelled_rarely(value)


def _spelled_rarely(value: Any) -> bytes | None:
    if isinstance(value, (bytes, bytearray)):
        return b"y" + bytes(value)
    if isinstance(value, str):  # a scalar of NumPy's times
        return b"s" + value.encode()
    if isinstance(value, complex):
        return b"c" + struct.pack("<dd", value.real, value.imag)
    if isinstance(value, (datetime, date, time)):
        return b"t" + value.isoformat().encode()
    if isinstance(value, timedelta):
        nanoseconds = getattr(value, "value", None)  # pandas' own is finer
        return b"d%d" % (nanoseconds if isinstance(nanoseconds, int) else value // timedelta(microseconds=1) * 1000)
    if isinstance(value, (Decimal, UUID)):
        return b"v" + type(value).__name__.encode() + b" " + str(value).encode()
    return b"p" + str(value).encode("utf-8", "surrogateescape") if isinstance(value, PurePath) else None
