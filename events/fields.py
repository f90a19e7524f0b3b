"""The kinds of fields that events are made of: strict on writing, lenient on reading.

`load` passes the context "stored": then words such as "NaN" become floats again, and rules that a later release may
have loosened are not applied to what is history. Secrets are cut out on writing (see `redaction`), never out of ids,
hashes and the names by which things are found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)

from mltracker.errors import InvalidValue
from mltracker.events import redaction, values

STORED = "stored"
OF_FILES_AND_PACKAGES = frozenset(("code", "packages", "editable"))
"""Of an environment: keys in there are paths and packages (`token.py`, `detect-secrets`) and tell nothing."""
KEY_PATTERN = r"^([0-9a-f]{32}:(0|[1-9][0-9]{0,18}))?$"


def _number(value: Any, info: ValidationInfo) -> int | float:
    """One value of a series, whose name is a field before it."""
    if info.context == STORED:
        return values.number("value", values.decode_number(value))
    return values.number(info.data.get("name", "value"), value)


def _numbers(value: Any, info: ValidationInfo) -> Any:
    """Values by the metric's name."""
    if not isinstance(value, Mapping):
        return value
    if info.context == STORED:
        return {name: values.number(name, values.decode_number(number)) for name, number in value.items()}
    return {name: values.number(name, number) for name, number in value.items()}


def _parameters(value: Any, info: ValidationInfo) -> Any:
    if info.context == STORED:
        return values.decode(value)
    return redaction.parameters(values.decode(values.encode(value, info.field_name or "parameters")))


def _environment(value: Any, info: ValidationInfo) -> Any:
    if info.context == STORED or not isinstance(value, Mapping):
        return _parameters(value, info)
    plain = values.decode(values.encode(value, info.field_name or "environment"))
    return {
        key: redaction.contents(item) if key in OF_FILES_AND_PACKAGES else redaction.under(key, item)
        for key, item in plain.items()
    }


def _free_text(value: str, info: ValidationInfo) -> str:
    return value if info.context == STORED else redaction.text(value)


def _command(value: list[str], info: ValidationInfo) -> list[str]:
    return value if info.context == STORED else redaction.command(value)


def column(value: Any, info: ValidationInfo) -> list[Any]:
    """A list out of what holds its elements in order; nothing else is one."""
    if isinstance(value, (list, tuple, range)):
        return list(value)
    if hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1:
        return list(value.tolist())
    raise InvalidValue(info.field_name or "value", f"must be a list, not {type(value).__name__}")


def _text(value: str, info: ValidationInfo) -> str:
    return value if info.context == STORED else values.text(value, info.field_name or "text")


def _named(slashes: bool) -> Callable[[str, ValidationInfo], str]:
    def check(value: str, info: ValidationInfo) -> str:
        if info.context == STORED:
            return value
        return values.name(info.field_name or "name", value, slashes=slashes)

    return check


Text = Annotated[str, Field(strict=True), AfterValidator(_text)]
Name = Annotated[Text, AfterValidator(_named(slashes=True))]
PlainName = Annotated[Name, AfterValidator(_free_text)]
"""A name by which nothing is found: it may well be a URL."""
PathName = Annotated[Text, AfterValidator(_named(slashes=False))]
"""A name that also stands in paths, `experiment/aggregate`: no slashes."""
Key = Annotated[str, Field(strict=True, pattern=KEY_PATTERN)]
"""The id of an event, `writer:seq`, or nothing."""
Count = Annotated[int, BeforeValidator(values.scalar), Field(strict=True, ge=-(2**63), le=2**63 - 1)]
Seconds = Annotated[float, BeforeValidator(values.scalar), Field(strict=True, allow_inf_nan=False)]
_Written = Annotated[
    Any,
    PlainSerializer(values.encode_number),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": list(values.NON_FINITE)}]}),
]
Values = Annotated[dict[Name, _Written], BeforeValidator(_numbers)]
"""Numbers by metric."""
Numbers = Annotated[list[Annotated[_Written, BeforeValidator(_number)]], BeforeValidator(column)]
Counts = Annotated[list[Count], BeforeValidator(column)]
Texts = Annotated[list[Text], BeforeValidator(column)]
FreeText = Annotated[Text, AfterValidator(_free_text)]
"""What people and errors say."""
CommandLine = Annotated[Texts, AfterValidator(_command)]
Parameters = Annotated[
    dict[str, Any], BeforeValidator(_parameters), PlainSerializer(values.encode, return_type=dict[str, Any])
]
Environment = Annotated[
    dict[str, Any], BeforeValidator(_environment), PlainSerializer(values.encode, return_type=dict[str, Any])
]
Vector = dict[Text, Count]
"""A position: the last seq seen of each writer."""
