"""Recipes as scripts: they compile, run as they are, and nothing recorded becomes code."""

from __future__ import annotations

import ast
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mltracker
from mltracker import Dataset, Iteration, Module, Recipe, TrackedAggregate, Tracker
from mltracker.reproduce.compare import compare
from mltracker.reproduce.recipe import (
    RecordedDataset,
    RecordedIteration,
    RecordedModule,
    RecordedSession,
    Wrote,
)
from mltracker.reproduce.script import MARK, literal, script

Train = Callable[..., TrackedAggregate]
EVIL = [
    '"""\nimport os; os.abort()\n"""',
    "\\",
    "\r\nraise SystemExit(9)",
    "'",
    "{x}",
    "\u2028",
    "\0",
    "# \n raise SystemExit(9)",
    "é",
]
evil = st.sampled_from(EVIL) | st.text(min_size=1, max_size=20)


def run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "again.py"
    file.write_text(text, encoding="utf-8")
    environment = {**os.environ, "MLTRACKER_URI": str(folder / "store"), "MLTRACKER_CAPTURE": "minimal"}
    return subprocess.run(
        [sys.executable, file], env=environment, capture_output=True, text=True, check=False, cwd=folder
    )


def test_it_runs_as_generated_and_walks_the_iterations(tracker: Tracker, record: Train, tmp_path: Path) -> None:
    record("mnist").iterations.add(Iteration("by hand", "test", 9, Dataset("e", "E"), {"x": math.nan}))
    text = tracker.recipe("mnist", "1").script()
    assert text.count(MARK) == 3
    result = run(text, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    with mltracker.open(tmp_path / "store", projection="memory") as other:
        again = other.recipe("mnist", "1-again")
        original = tracker.recipe("mnist", "1")
        assert [one.module() for one in again.modules] == [one.module() for one in original.modules]
        assert again.config == original.config
        parts = [
            [
                (one.hash, one.phase, one.epoch, one.dataset, repr(one.parameters), one.modules)
                for one in recipe.iterations
            ]
            for recipe in (original, again)
        ]
        assert parts[0] == parts[1]
        assert again.runs[0].wrote.trainings == 1


def test_filled_in_it_is_a_reproduction(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "store", projection="memory") as tracker:
        aggregate = tracker.experiment("mnist").aggregate("1")
        with aggregate.training():
            for epoch in range(3):
                with aggregate.iteration("train", epoch, Dataset("d", "D")) as iteration:
                    iteration.log({"loss": 1.0}, step=7)
        text = tracker.recipe("mnist", "1").script()
    place = '    """One pass over a dataset."""\n'
    assert place in text
    result = run(text.replace(place, place + '    iteration.log({"loss": 1.0}, step=7)\n'), tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    with mltracker.open(tmp_path / "store", projection="memory") as tracker:
        both = (tracker.experiment("mnist").aggregates.read(id) for id in ("1", "1-again"))
        assert compare(tracker, *both).verdict == "identical"  # type: ignore[arg-type]


def hostile(text: str) -> Recipe:
    parameters = {text: [text, {"class": text, "arguments": {text: math.nan}}], "class": text}
    module = RecordedModule(type=text, hash=text, name=text, parameters=parameters)
    iteration = RecordedIteration(
        id="i", session="s", hash=text, phase=text,
        dataset=RecordedDataset(hash=text, name=text, parameters={text: text}),
        parameters={text: text}, modules=[module],
    )  # fmt: skip
    session = RecordedSession(
        id="s", started_at=0, command=["python", text], wrote=Wrote(points=1), environment={"seeds": [{"seed": text}]}
    )
    return Recipe(
        experiment=text, aggregate=text, sessions=[session], modules=[module], config={text: text},
        iterations=[iteration],
    )  # fmt: skip


@given(evil.filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text)))
def test_nothing_recorded_becomes_code(text: str) -> None:
    tree = ast.parse(script(hostile(text)).encode())
    kinds = [type(node).__name__ for node in tree.body]
    plain = [type(node).__name__ for node in ast.parse(script(hostile("plain"))).body]
    assert kinds == plain
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    expected = [node for node in ast.parse(script(hostile("plain"))).body if isinstance(node, ast.FunctionDef)]
    assert [ast.unparse(node) for node in functions] == [ast.unparse(node) for node in expected]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_literals_are_what_they_stand_for(value: Any) -> None:
    assert repr(eval(literal(value))) == repr(value)


def test_modules_are_suggested_as_calls() -> None:
    inner = {"class": "app.acts.Relu", "arguments": {"slope": 0.5}}
    module = RecordedModule(
        type="model", hash="h", name="Net", parameters={"class": "app.Net", "size": 3, "acts": [inner]}
    )
    text = script(Recipe(experiment="e", aggregate="1", modules=[module]))
    assert "    #   from app import Net\n    #   from app.acts import Relu\n" in text
    assert "    #   modules['model'] = Net(size=3, acts=[Relu(slope=0.5)])\n" in text


def test_a_long_id_stays_one(tracker: Tracker, tmp_path: Path) -> None:
    tracker.experiment("e").aggregate("x" * 256)
    assert run(tracker.recipe("e", "x" * 256).script(), tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["e", "é '\""])
def test_seeds_are_set(tracker: Tracker, name: str) -> None:
    session = RecordedSession(
        id="s", started_at=0, wrote=Wrote(points=1), environment={"seeds": [{"seed": 3}, {"seed": 4}, {"seed": 3}]}
    )
    assert "SEEDS = [3, 4]\n" in script(Recipe(experiment=name, aggregate="1", sessions=[session]))
    assert Module("a", "b", "c").parameters == {}
