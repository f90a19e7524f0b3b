"""The rules that what users pass must keep. Each error names the field and the rule."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mltracker.errors import InvalidParameters, InvalidValue
from mltracker.events import redaction, values
from mltracker.events.catalogue import DatasetData, ModuleData
from mltracker.models import Dataset, Module

LARGEST = 2**63 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")


def name(field: str, value: object, *, slashes: bool = True) -> str:
    """A name of 1 to 256 characters, none of them a control character, where said no slash. Raises InvalidName."""
    return values.name(field, value, slashes=slashes)


def optional_name(field: str, value: object) -> str | None:
    """A name, or None. Raises InvalidName."""
    return None if value is None else name(field, value)


def place(field: str, value: object) -> int | None:
    """A step, epoch or batch: an int of any library within signed 64 bits, or None. Raises InvalidValue."""
    if value is None:
        return None
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        raise InvalidValue(field, "must be an int, not a bool")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidValue(field, f"must be an int, not {type(value).__name__}") from None
    if not -LARGEST <= number <= LARGEST:
        raise InvalidValue(field, f"must fit into signed 64 bits: {number}")
    return number


def text(field: str, value: object) -> str:
    """Free text. Raises InvalidValue."""
    if not isinstance(value, str):
        raise InvalidValue(field, f"must be a string, not {type(value).__name__}")
    if _SURROGATE.search(value):
        raise InvalidValue(field, "must not hold lone surrogates")
    return str.__str__(value)


def parameters(field: str, value: object) -> dict[str, Any]:
    """A mapping of what JSON can hold, as plain Python without secrets.

    Raises InvalidParameters with the path inside.
    """
    if not isinstance(value, Mapping):
        raise InvalidParameters(field, f"must be a mapping, not {type(value).__name__}")
    plain = redaction.parameters(values.decode(values.encode(value, field)))  # here too, to compare with what is known
    assert isinstance(plain, dict)
    return plain


def flat(field: str, value: object) -> dict[str, Any]:
    """A nested mapping with its keys joined by dots. Raises InvalidParameters with the path inside."""
    return values.flatten(parameters(field, value))


def module(value: object, field: str = "module") -> ModuleData:
    """Raises InvalidParameters, InvalidValue."""
    if not isinstance(value, Module):
        raise InvalidValue(field, f"must be a Module, not {type(value).__name__}")
    return ModuleData(
        type=name(f"{field}.type", value.type),
        hash=name(f"{field}.hash", value.hash),
        name=name(f"{field}.name", value.name),
        parameters=parameters(f"{field}.parameters", value.parameters),
    )


def modules(items: object, field: str = "modules") -> list[ModuleData]:
    """Raises InvalidParameters, InvalidValue."""
    try:
        listed = list(items)  # type: ignore[call-overload]
    except TypeError:
        raise InvalidValue(field, f"must be modules, not {type(items).__name__}") from None
    return [module(item, f"{field}[{index}]") for index, item in enumerate(listed)]


def dataset(value: object, field: str = "dataset") -> DatasetData | None:
    """Raises InvalidParameters, InvalidValue."""
    if value is None:
        return None
    if not isinstance(value, Dataset):
        raise InvalidValue(field, f"must be a Dataset, not {type(value).__name__}")
    return DatasetData(
        hash=name(f"{field}.hash", value.hash),
        name=name(f"{field}.name", value.name),
        parameters=parameters(f"{field}.parameters", value.parameters),
    )


def numbers(items: object, field: str = "metrics") -> dict[str, int | float]:
    """Metrics by name. Raises InvalidMetric, InvalidValue."""
    if not isinstance(items, Mapping):
        raise InvalidValue(field, f"must be a mapping of names to numbers, not {type(items).__name__}")
    return {name("metric name", key): values.number(key, value) for key, value in items.items()}


def keys(field: str, items: Sequence[object]) -> list[str]:
    """Keys of parameters: any text. Raises InvalidValue."""
    return [text(field, item) for item in items]
