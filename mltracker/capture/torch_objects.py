"""What the objects of torch were made with, as far as they tell: never their tensors, never the state of a training."""

from __future__ import annotations

import inspect
import re
import weakref
from collections import Counter
from typing import Any

from mltracker.capture.loaded import is_a
from mltracker.capture.names import of_class
from mltracker.errors import InvalidParameters

# torch is not imported here, and its objects have no types that could be named without it: hence Any.

_COUNTED = {"last_epoch", "_last_lr", "_step_count", "best", "num_bad_epochs", "cooldown_counter", "T_i", "T_cur"}
_INNER = {"_is_initial", "_initial_step", "_get_lr_called_within_step", "default_min_lr", "mode_worse", "_scale_fn_ref"}
_STATE = _COUNTED | _INNER | {"optimizer", "verbose"}
"""Attributes of schedulers that move while training, or say what others say."""

_CYCLE = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum")

_GROUPS_SEEN: weakref.WeakKeyDictionary[Any, list[dict[str, Any]]] = weakref.WeakKeyDictionary()


def bare(thing: Any) -> Any:
    """The model inside what `torch.compile` or a parallel wrapper made of it."""
    while (held := _wrapped(thing)) is not None:
        thing = held
    return thing


def _wrapped(thing: Any) -> Any:
    if not is_a(thing, "torch.nn", "Module"):
        return None
    if of_class(thing) == "torch._dynamo.eval_frame.OptimizedModule":
        return thing._orig_mod
    return thing.module if is_a(thing, "torch.nn.parallel", "DistributedDataParallel", "DataParallel") else None


def arguments(thing: Any) -> dict[str, Any] | None:
    """Of a model, optimizer, scheduler, loader or sampler of torch; None for any other object."""
    if is_a(thing, "torch.nn", "Module"):
        return _model(thing)
    if is_a(thing, "torch.optim", "Optimizer"):
        return _optimizer(thing)
    if is_a(thing, "torch.optim.lr_scheduler", "LRScheduler", "_LRScheduler"):
        return _scheduler(thing)
    if is_a(thing, "torch.utils.data", "DataLoader"):
        return _loader(thing)
    if is_a(thing, "torch.utils.data", "Sampler") and _is_torchs(thing):
        return _sampler_arguments(thing)
    return None


def _is_torchs(thing: Any) -> bool:
    return type(thing).__module__.startswith("torch.")


def _model(model: Any) -> dict[str, Any]:
    """The tree of modules by dotted name, itself (".") where it has something to tell, and its count of parameters."""
    parameters = list(model.parameters())
    if any(is_a(parameter, "torch.nn.parameter", "UninitializedParameter") for parameter in parameters):
        raise InvalidParameters(
            of_class(model), "a lazy module takes its shape from the first batch",
            hint="Run one batch through it first, or register its class",
        )  # fmt: skip
    tree = {name: _told(module) for name, module in model.named_modules(remove_duplicate=False) if name}
    own = _details(model)
    structure: Any = {".": _told(model), **tree} if tree and own else tree or _told(model)
    return {"structure": structure, "parameter_count": sum(parameter.numel() for parameter in parameters)}


def _told(module: Any) -> str:
    """One module in a line: "Linear(in_features=4, out_features=2, bias=True)"."""
    name = type(module).__name__ if _is_torchs(module) else of_class(module)
    return f"{name}({_details(module)})"


def _details(module: Any) -> str:
    extra = " ".join(module.extra_repr().split()) or ", ".join(_attributes(module))
    return re.sub(r" at 0x[0-9a-fA-F]+| \(GPU \d+\)| \((cuda|mps|xpu):?\d*\)", "", extra)


def _attributes(module: Any) -> list[str]:
    """Of torch's own modules that tell nothing (losses, attention): the constructor's arguments still found on them."""
    from mltracker.capture.forms import form
    from mltracker.capture.hashing import canonical

    if not _is_torchs(module):
        return []
    names = list(inspect.signature(type(module).__init__).parameters)[1:]
    held = vars(module) | {name: value for name, value in module._buffers.items() if value is not None}
    return [f"{name}={canonical(form(held[name], name))}" for name in names if name in held and name != "training"]


def _optimizer(optimizer: Any) -> dict[str, Any]:
    """The hyperparameters it was made with, and each group's size and own ones."""
    sizes = [sum(tensor.numel() for tensor in group["params"]) for group in optimizer.param_groups]
    own = _own_of_groups(optimizer)
    groups = [{"parameter_count": size, **given} for size, given in zip(sizes, own, strict=True)]
    told = {"parameter_count": sizes[0]} if len(sizes) == 1 and not own[0] else {"groups": groups}
    return {**optimizer.defaults, **told}


def _own_of_groups(optimizer: Any) -> list[dict[str, Any]]:
    """What each group was given of its own, as first seen: schedules change the groups while training.

    A scheduler notes the learning rate that it started from.
    """
    seen = _GROUPS_SEEN.setdefault(optimizer, [])
    for group in optimizer.param_groups[len(seen) :]:
        now = {name: group.get(name) for name in optimizer.defaults}
        now["lr"] = group.get("initial_lr", group.get("lr"))
        seen.append({name: value for name, value in now.items() if value != optimizer.defaults.get(name)})
    return seen[: len(optimizer.param_groups)]


def _scheduler(scheduler: Any) -> dict[str, Any]:
    if not _is_torchs(scheduler):
        return _by_signature(scheduler, {"optimizer", "last_epoch", "verbose"})
    takes = inspect.signature(type(scheduler).__init__).parameters
    found: dict[str, Any] = {}
    for attribute, value in vars(scheduler).items():
        name = attribute.lstrip("_")
        name = name[:-1] if name not in takes and name[:-1] in takes else name
        if attribute not in _STATE and name != "base_lrs":
            found[name] = sorted(value.elements()) if isinstance(value, Counter) else value
    if "schedule_phases" in found:  # OneCycleLR keeps what it was given in the optimizer's groups
        groups = scheduler.optimizer.param_groups
        found |= {name: [group[name] for group in groups] for name in _CYCLE if name in groups[0]}
    return found


def _loader(loader: Any) -> dict[str, Any]:
    """How it feeds the data, as far as that decides which numbers come out: workers have random states of their own."""
    sequential = is_a(loader.sampler, "torch.utils.data", "SequentialSampler")
    shuffles = is_a(loader.sampler, "torch.utils.data", "RandomSampler")
    told: dict[str, Any] = {
        "batch_size": loader.batch_size,
        "shuffle": shuffles,
        "drop_last": loader.drop_last,
        "num_workers": loader.num_workers,
        "persistent_workers": loader.persistent_workers,
    }
    ordinary = shuffles and not loader.sampler.replacement and loader.sampler._num_samples is None
    if not (sequential or ordinary):
        told["sampler"] = _sampler(loader.sampler)
    if loader.batch_size is None and loader.batch_sampler is not None:
        told["batch_sampler"] = _sampler(loader.batch_sampler)
    if loader.generator is not None:
        told["seed"] = loader.generator.initial_seed()
    for name in ("collate_fn", "worker_init_fn"):
        function = getattr(loader, name)
        if function is not None and not getattr(function, "__module__", "").startswith("torch."):
            told[name] = function
    return told


def _sampler(sampler: Any) -> Any:
    """A sampler that can describe itself, else its class."""
    from mltracker.capture.forms import describe

    return type(sampler) if describe(sampler) is None else sampler


def _sampler_arguments(sampler: Any) -> dict[str, Any]:
    told = _by_signature(sampler, {"data_source", "generator"})
    if "sampler" in told:
        told["sampler"] = _sampler(told["sampler"])
    generator = getattr(sampler, "generator", None)
    return told if generator is None else told | {"seed": generator.initial_seed()}


def _by_signature(thing: Any, without: set[str]) -> dict[str, Any]:
    """The constructor's arguments as far as attributes of the same name, or a private one, hold them."""
    names = [name for name in inspect.signature(type(thing).__init__).parameters if name not in without | {"self"}]
    spelled = {name: next((a for a in (name, f"_{name}") if a in vars(thing)), None) for name in names}
    return {name: getattr(thing, attribute) for name, attribute in spelled.items() if attribute}
