"""A PyTorch training of two sessions, the second going on from the first one's checkpoint, is run again as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.project import Project, require

EXAMPLE = "examples/torch_digits.py"
NETWORK = "torch_digits/network"

pytestmark = require("torch", "sklearn")


@pytest.fixture(scope="module")
def store(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("torch") / "store"
    assert "resumed" not in project.run("python", EXAMPLE, store, "--epochs", "1")
    assert "resumed after epoch 1" in project.run("python", EXAMPLE, store, "--epochs", "2")
    return store


def test_both_sessions_are_run_again_and_give_the_same_history(project: Project, store: Path) -> None:
    before = len(project.verdicts(store))
    assert "identical: " in project.reproduce(NETWORK, store)
    recorded = project.verdicts(store)[before:]
    assert [verdict["verdict"] for verdict in recorded] == ["identical"]
    assert project.git("status", "--porcelain") == ""
    assert len(project.git("worktree", "list").splitlines()) == 1


def test_two_sessions_give_what_one_gives(project: Project, store: Path, tmp_path: Path) -> None:
    project.run("python", EXAMPLE, tmp_path / "store", "--epochs", "2")
    assert losses(project, store) == losses(project, tmp_path / "store")


def losses(project: Project, store: Path) -> list[list[str]]:
    """Phase, step, epoch, batch and value of each point."""
    table = project.run("mltracker", "metrics", NETWORK, "loss", "--csv", "--store", store)
    return [line.split(",")[1:6] for line in table.splitlines()]


LOADED = "load_digits(return_X_y=True)\n"
CHANGES = {
    "a hyperparameter": ("= 2, 64, 0.05, 32, 7", "= 2, 64, 0.06, 32, 7", "config lr: 0.05 became 0.06"),
    "the seed": ("seed_everything(SEED)", "seed_everything(8)", "seeds recorded: [7] became [8]"),
    "a value of the dataset": (
        LOADED,
        f"{LOADED}    images[3, 5] += 1\n",
        "dataset digits-train in iteration 1 (train, epoch 1): ",
    ),
    "a line of code": ("nn.ReLU()", "nn.LeakyReLU(1e-4)", f"code {EXAMPLE}: as committed became changed"),
    "a module's argument": (
        "momentum=0.9",
        "momentum=0.8",
        "module in iteration 1 (train, epoch 1) optimizer SGD.momentum: 0.9 became 0.8",
    ),
}


@pytest.mark.parametrize(("old", "new", "named"), CHANGES.values(), ids=CHANGES)
def test_what_was_changed_is_named(project: Project, store: Path, old: str, new: str, named: str) -> None:
    with project.changed(EXAMPLE, old, new):
        reason = project.reproduce(NETWORK, store, "--allow-dirty", exit_code=4)
    assert reason.startswith("diverged: ")
    assert named in reason
    assert project.verdicts(store)[-1]["verdict"] == "diverged"
