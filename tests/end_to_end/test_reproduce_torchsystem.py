"""A training whose service knows of no tracker is recorded by a consumer of its own, and run again from that record."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.project import ROOT, Project, require

FOLDER = "examples/torchsystem_digits"

pytestmark = require("torchsystem", "torch", "sklearn")


@pytest.fixture(scope="module")
def recorded(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The store, and the aggregate that was trained into it: its id is the network's hash."""
    store = tmp_path_factory.mktemp("torchsystem") / "store"
    said = project.run("python", f"{FOLDER}/main.py", store)
    return store, f"torchsystem_digits/{said.partition(':')[0]}"


def test_the_service_knows_of_no_tracker() -> None:
    for name in ("classifier.py", "training.py"):
        assert "mltracker" not in (ROOT / FOLDER / name).read_text()


def test_it_gives_the_same_history(project: Project, recorded: tuple[Path, str]) -> None:
    store, id = recorded
    before = len(project.verdicts(store))
    assert "identical: " in project.reproduce(id, store)
    assert [verdict["verdict"] for verdict in project.verdicts(store)[before:]] == ["identical"]
    assert project.git("status", "--porcelain") == ""
    assert len(project.git("worktree", "list").splitlines()) == 1


LOADED = "load_digits(return_X_y=True)\n"
CHANGES = {
    "a hyperparameter": ("main.py", "= 3, 64, 0.05, 32,", "= 3, 64, 0.06, 32,", "config lr: 0.05 became 0.06"),
    "the seed": ("main.py", "seed_everything(SEED)", "seed_everything(8)", "seeds recorded: [7] became [8]"),
    "a value of the dataset": (
        "main.py",
        LOADED,
        f"{LOADED}    images[3, 5] += 1\n",
        "dataset digits-train in iteration 1 (train, epoch 1): ",
    ),
    "a line of code": (
        "training.py",
        "loss.item() * len(digits)",
        "loss.item() * (len(digits) + 1e-6)",
        f"code {FOLDER}/training.py: as committed became changed",
    ),
    "an argument of the network, and so the aggregate's id": (
        "main.py",
        "0.05, 32, 0.1, 7",
        "0.05, 48, 0.1, 7",
        "module model Perceptron.hidden: 32 became 48",
    ),
}


@pytest.mark.parametrize(("file", "old", "new", "named"), CHANGES.values(), ids=CHANGES)
def test_what_was_changed_is_named(
    project: Project, recorded: tuple[Path, str], file: str, old: str, new: str, named: str
) -> None:
    store, id = recorded
    with project.changed(f"{FOLDER}/{file}", old, new):
        reason = project.reproduce(id, store, "--allow-dirty", exit_code=4)
    assert reason.startswith("diverged: ")
    assert named in reason
    assert project.verdicts(store)[-1]["verdict"] == "diverged"
