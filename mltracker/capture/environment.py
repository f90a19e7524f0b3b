"""What a run stands on: variables by an allowlist, installed packages, hardware."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mltracker.capture.command import readable, repository
from mltracker.capture.git import Git
from mltracker.events.secret_names import words

VARIABLES = words(
    "CONDA_DEFAULT_ENV CUDA_VISIBLE_DEVICES HF_DATASETS_OFFLINE HF_HUB_OFFLINE LANG LC_ALL LD_LIBRARY_PATH LD_PRELOAD "
    "LOCAL_RANK LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT MKL_NUM_THREADS NODE_RANK NUMEXPR_NUM_THREADS "
    "OPENBLAS_NUM_THREADS PYTHONHASHSEED PYTHONOPTIMIZE PYTHONPATH PYTHONUTF8 PYTHONWARNINGS RANK SLURM_ARRAY_TASK_ID "
    "SLURM_JOB_ID SLURM_NTASKS SLURM_PROCID TOKENIZERS_PARALLELISM TRANSFORMERS_OFFLINE TZ VECLIB_MAXIMUM_THREADS "
    "VIRTUAL_ENV WORLD_SIZE"
)
PREFIXES = tuple(
    words(
        "CUBLAS_ CUDA_ CUDNN_ GOMP_ HSA_ JAX_ KMP_ MIOPEN_ MKL_ NCCL_ OMP_ PYTORCH_ TF_CPP_ TF_CUDNN_ "
        "TF_DETERMINISTIC_ TF_ENABLE_ TF_FORCE_ TF_GPU_ TF_NUM_ TF_USE_ TF_XLA_ TORCH_ XLA_"
    )
)
"""Variables of the libraries that compute."""
_DIST = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-.*)?\.(?:dist|egg)-info")
_NVIDIA = Path("/proc/driver/nvidia/gpus")
_PATIENCE = 2.0
"""Seconds that a program which tells about hardware may take."""


def variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that decide how a run computes; no others."""
    chosen = (name for name in sorted(environ) if name in VARIABLES or name.startswith(PREFIXES))
    return {readable(name): readable(environ[name]) for name in chosen}


def packages(deadline: float) -> dict[str, Any]:
    """packages: version by normalized name; editable: location and commit of those that are installed so."""
    found: dict[str, str] = {}
    editable: dict[str, Any] = {}
    for folder in dict.fromkeys(sys.path):
        for entry in _metadata(Path(folder or ".")):
            name, version, location = _installed(entry)
            if name and name not in found:
                found[name] = version
                if location is not None:
                    editable[name] = {"location": readable(str(location)), "commit": _commit(location, deadline)}
    return {"packages": dict(sorted(found.items())), "editable": dict(sorted(editable.items()))}


def _metadata(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(
                folder / entry.name for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))
            )
    except OSError:  # a zip file, or a folder that is gone
        return


def _installed(entry: Path) -> tuple[str, str, Path | None]:
    """Name, version, and where it is, if that is not where packages are."""
    match = _DIST.fullmatch(entry.name)
    if match:
        return _normal(match["name"]), readable(match["version"]), _linked(entry / "direct_url.json")
    if entry.suffix == ".egg-info":  # of a source tree that is on the path
        return _normal(entry.stem), _version(entry / "PKG-INFO"), entry.parent
    return "", "", None


def _linked(path: Path) -> Path | None:
    try:
        told = json.loads(path.read_bytes())
        if told.get("dir_info", {}).get("editable"):
            return Path(unquote(urlsplit(told["url"]).path))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):  # not there, or made by something else
        pass
    return None


def _version(path: Path) -> str:
    try:
        head = path.read_text(errors="replace")[:4096]
    except OSError:
        return ""
    match = re.search(r"^Version: (\S+)", head, re.MULTILINE)
    return match[1] if match else ""


def _normal(name: str) -> str:
    return readable(re.sub(r"[-_.]+", "-", name).lower())


def _commit(location: Path, deadline: float) -> str | None:
    root = repository(location)
    head = Git(root, deadline)("rev-parse", "HEAD") if root is not None else None
    return head.text if head is not None and not head.error else None


def hardware() -> dict[str, Any]:
    """cpu: its name; cores; memory in bytes; gpus: their names. Libraries are not asked: that would start a GPU."""
    return {"cpu": _cpu(), "cores": os.cpu_count(), "memory": _memory(), "gpus": _gpus()}


def _cpu() -> str:
    try:
        with Path("/proc/cpuinfo").open(errors="replace") as file:
            for line in file:
                if line.startswith(("model name", "Model", "cpu model")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        return _told(["sysctl", "-n", "machdep.cpu.brand_string"])
    return platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _gpus() -> list[str]:
    try:
        told = [path.read_text(errors="replace") for path in sorted(_NVIDIA.glob("*/information"))]
    except OSError:
        told = []
    names = [match[1].strip() for text in told if (match := re.search(r"^Model:\s*(.*)$", text, re.MULTILINE))]
    return names or _told(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]).splitlines()


def _told(command: list[str]) -> str:
    """What a program prints; nothing where there is no such program or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace").strip()
