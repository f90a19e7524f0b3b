"""Seeds of everything that draws random numbers, and the states of the generators. No library is imported for it."""

from __future__ import annotations

import base64
import json
import operator
import os
import random
import secrets
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from mltracker.capture import description
from mltracker.errors import InvalidValue

LARGEST_SEED = 2**32 - 1
"""NumPy takes no larger one."""
REPRODUCTION = "MLTRACKER_REPRODUCTION"
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"

_recorded: list[dict[str, Any]] = []
"""One entry for each call of this process: seed, libraries, flags."""


def seed_everything(seed: int | None = None, *, deterministic: bool = True) -> int:
    """Seed `random`, and NumPy, PyTorch (its GPUs too) and TensorFlow where the program has imported them; answers it.

    Call it after the imports: a library that is imported later is not seeded. Without a seed one is drawn and recorded,
    in a reproduction the one that was recorded. `deterministic` also makes PyTorch and TensorFlow choose deterministic
    algorithms, which may be slower. JAX has no global state: give the answer to `jax.random.key`. Generators of their
    own, such as `numpy.random.default_rng()`, need the answer, too. Raises InvalidValue for a seed outside of 0 to
    2**32 - 1.
    """
    chosen = _drawn() if seed is None else _checked(seed)
    random.seed(chosen)
    libraries, flags = ["random"], {"deterministic": bool(deterministic)}
    for name, sow in _SOWERS.items():
        library = _imported(name)
        if library is not None:
            libraries.append(name)
            flags.update(sow(library, chosen, deterministic))
    _recorded.append({"seed": chosen, "libraries": libraries, "flags": flags})
    description.note("seeds", list(_recorded))
    return chosen


def rng_states() -> bytes:
    """The states of the global generators of `random`, NumPy and PyTorch (its GPUs too, if it has used them), as JSON.

    Those of TensorFlow and JAX are not global.
    """
    states: dict[str, Any] = {"random": _as_json(random.getstate())}
    numpy, torch = _imported("numpy"), _imported("torch")
    if numpy is not None:
        states["numpy"] = _as_json(numpy.random.get_state(legacy=False))
    if torch is not None:
        states["torch"] = _bytes_as_json(bytes(torch.get_rng_state().tolist()))
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            states["torch.cuda"] = [_bytes_as_json(bytes(state.tolist())) for state in torch.cuda.get_rng_state_all()]
    return json.dumps(states, separators=(",", ":"), sort_keys=True).encode()


def restore_rng_states(states: bytes) -> None:
    """Set the generators to what `rng_states` gave.

    Raises InvalidValue for what it did not give, and for states of a library that the program has not imported.
    """
    try:
        found = json.loads(states)
        wanted = [name for name in found if name in _RESTORERS]
        missing = [name for name in wanted if _imported(name.partition(".")[0]) is None]
        if missing:
            raise InvalidValue("states", f"they hold those of {missing[0]}", hint=f"Import {missing[0]} before")
        restorers = [(_RESTORERS[name], found[name]) for name in ("random", *wanted)]
        for restore, state in restorers:
            restore(state)
    except InvalidValue:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise InvalidValue("states", f"are not what rng_states gave: {error!r}") from error


def _checked(seed: object) -> int:
    if type(seed).__name__ in ("bool", "bool_"):
        raise InvalidValue("seed", "must be an int, not a bool")
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidValue("seed", f"must be an int, not {type(seed).__name__}") from None
    if not 0 <= number <= LARGEST_SEED:
        raise InvalidValue("seed", f"must be from 0 to {LARGEST_SEED}, not {number}")
    return number


def _drawn() -> int:
    """From the operating system; in a reproduction, what the same call had in the original."""
    text = os.environ.get(REPRODUCTION)
    if text:
        try:
            entry = json.loads(text).get("seeds", [])[len(_recorded)]
            return _checked(entry["seed"] if isinstance(entry, Mapping) else entry)
        except IndexError:  # one call more than the original made
            pass
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidValue(f"${REPRODUCTION}", f"seeds cannot be read: {error!r}") from error
    return secrets.randbelow(LARGEST_SEED + 1)


def _imported(name: str) -> ModuleType | None:
    """A library, if its import is complete."""
    library = sys.modules.get(name)
    spec = getattr(library, "__spec__", None)
    return None if library is None or getattr(spec, "_initializing", False) else library


Sow = Callable[[Any, int, bool], dict[str, Any]]
"""Seeds a library; answers the flags that it set."""


def _sow_numpy(numpy: Any, seed: int, deterministic: bool) -> dict[str, Any]:
    numpy.random.seed(seed)
    return {}


def _sow_torch(torch: Any, seed: int, deterministic: bool) -> dict[str, Any]:
    torch.manual_seed(seed)
    if not deterministic:
        return {}
    os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return {
        WORKSPACE: os.environ[WORKSPACE],
        "torch.use_deterministic_algorithms": "warn_only",
        "torch.backends.cudnn.deterministic": True,
        "torch.backends.cudnn.benchmark": False,
    }


def _sow_tensorflow(tensorflow: Any, seed: int, deterministic: bool) -> dict[str, Any]:
    tensorflow.random.set_seed(seed)
    if not deterministic:
        return {}
    tensorflow.config.experimental.enable_op_determinism()
    return {"tensorflow.enable_op_determinism": True}


_SOWERS: dict[str, Sow] = {"numpy": _sow_numpy, "torch": _sow_torch, "tensorflow": _sow_tensorflow}


def _as_json(state: Any) -> Any:
    """Nested tuples, mappings and NumPy arrays as JSON."""
    if isinstance(state, Mapping):
        return {key: _as_json(item) for key, item in state.items()}
    if isinstance(state, (tuple, list)):
        return [_as_json(item) for item in state]
    if hasattr(state, "tobytes"):
        return {"dtype": state.dtype.str, **_bytes_as_json(state.tobytes())}
    return state


def _bytes_as_json(content: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(content).decode()}


def _bytes_of(state: Mapping[str, str]) -> bytes:
    return base64.b64decode(state["base64"], validate=True)


def _restore_random(state: Any) -> None:
    version, words, gauss = state
    random.setstate((version, tuple(words), gauss))


def _restore_numpy(state: Any) -> None:
    numpy = sys.modules["numpy"]

    def arrays(value: Any) -> Any:
        if isinstance(value, Mapping):
            if value.keys() == {"dtype", "base64"}:
                return numpy.frombuffer(_bytes_of(value), value["dtype"]).copy()
            return {key: arrays(item) for key, item in value.items()}
        return value

    numpy.random.set_state(arrays(state))


def _tensor(state: Mapping[str, str]) -> Any:
    torch = sys.modules["torch"]
    return torch.frombuffer(bytearray(_bytes_of(state)), dtype=torch.uint8)


def _restore_torch(state: Any) -> None:
    sys.modules["torch"].set_rng_state(_tensor(state))


def _restore_cuda(state: Any) -> None:
    sys.modules["torch"].cuda.set_rng_state_all([_tensor(one) for one in state])


_RESTORERS: dict[str, Callable[[Any], None]] = {
    "random": _restore_random,
    "numpy": _restore_numpy,
    "torch": _restore_torch,
    "torch.cuda": _restore_cuda,
}
