"""What this machine is, and which environment variables are recorded, as sessions describe them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mltracker.capture import environment

OF_THE_INTERPRETER = ("VIRTUAL_ENV", "CONDA_DEFAULT_ENV")
"""They tell which Python it was; a reproduction has its own."""


def hardware() -> Mapping[str, Any]:
    """CPU, cores, memory, GPUs."""
    return environment.hardware()


def is_recorded(name: str) -> bool:
    """Whether a variable is among those that sessions record, and is as it was when they are repeated."""
    known = name in environment.VARIABLES or name.startswith(environment.PREFIXES)
    return known and name not in OF_THE_INTERPRETER
