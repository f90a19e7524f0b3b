"""`mltracker recipe`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import mltracker
from mltracker import Module, Recipe
from mltracker.cli.app import app
from tests.mltracker.reproduce.conftest import trained


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "store"
    with mltracker.open(path) as tracker:
        aggregate = tracker.experiment("mnist").aggregate(
            "1", [Module("model", "h", "Net", {"size": 3, "text": "\x1b[31m"})], {"lr": 0.1}
        )
        trained(aggregate)
        aggregate.metrics.void(aggregate.metrics.list("loss")[0], why="wrong")
    return path


def run(*arguments: str | Path, store: Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["recipe", *map(str, arguments), "--store", str(store)])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def test_it_shows_what_it_takes(store: Path) -> None:
    text = run("mnist/1", store=store).stdout
    for part in ("mnist/1", "command", "Net", "size", "lr", "train\t0\tcompleted\tdigits", "train\tloss\t8", "wrong"):
        assert part in text
    assert "\x1b" not in text
    assert "1 training," in text and "4 iterations" in text


def test_json_is_the_recipe(store: Path, tmp_path: Path) -> None:
    recipe = Recipe.load(run("mnist/1", "--json", store=store).stdout)
    assert len(recipe.iterations) == 4
    run("mnist/1", "-o", tmp_path / "r.json", store=store)
    assert Recipe.load(tmp_path / "r.json") == recipe


def test_the_script_is_printed_or_written(store: Path, tmp_path: Path) -> None:
    text = run("mnist/1", "--script", store=store).stdout
    compile(text, "script", "exec")
    assert run("mnist/1", "--script", "-o", tmp_path / "again.py", store=store).stdout == ""
    assert (tmp_path / "again.py").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("id", "told"), [("mnist/2", "no aggregate '2'"), ("other/1", "no experiment"), ("mnist", "EXPERIMENT/AGGREGATE")]
)
def test_what_is_missing_is_one_line(store: Path, id: str, told: str) -> None:
    error = run(id, store=store, code=1).stderr
    assert told in error
    assert error.count("\n") == 1


def test_one_form_at_a_time(store: Path) -> None:
    assert "choose one" in run("mnist/1", "--json", "--script", store=store, code=2).stderr
