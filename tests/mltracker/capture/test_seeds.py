"""The same seed gives the same numbers, and is on record."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltracker
from mltracker import InvalidValue, seed_everything
from mltracker.capture import seeds, session
from mltracker.capture.seeds import restore_rng_states, rng_states
from tests.mltracker.capture.conftest import environment, events, run


@pytest.fixture(autouse=True)
def own_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "_recorded", [])
    monkeypatch.setattr(session, "noted", {})
    monkeypatch.delenv(seeds.WORKSPACE, raising=False)
    for name in ("torch", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def drawn() -> list[Any]:
    return [random.random(), np.random.rand(), random.gauss(0, 1), np.random.standard_normal()]


def test_the_same_again() -> None:
    assert seed_everything(5) == 5
    first = drawn()
    seed_everything(6)
    assert drawn() != first
    seed_everything(5)
    assert drawn() == first
    assert [call["seed"] for call in session.noted["seeds"]] == [5, 6, 5]
    assert session.noted["seeds"][0] == {"seed": 5, "libraries": ["random", "numpy"], "flags": {"deterministic": True}}


def test_nothing_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, mltracker; mltracker.seed_everything(0); print([m for m in ('numpy','torch') if m in sys.modules])"
    )
    assert run("-c", code, cwd=tmp_path).stdout == "[]\n"


@pytest.mark.parametrize("seed", [-1, 2**32, True, np.True_, 1.0, "1", 2**64])
def test_what_is_no_seed(seed: Any) -> None:
    state = random.getstate()
    with pytest.raises(InvalidValue, match="seed: must be"):
        seed_everything(seed)
    assert random.getstate() == state and seeds._recorded == []


@pytest.mark.parametrize("seed", [0, 2**32 - 1, np.int64(7), np.uint32(7)])
def test_seeds(seed: Any) -> None:
    answer = seed_everything(seed)
    assert answer == seed and type(answer) is int


def test_without_a_seed() -> None:
    found = {seed_everything() for _ in range(5)}
    assert len(found) == 5 and all(0 <= seed < 2**32 for seed in found)
    random.seed(0)
    one = seed_everything()
    random.seed(0)
    assert seed_everything() != one  # not out of the generators


def test_a_reproduction_has_the_recorded_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(seeds.REPRODUCTION, json.dumps({"seeds": [{"seed": 11, "flags": {}}, {"seed": 12}, 13]}))
    assert [seed_everything(), seed_everything(5), seed_everything()] == [11, 5, 13]
    assert seed_everything() not in (11, 12, 13)  # a call that the original did not make
    monkeypatch.setenv(seeds.REPRODUCTION, json.dumps({"store": "/x"}))
    seed_everything()


@pytest.mark.parametrize("told", ["{", "[]", '{"seeds": ["x"]}', '{"seeds": [{"a": 1}]}', '{"seeds": [-1]}'])
def test_a_reproduction_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv(seeds.REPRODUCTION, told)
    with pytest.raises(InvalidValue):
        seed_everything()


def test_they_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mltracker.capture.description._known", None)
    seed_everything(1)
    with mltracker.open(tmp_path / "store", capture="full") as tracker:
        seed_everything(2)
        tracker.experiment("e")
        seed_everything(3)
        seed_everything(4)
    told = [line for line in events(tmp_path / "store") if "seeds" in line["data"].get("environment", {})]
    assert [[call["seed"] for call in line["data"]["environment"]["seeds"]] for line in told] == [
        [1, 2], [1, 2, 3], [1, 2, 3, 4],
    ]  # fmt: skip
    assert told[0]["type"] == "SessionStarted"
    assert [call["seed"] for call in environment(tmp_path / "store")["seeds"]] == [1, 2, 3, 4]


def test_states_come_back_in_another_process(tmp_path: Path) -> None:
    seed_everything(3)
    random.gauss(0, 1), np.random.standard_normal()  # half of a pair is kept in the state
    states = rng_states()
    expected = drawn()
    restore_rng_states(states)
    assert drawn() == expected
    (tmp_path / "states").write_bytes(states)
    code = (
        "import json, random, numpy as np, pathlib; from mltracker.capture.seeds import restore_rng_states\n"
        "restore_rng_states(pathlib.Path('states').read_bytes())\n"
        "print(json.dumps([random.random(), np.random.rand(), random.gauss(0, 1), np.random.standard_normal()]))"
    )
    assert json.loads(run("-c", code, cwd=tmp_path).stdout) == expected


def test_states_are_json_and_no_pickle() -> None:
    assert json.loads(rng_states()).keys() == {"random", "numpy"}


@pytest.mark.parametrize(
    "states", [b"", b"{}", b"[]", b"\x80\x04N.", b'{"random":[3,[1],null]}', b'{"random":null}', b'{"random":[3,5]}']
)
def test_what_are_no_states(states: bytes) -> None:
    before = drawn_state()
    with pytest.raises(InvalidValue, match="states"):
        restore_rng_states(states)
    assert drawn_state() == before


def drawn_state() -> Any:
    return random.getstate()


def test_states_of_a_library_that_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    states = rng_states()
    monkeypatch.delitem(sys.modules, "numpy")
    with pytest.raises(InvalidValue, match="Import numpy before"):
        restore_rng_states(states)


def torch_says(code: str, cwd: Path, **variables: str) -> Any:
    """In a process of its own: flags of PyTorch are global."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    command = [sys.executable, "-W", "error", "-c", f"import json, os, torch, mltracker\n{code}"]
    given = {**{name: value for name, value in os.environ.items() if name != seeds.WORKSPACE}, **variables}
    done = subprocess.run(command, cwd=cwd, env=given, check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout)


def test_torch(tmp_path: Path) -> None:
    code = """
from mltracker.capture.seeds import rng_states, restore_rng_states, _recorded
mltracker.seed_everything(5)
first = torch.rand(3).tolist()
mltracker.seed_everything(5)
states = rng_states()
again = torch.rand(3).tolist()
restore_rng_states(states)
print(json.dumps([first == again == torch.rand(3).tolist(), torch.are_deterministic_algorithms_enabled(),
    torch.is_deterministic_algorithms_warn_only_enabled(), torch.backends.cudnn.benchmark, _recorded[0]]))
"""
    assert torch_says(code, tmp_path) == [
        True, True, True, False,
        {
            "seed": 5, "libraries": ["random", *(["numpy"] if numpy_comes_with_torch(tmp_path) else []), "torch"],
            "flags": {
                "deterministic": True, "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
                "torch.use_deterministic_algorithms": "warn_only", "torch.backends.cudnn.deterministic": True,
                "torch.backends.cudnn.benchmark": False,
            },
        },
    ]  # fmt: skip


def numpy_comes_with_torch(tmp_path: Path) -> bool:
    return bool(torch_says("import sys; print(json.dumps('numpy' in sys.modules))", tmp_path))


def test_torch_without_determinism(tmp_path: Path) -> None:
    code = """
mltracker.seed_everything(5, deterministic=False)
print(json.dumps([torch.are_deterministic_algorithms_enabled(), os.environ.get("CUBLAS_WORKSPACE_CONFIG")]))
"""
    assert torch_says(code, tmp_path) == [False, None]


def test_the_users_workspace_stays(tmp_path: Path) -> None:
    code = "mltracker.seed_everything(5); print(json.dumps(os.environ['CUBLAS_WORKSPACE_CONFIG']))"
    assert torch_says(code, tmp_path, CUBLAS_WORKSPACE_CONFIG=":16:8") == ":16:8"


def test_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class TensorFlow:
        class random:  # noqa: N801
            set_seed = staticmethod(calls.append)

        class config:  # noqa: N801
            class experimental:  # noqa: N801
                enable_op_determinism = staticmethod(lambda: calls.append("deterministic"))

    monkeypatch.setitem(sys.modules, "tensorflow", TensorFlow)  # type: ignore[arg-type]
    seed_everything(5)
    assert calls == [5, "deterministic"]
    assert session.noted["seeds"][0]["libraries"] == ["random", "numpy", "tensorflow"]
