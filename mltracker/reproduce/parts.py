"""What recipes and verdicts are made of: strict, frozen, and written as JSON that brings back every bit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import orjson
from pydantic import BeforeValidator, PlainSerializer, ValidationError, ValidationInfo

from mltracker.errors import InvalidValue, NotFound
from mltracker.events import values
from mltracker.events.catalogue import Payload
from mltracker.events.fields import STORED

T = TypeVar("T", bound="Document")
UNFIT = (KeyError, TypeError, RecursionError)
"""What decoding raises for words, keys and depths that encoding never wrote."""


def _json(value: Any, info: ValidationInfo) -> Any:
    """Anything of JSON, as Python has it: read, `{"$float": "NaN"}` is a NaN."""
    field = info.field_name or "value"
    if info.context != STORED:
        return values.decode(values.encode(value, field))
    try:
        plain = values.decode(value)
        values.encode(plain, field)
    except UNFIT as error:
        raise InvalidValue(field, f"holds what no recipe would: {error}") from None
    return plain


def _number(value: Any, info: ValidationInfo) -> int | float:
    if info.context == STORED:
        try:
            value = values.decode_number(value)
        except UNFIT:
            raise InvalidValue("value", f"{value!r} is no number") from None
    return values.number("value", value)


Json = Annotated[Any, BeforeValidator(_json), PlainSerializer(values.encode)]
"""Anything of JSON, NaN and the infinities included."""
JsonObject = Annotated[
    dict[str, Any], BeforeValidator(_json), PlainSerializer(values.encode, return_type=dict[str, Any])
]
Number = Annotated[int | float, BeforeValidator(_number), PlainSerializer(values.encode_number)]
"""A metric's value: an int stays an int, NaN comes back as NaN."""


class Part(Payload):
    """A part of a document. Raises InvalidValue for what does not fit."""


class Document(Part):
    """What is saved as a file of its own. `format` grows with what an older release could not read."""

    format: int = 1

    def to_json(self, *, indent: bool = False) -> str:
        """All of it, as `load` takes it."""
        return orjson.dumps(self.model_dump(), option=orjson.OPT_INDENT_2 if indent else None).decode()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file. Raises OSError."""
        Path(path).write_text(self.to_json(indent=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, source: str | os.PathLike[str]) -> Self:
        """From a file, or from JSON text, which begins with a brace.

        Raises NotFound for a file that is not there, InvalidValue naming the field that does not fit.
        """
        return _loaded(cls, _read(cls.__name__.lower(), source))


def _read(kind: str, source: object) -> bytes:
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return source.encode(errors="surrogatepass")
    if not isinstance(source, str | os.PathLike):
        raise InvalidValue(kind, f"must be a path or JSON text, not {type(source).__name__}")
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {os.fspath(source)!r}") from None
    except (OSError, ValueError) as error:
        raise InvalidValue(kind, f"{os.fspath(source)!r} cannot be read: {error}") from None


def _loaded(cls: type[T], content: bytes) -> T:
    kind, newest = cls.__name__.lower(), cls.model_fields["format"].default
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidValue(kind, f"is no JSON: {error}") from None
    if not isinstance(data, Mapping):
        raise InvalidValue(kind, f"must be a JSON object, not {type(data).__name__}")
    found = data.get("format")
    if type(found) is not int or found < 1:
        raise InvalidValue(f"{kind}.format", f"must be a whole number from 1, not {found!r}")
    if found > newest:
        raise InvalidValue(
            f"{kind}.format", f"{found} is newer than this release reads ({newest})", hint="Update mltracker"
        )
    try:
        return cls.model_validate(data, context=STORED)
    except ValidationError as error:
        raise refusal(kind, error) from None


def refusal(kind: str, error: ValidationError) -> InvalidValue:
    """What is wrong first, with its place; the places of what is wrong besides."""
    first, *others = error.errors(include_url=False, include_input=False)
    places = [".".join([kind, *map(str, wrong["loc"])]) for wrong in (first, *others)]
    also = f"; also wrong: {', '.join(places[1:6])}" if others else ""
    return InvalidValue(places[0], first["msg"].removeprefix("Value error, ") + also)
