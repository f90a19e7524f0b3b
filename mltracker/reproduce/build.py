"""Live objects out of recorded modules. Nothing is imported or unpickled: a class must be known to the registry.

What its record leaves out on purpose cannot be made up: an optimizer's parameters, a scheduler's optimizer, arguments
excluded at registration. Such a module becomes a `Waiting`, to be called with them:

    built = recipe.build()
    optimizer = built["optimizer"](built["model"].parameters())
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Protocol

from mltracker.capture.constructors import construct, signature
from mltracker.capture.kept import MARK
from mltracker.errors import InvalidValue, NotFound

if TYPE_CHECKING:
    from mltracker.reproduce.recipe import RecordedModule

SUPPLIED = frozenset({"params", "optimizer", "dataset", "data_source", "sampler"})
"""Arguments of the libraries' classes that hold tensors, data or other objects of the training: never recorded."""
TOLD = frozenset({"structure", "parameter_count", "groups"})
"""What descriptions of a library's objects tell beside their arguments."""
ONLY_TOLD = {
    "function": {"source", "closure", "self"},
    "partial": {"args", "keywords"},
    "data": {"shape", "dtype", "sha256", "rows", "columns", "format", "layout"},
    "bytes": {"sha256"},
}
"""What is recorded of functions, arrays and bytes is their name or hash, with these facts."""


class Classes(Protocol):
    """Classes by their dotted name: an `mltracker.capture.registry.Registry`, or a dict."""

    def get(self, name: str, /) -> Any:
        """The class of that name, or None."""


class Built(dict[str, Any]):
    """Live objects by the type of their module; of one type, also by name (`criterion.Huber`), and then by hash."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A class with its recorded `arguments`, but for those in `needs`, which are not recorded: call it with them."""

    cls: type
    arguments: Mapping[str, Any]
    needs: tuple[str, ...]

    def __call__(self, *given: Any, **named: Any) -> Any:
        """The object; positional arguments are those in `needs`, in their order. Raises what the constructor does."""
        if len(given) > len(self.needs):
            raise TypeError(f"{self.cls.__name__} waits for {', '.join(self.needs)}, not for {len(given)} arguments")
        return construct(self.cls, {**self.arguments, **dict(zip(self.needs, given, strict=False)), **named})

    def __repr__(self) -> str:
        held = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        return f"<{self.cls.__name__}({', '.join(self.needs)}{held}) waits for {', '.join(self.needs)}>"


def build(modules: Sequence[RecordedModule], registry: Classes | None = None) -> Built:
    """The modules as live objects, from the classes of the registry (default: those given to `mltracker.register`).

    Raises NotFound listing every class that is not registered, InvalidValue for a class that takes other arguments than
    were recorded, for arguments of which only a name or hash was recorded, and for a constructor that fails.
    """
    known = _registry() if registry is None else registry
    _require(modules, known)
    return Built(zip(labels(modules), (_module(module, known) for module in modules), strict=True))


def labels(modules: Sequence[RecordedModule]) -> list[str]:
    """The keys of `Built`: as short as tells them apart."""
    types = Counter(module.type for module in modules)
    named = Counter((module.type, module.name) for module in modules)
    return [
        module.type if types[module.type] == 1
        else f"{module.type}.{module.name}" if named[module.type, module.name] == 1
        else f"{module.type}.{module.name}.{module.hash[:8]}"
        for module in modules
    ]  # fmt: skip


def class_of(module: RecordedModule) -> str:
    """The dotted name of its class; of a module made by hand, its name."""
    found = module.parameters.get("class")
    return found if isinstance(found, str) else module.name


def arguments_of(module: RecordedModule) -> dict[str, Any]:
    """The recorded arguments of its constructor, nested objects as they were written."""
    return {name: value for name, value in module.parameters.items() if name != "class"}


def _registry() -> Classes:
    from mltracker.capture.registry import REGISTRY

    return REGISTRY


def _require(modules: Iterable[RecordedModule], registry: Classes) -> None:
    for module in modules:
        if "class" not in module.parameters:
            _refuse_told(f"{module.type} {module.name}", module.parameters)
    names = [name for module in modules for name in (class_of(module), *_nested(arguments_of(module)))]
    missing = [name for name in dict.fromkeys(names) if registry.get(name) is None]
    if not missing:
        return
    short = missing[0].rpartition(".")[2]
    raise NotFound(
        f"{len(missing)} classes are not registered: {', '.join(missing)}" if len(missing) > 1
        else f"a class is not registered: {missing[0]}",
        hint=f"Import each and register it: mltracker.register({short}). "
        f"One that moved keeps its earlier name: mltracker.register({short}, aliases=({missing[0]!r},))",
    )  # fmt: skip


def _nested(value: Any) -> Iterator[str]:
    """The names of the classes inside."""
    if isinstance(value, Mapping):
        if is_object(value) or _is_class(value):
            yield value["class"]
        for item in value.values():
            yield from _nested(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nested(item)


def is_object(value: Mapping[str, Any]) -> bool:
    """Whether it stands for an object that was an argument."""
    called, arguments = value.get("class"), value.get("arguments")
    return value.keys() == {"class", "arguments"} and isinstance(called, str) and isinstance(arguments, Mapping)


def _is_class(value: Mapping[str, Any]) -> bool:
    return value.keys() == {"class"} and isinstance(value["class"], str)


def _module(module: RecordedModule, registry: Classes) -> Any:
    return _made(f"{module.type} {module.name}", class_of(module), arguments_of(module), registry)


def _made(where: str, called: str, arguments: Mapping[str, Any], registry: Classes) -> Any:
    cls = registry.get(called)
    given = {name: _value(f"{where}.{name}", value, registry) for name, value in _passed(cls, arguments).items()}
    needs = _fitting(where, cls, given, told="structure" in arguments)
    if needs:
        return Waiting(cls, given, needs)
    try:
        return construct(cls, given)
    except Exception as error:
        raise InvalidValue(where, f"{called} cannot be made of what was recorded: {error!r}") from error


def _passed(cls: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What describes a library's object is more than it takes; of a registered class every argument counts."""
    takes = signature(cls).parameters
    is_registered = hasattr(cls.__init__, MARK)  # type: ignore[misc]
    from_library = cls.__module__.startswith(("torch.", "keras.")) and not is_registered
    return {
        name: value
        for name, value in arguments.items()
        if name in takes or not (from_library or (name in TOLD and not is_registered))
    }


def _value(where: str, value: Any, registry: Classes) -> Any:
    if isinstance(value, list):
        return [_value(f"{where}[{index}]", item, registry) for index, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    if is_object(value):
        return _made(where, value["class"], value["arguments"], registry)
    if _is_class(value):
        return registry.get(value["class"])
    if value.keys() == {"$items"} and isinstance(value["$items"], list):
        return {_key(_value(where, key, registry)): _value(where, item, registry) for key, item in value["$items"]}
    if value.keys() == {"complex"}:
        return complex(*value["complex"])
    _refuse_told(where, value)
    return {name: _value(f"{where}.{name}", item, registry) for name, item in value.items()}


def _refuse_told(where: str, value: Mapping[str, Any]) -> None:
    """Raises InvalidValue for what stands for a function, an array or bytes."""
    for what, facts in ONLY_TOLD.items():
        hashed = "sha256" in facts
        if what in value and value.keys() - {what} <= facts and hashed == ("sha256" in value):
            raise InvalidValue(
                where, f"was {what} {value[what]!r}, of which only that was recorded, not itself",
                hint="Make this object by hand, or leave the argument out: @mltracker.register(exclude=...)",
            )  # fmt: skip


def _key(key: Any) -> Any:
    """Keys that were tuples are lists in JSON."""
    return tuple(map(_key, key)) if isinstance(key, list) else key


def _fitting(where: str, cls: type, given: Mapping[str, Any], *, told: bool) -> tuple[str, ...]:
    """The arguments that it waits for. Raises InvalidValue where the constructor takes others than were recorded."""
    takes = signature(cls)
    kinds = {name: parameter.kind for name, parameter in takes.parameters.items()}
    opaque = any(kind is Parameter.VAR_KEYWORD for kind in kinds.values())
    called, says = f"{cls.__module__}.{cls.__qualname__}", f"it is {cls.__name__}{takes}"
    for name in given:
        if name not in kinds and not opaque:
            raise InvalidValue(where, f"{called} takes no argument {name!r} (any more); {says}", hint=_MOVED)
    required = [
        name
        for name, parameter in takes.parameters.items()
        if parameter.default is Parameter.empty
        and parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        and name not in given
    ]
    registration = getattr(cls.__init__, MARK, None)  # type: ignore[misc]
    left_out = SUPPLIED if registration is None else registration.excluded
    for name in required:
        if told:
            raise InvalidValue(
                where, f"of {called} only its structure was recorded, not the arguments it was made with",
                hint="Register the class before the run: mltracker.register(...)",
            )  # fmt: skip
        if name not in left_out:
            raise InvalidValue(
                where, f"{called} takes an argument {name!r} that was not recorded; {says}", hint=_MOVED
            )  # fmt: skip
    return tuple(required)


_MOVED = "Restore the code of the run, or register a class that takes the recorded arguments, with aliases=(...)"
