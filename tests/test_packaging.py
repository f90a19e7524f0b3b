"""What is installed is what is in the tree, no more and no less."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"mltracker": "mltracker", "events": "mltracker/events", "projections": "mltracker/projections"}
INSTALLED_SUFFIXES = {".py", ".md", ".typed"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel made from it, built from a clean copy of the tree."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(built.glob("*.whl")))


def tree() -> set[str]:
    """The files that should be installed, by their installed path."""
    return {
        f"{FOLDERS[folder]}/{path.relative_to(ROOT / folder)}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in INSTALLED_SUFFIXES
    }


def test_the_wheel_holds_the_tree(wheel: zipfile.ZipFile) -> None:
    installed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert installed == tree()


def test_the_wheel_installs_nothing_but_mltracker(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"mltracker"}


def test_the_wheel_has_license_and_command(wheel: zipfile.ZipFile) -> None:
    info = next(name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert "mltracker = mltracker.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "License-Expression: MIT" in wheel.read(f"{info}/METADATA").decode()


def test_the_source_distribution_holds_the_tree(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in INSTALLED_SUFFIXES
    }
    assert sources | {"LICENSE", "README.md", "pyproject.toml"} <= names


def test_the_wheel_imports_by_itself(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    check = "import mltracker, mltracker.events, mltracker.projections; print(mltracker.events.__file__)"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {check}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "mltracker" / "events" / "__init__.py")


def test_exports_are_pinned() -> None:
    import mltracker
    import mltracker.ports

    assert sorted(mltracker.__all__) == EXPORTS.split()
    assert sorted(mltracker.ports.__all__) == PORTS.split()
    assert all(getattr(mltracker, name) is not None for name in mltracker.__all__)


EXPORTS = """
    Aggregate AlreadyExists AppendFailed Checkpoint Closed Correction Damaged Dataset Experiment FutureClock
    InvalidMetric InvalidName InvalidParameters InvalidValue Iteration MLTrackerError Metric MissingExtra Module
    NewerFormat NotAStore NotFound Notice ProjectionError ReadOnly Recipe Recorded Report Reproduction Series
    Session StoreError TrackedAggregate TrackedExperiment Tracker Training UnreadableEvent Verdict
    get_aggregates_collection get_experiment get_experiments_collection open register seed_everything
"""
PORTS = """
    Aggregate AlreadyExists AppendFailed Closed Damaged Dataset Experiment FutureClock InvalidMetric InvalidName
    InvalidParameters InvalidValue Iteration MLTrackerError Metric MissingExtra Module NewerFormat NotAStore NotFound
    Notice ProjectionError ReadOnly Series Session StoreError Tracker Training UnreadableEvent
    get_aggregates_collection get_experiment get_experiments_collection open
"""
PORTS = """
    AggregateQueries Aggregates CheckpointQueries Checkpoints ExperimentQueries Experiments IterationQueries Iterations
    MetricQueries Metrics ModuleQueries Modules ReadModel
"""
