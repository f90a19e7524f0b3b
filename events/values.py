"""Numbers and parameters between Python and JSON, without losing a bit.

JSON has no NaN and no infinities. A metric's value writes them as the strings "NaN", "Infinity", "-Infinity";
parameters, where a string may be just a string, as {"$float": "NaN"}, and a user's key that starts with "$" gains
another one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Set
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from mltracker.errors import InvalidMetric, InvalidName, InvalidParameters

INT64 = range(-(2**63), 2**63)
DEEPEST = 64
NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
LONGEST_NAME = 256
UNFIT_FOR_NAMES = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def name(field: str, value: Any, *, slashes: bool = True) -> str:
    """A name or id that keeps the rules, as a plain str. Raises InvalidName naming the field and the rule."""
    if not isinstance(value, str):
        raise InvalidName(field, f"must be a string, not {type(value).__name__}")
    if not 1 <= len(value) <= LONGEST_NAME:
        raise InvalidName(field, f"must have 1 to {LONGEST_NAME} characters, not {len(value)}")
    if UNFIT_FOR_NAMES.search(value):
        raise InvalidName(field, f"must hold no control characters: {value!r}")
    if not slashes and ("/" in value or "\\" in value):
        raise InvalidName(field, f"must hold no slash or backslash: {value!r}")
    return str.__str__(value)  # an Enum's own would give its name


def spell(value: float) -> str:
    """The word for a float that JSON cannot write."""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def scalar(value: Any) -> Any:
    """A NumPy or torch scalar as a Python one; anything else, arrays of size 1 included, as it is."""
    if getattr(value, "shape", None) != () or not hasattr(value, "item"):
        return value
    plain = value.item()
    is_time = getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M")
    return str(value) if is_time and isinstance(plain, int) else plain


def number(name: str, value: Any) -> int | float:
    """A metric's value as a Python int or float. Raises InvalidMetric naming the metric and the type."""
    plain = scalar(value)
    if isinstance(plain, bool) or not isinstance(plain, (int, float)):
        raise InvalidMetric(f"metric {name!r}", f"a value must be a number, not {type(value).__name__}")
    if isinstance(plain, int):
        whole = int(plain)  # a range finds an int at once, but looks for one of a subclass from end to end
        if whole not in INT64:
            raise InvalidMetric(f"metric {name!r}", "an int must fit into signed 64 bits")
        return whole
    return float(plain)


def encode_number(value: int | float) -> int | float | str:
    """A metric's value as it stands in a line."""
    return value if isinstance(value, int) or math.isfinite(value) else spell(value)


def decode_number(value: int | float | str) -> int | float:
    """A metric's value as it stood in a line. Raises KeyError for an unknown word."""
    return NON_FINITE[value] if isinstance(value, str) else value


def encode(value: Any, path: str = "parameters", depth: int = 0) -> Any:
    """Anything of JSON, and what has an obvious JSON form, as plain JSON. Raises InvalidParameters with the path."""
    if depth > DEEPEST:
        raise InvalidParameters(path, f"nesting beyond {DEEPEST} levels")
    value = scalar(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return encode(value.value, path, depth)
    if isinstance(value, str):
        return text(value, path)
    if isinstance(value, int):
        whole = int(value)
        if whole not in INT64:
            raise InvalidParameters(path, "an int must fit into signed 64 bits")
        return whole
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": spell(value)}
    if isinstance(value, Mapping):
        return {_key(key, path): encode(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    return _named_forms(value, path, depth)


def _named_forms(value: Any, path: str, depth: int) -> Any:
    if isinstance(value, Set):
        return sorted((encode(item, path, depth + 1) for item in value), key=lambda item: (str(type(item)), str(item)))
    if isinstance(value, (PurePath, UUID)):
        return text(str(value), path)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if hasattr(value, "tolist") and getattr(value, "ndim", False):
        return encode(value.tolist(), path, depth)
    raise InvalidParameters(
        path, f"{type(value).__name__} has no JSON form", hint="Pass numbers, text, lists and mappings of them"
    )


def text(value: str, path: str) -> str:
    """Text that UTF-8 can hold, as a plain str. Raises InvalidParameters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidParameters(path, "text with a lone surrogate, which UTF-8 cannot hold") from None
    return str.__str__(value)


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidParameters(f"{path}.{key!r}", f"a key must be a string, not {type(key).__name__}")
    plain = text(key, path)
    return "$" + plain if plain.startswith("$") else plain


def decode(value: Any) -> Any:
    """What `encode` wrote, with its NaNs, infinities and keys as they were."""
    if isinstance(value, dict):
        if len(value) == 1 and "$float" in value:
            return NON_FINITE[value["$float"]]
        return {key[1:] if key.startswith("$") else key: decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return value


def flatten(nested: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """A nested mapping with its keys joined by dots: {"a": {"b": 1}} -> {"a.b": 1}. An empty mapping is a leaf.

    Raises InvalidParameters for a key that is no string and for nesting beyond 64 levels.
    """
    if depth > DEEPEST:
        raise InvalidParameters(prefix[:100], f"nesting beyond {DEEPEST} levels")
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if not isinstance(key, str):
            raise InvalidParameters(f"{prefix}{key!r}", f"a key must be a string, not {type(key).__name__}")
        if isinstance(value, Mapping) and value and not (len(value) == 1 and "$float" in value):
            flat.update(flatten(value, f"{prefix}{key}.", depth + 1))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
