"""Variables, packages, hardware."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import time
from pathlib import Path

import pytest

from mltracker.capture import environment
from tests.mltracker.capture.conftest import Repository


def test_variables_by_an_allowlist() -> None:
    given = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "", "NCCL_DEBUG": "INFO",
             "HOME": "/home/bob", "WANDB_API_KEY": "x", "TF_VAR_password": "x", "AWS_PROFILE": "x"}  # fmt: skip
    assert environment.variables(given) == {
        "CUDA_VISIBLE_DEVICES": "", "NCCL_DEBUG": "INFO", "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "0",
    }  # fmt: skip


def test_a_variable_that_is_no_text() -> None:
    assert environment.variables({"PYTHONPATH": os.fsdecode(b"/a\xff")}) == {"PYTHONPATH": "/a\ufffd"}


def test_packages_are_those_that_importlib_knows() -> None:
    found = environment.packages(time.monotonic() + 30)
    known = {environment._normal(dist.name): dist.version for dist in importlib.metadata.distributions()}
    assert found["packages"] == dict(sorted(known.items()))
    assert "pytest" in found["packages"] and found["packages"]["pydantic"] == importlib.metadata.version("pydantic")


def test_packages_of_a_path(tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    site, tree = tmp_path / "site", tmp_path / "tree"
    for name in ("Zope.interface-5.4.dist-info", "scikit_learn-1.4.2.dist-info", "old-1.0-py3.11.egg-info",
                 "mine-0.1.dist-info", "local-2+cu12.dist-info", "mine-0.2.dist-info.bak"):  # fmt: skip
        (site / name).mkdir(parents=True)
    url = f'{{"url": "{repository.root.as_uri()}", "dir_info": {{"editable": true}}}}'
    (site / "mine-0.1.dist-info" / "direct_url.json").write_text(url)
    (site / "local-2+cu12.dist-info" / "direct_url.json").write_text("{damaged")
    (tree / "dev.egg-info").mkdir(parents=True)
    (tree / "dev.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nVersion: 3.0\n")
    (tmp_path / "later" / "scikit_learn-0.1.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tree), str(site), str(tmp_path / "gone.zip"), str(tmp_path / "later")])
    assert environment.packages(time.monotonic() + 30) == {
        "packages": {
            "dev": "3.0", "local": "2+cu12", "mine": "0.1", "old": "1.0", "scikit-learn": "1.4.2",
            "zope-interface": "5.4",
        },
        "editable": {
            "dev": {"location": str(tree), "commit": None},
            "mine": {"location": str(repository.root), "commit": repository.git("rev-parse", "HEAD")},
        },
    }  # fmt: skip


def test_hardware() -> None:
    found = environment.hardware()
    assert found["cpu"] and found["cores"] == os.cpu_count() and found["memory"] > 1 << 27
    assert isinstance(found["gpus"], list)


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(2):
        (tmp_path / f"0000:0{index}").mkdir()
        (tmp_path / f"0000:0{index}" / "information").write_text("Model: \t\t NVIDIA A100\nIRQ: 5\n")
    monkeypatch.setattr(environment, "_NVIDIA", tmp_path)
    assert environment.hardware()["gpus"] == ["NVIDIA A100", "NVIDIA A100"]


def test_gpus_by_the_drivers_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_NVIDIA", tmp_path / "gone")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho NVIDIA A100; echo NVIDIA A30\n")
    tool.chmod(0o755)
    assert environment.hardware()["gpus"] == ["NVIDIA A100", "NVIDIA A30"]
    tool.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(environment, "_PATIENCE", 0.2)
    assert environment.hardware()["gpus"] == []
