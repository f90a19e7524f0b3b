"""The example is run in a clean clone, and again from its record: the same to the bit, or what differs is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.end_to_end.project import Project

EXAMPLE = "examples/digits.py"


@pytest.fixture(scope="module")
def store(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("digits") / "store"
    project.run("python", EXAMPLE, store)
    return store


@pytest.mark.parametrize("id", ["digits/perceptron", "digits/linear"])
def test_a_clean_clone_gives_the_same_history(project: Project, store: Path, id: str) -> None:
    before = len(project.verdicts(store))
    assert "identical: " in project.reproduce(id, store)
    recorded = project.verdicts(store)[before:]
    assert [verdict["verdict"] for verdict in recorded] == ["identical"]
    assert project.git("status", "--porcelain") == ""
    assert len(project.git("worktree", "list").splitlines()) == 1
    assert "identical" in project.run("mltracker", "show", id, "--store", store)


LOADED = "load_digits(return_X_y=True)\n"
CHANGES = {
    "a hyperparameter": ("= 8, 64, 0.2, 32, 7", "= 8, 64, 0.25, 32, 7", "config lr: 0.2 became 0.25"),
    "the seed": ("seed_everything(SEED)", "seed_everything(8)", "seeds recorded: [7] became [8]"),
    "a value of the dataset": (
        LOADED,
        f"{LOADED}    images[3, 5] += 1\n",
        "dataset digits-train in iteration 1 (train, epoch 1): ",
    ),
    "a line of code": (
        "(images @ self.hidden, 0)",
        "(images @ self.hidden, 1e-9)",
        f"code {EXAMPLE}: as committed became changed",
    ),
    "code that changes no number": (
        "np.maximum(images @ self.hidden, 0)",
        "np.maximum(0, images @ self.hidden)",
        f"diverged: same numbers by other means: code differs in {EXAMPLE}",
    ),
}


@pytest.mark.parametrize(("old", "new", "named"), CHANGES.values(), ids=CHANGES)
def test_what_was_changed_is_named(project: Project, store: Path, old: str, new: str, named: str) -> None:
    with project.changed(EXAMPLE, old, new):
        reason = project.reproduce("digits/perceptron", store, "--allow-dirty", exit_code=4)
    assert reason.startswith("diverged: ")
    assert named in reason
    assert project.verdicts(store)[-1]["verdict"] == "diverged"


def test_a_store_in_the_tree_is_no_code(project: Project) -> None:
    store = project.root / "runs"
    project.run("python", EXAMPLE, store)
    try:
        assert "identical: " in project.reproduce("digits/linear", store, "--allow-dirty")
    finally:
        shutil.rmtree(store)
