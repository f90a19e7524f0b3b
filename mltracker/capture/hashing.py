"""Hashes that mean the same anywhere: of parameters, and of data.

Parameters. SHA-256, in hex, over UTF-8 canonical JSON: the parameters in the form in which an event stores them
(`events.values.encode`), keys sorted by code point at every level, no white space, text not escaped beyond what JSON
demands. A float is written with the fewest digits that give it back (`repr`), so 1 and 1.0 differ, as do 0.0 and -0.0;
NaN and the infinities are {"$float": "NaN"}.

Data. A node's digest is SHA-256 over frames; a frame is a length (8 bytes, big-endian) and that many bytes. The frames
are `mltracker data 1`, the node's kind, its header (canonical JSON) and one for each part: the digest (32 bytes) of
plain content or of another node. Kinds and headers tell things apart that have the same bytes; the lengths tell apart
what a concatenation would not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from mltracker.events.values import encode

FORMAT = b"mltracker data 1"


def canonical(value: Any) -> str:
    """The one JSON text of a value. Raises InvalidParameters for what has no JSON form."""
    return json.dumps(encode(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def of_parameters(parameters: Mapping[str, Any]) -> str:
    """The hash of parameters: 64 hex digits. Raises InvalidParameters for what has no JSON form."""
    return sha256(canonical(parameters).encode()).hexdigest()


def node(kind: str, header: Mapping[str, Any], parts: Iterable[bytes] = ()) -> bytes:
    """The digest of a piece of data: 32 bytes."""
    whole = sha256()
    for frame in (FORMAT, kind.encode(), canonical(header).encode(), *parts):
        whole.update(len(frame).to_bytes(8, "big"))
        whole.update(frame)
    return whole.digest()


def content(data: bytes | memoryview) -> bytes:
    """The digest of plain bytes, which are not copied: 32 bytes."""
    return sha256(data).digest()
