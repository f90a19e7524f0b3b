"""What the objects of well-known libraries were made with.

A library is looked at only if the program has imported it; none is imported here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mltracker.capture import torch_objects
from mltracker.capture.loaded import is_a, loaded


def described(thing: Any) -> Mapping[str, Any] | None:
    """What a library says that its object was made with, by name; None for an object of none of them."""
    if isinstance(thing, type):
        return None
    if isinstance(elsewhere := getattr(thing, "__model__arguments__", None), dict):
        return elsewhere
    if is_a(thing, "pydantic", "BaseModel"):
        return _pydantic(thing)
    if (told := torch_objects.arguments(thing)) is not None:
        return told
    if is_a(thing, "sklearn.base", "BaseEstimator"):
        return dict(thing.get_params(deep=False))
    if _is_keras(thing):
        return _keras(thing)
    if dataclasses.is_dataclass(thing):
        return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing) if field.init}
    return None


def given_elsewhere(thing: Any) -> tuple[str | None, str | None]:
    """The name and the hash that torchsystem.registry or mlregistry were told for an object."""
    if isinstance(thing, type):
        return None, None
    name, given = getattr(thing, "__model__name__", None), getattr(thing, "__model__hash__", None)
    return name if isinstance(name, str) else None, given if isinstance(given, str) else None


def keeps_its_own_fields(cls: type) -> bool:
    """Whether objects of this class hold nothing but what they were made with, and mind other attributes."""
    return issubclass(cls, loaded("pydantic", "BaseModel"))


def _pydantic(model: Any) -> dict[str, Any]:
    fields = type(model).model_fields.items()
    named = {name: getattr(model, name) for name, field in fields if not field.exclude}
    named |= model.model_extra or {}
    secret = ("SecretStr", "SecretBytes")  # their text is stars
    return {name: str(value) if is_a(value, "pydantic", *secret) else value for name, value in named.items()}


def _is_keras(thing: Any) -> bool:
    origins = {cls.__module__.partition(".")[0] for cls in type(thing).__mro__}
    return bool(origins & {"keras", "tf_keras", "tensorflow"}) and hasattr(thing, "get_config")


def _keras(thing: Any) -> dict[str, Any]:
    """The configuration, but for what building adds; automatic names ("dense_7") count anew from the first."""
    config = {key: value for key, value in thing.get_config().items() if key not in ("build_input_shape", "name")}
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name in _names_in(config):
        base = re.sub(r"_\d+$", "", name)
        if name not in names:
            number = counts[base] = counts.get(base, -1) + 1
            names[name] = f"{base}_{number}" if number else base
    renamed = _renamed(config, names)
    return dict(renamed)


def _names_in(config: Any) -> Iterator[str]:
    """The names of layers in a configuration, in order."""
    if isinstance(config, Mapping):
        if isinstance(config.get("name"), str):
            yield config["name"]
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        for item in config:
            yield from _names_in(item)


def _renamed(config: Any, names: Mapping[str, str]) -> Any:
    if isinstance(config, Mapping):
        kept = {key: value for key, value in config.items() if key not in ("build_config", "compile_config")}
        return {key: _renamed(value, names) for key, value in kept.items()}
    if isinstance(config, (list, tuple)):
        return [_renamed(item, names) for item in config]
    return names.get(config, config) if isinstance(config, str) else config
