"""A hundred secrets, planted wherever something can be recorded, are found nowhere in the store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import mltracker
from mltracker.events.blobs import FolderBlobs
from tests.events.test_redaction import ISSUED
from tests.mltracker.capture.conftest import Repository, environment, run

NAMES = "password token api_key client_secret aws_secret_access_key HF_TOKEN accessToken dbPassword credentials auth"
PLAIN = iter(f"planted{index:03}x" for index in range(1000))
PROGRAM = """
import json, os, sys
import mltracker
from mltracker import Dataset, Iteration, Module
from mltracker.events import SessionDescribed
import helper

plan = json.loads(sys.stdin.read())
mltracker.seed_everything(0)
with mltracker.open(plan["store"], projection=plan["projection"], capture="full") as tracker:
    experiment = tracker.experiment("e")
    experiment.tags.update(plan["tags"])
    experiment.note = plan["note"]
    tracker.experiments.update(experiment)
    aggregate = experiment.aggregate("1", config=plan["config"])
    for key, value in plan["config"].items():
        aggregate.config[key] = value
    aggregate.modules.add(Module("model", "h", "m", plan["module"]))
    dataset = Dataset("h", plan["url"], plan["dataset"])
    aggregate.iterations.add(Iteration("h", dataset=dataset, parameters=plan["iteration"]))
    aggregate.metrics.log({"loss": 0.5}, step=1)
    aggregate.metrics.clear(why=plan["why"])
    try:
        with aggregate.training():
            raise RuntimeError(plan["error"])
    except RuntimeError:
        pass
    tracker.append(SessionDescribed(environment=plan["session"]))
    tracker.experiments.list()
"""


class Planter:
    """Makes secrets up and remembers them."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def plain(self) -> str:
        self.planted.append(next(PLAIN))
        return self.planted[-1]

    def issued(self, who: str) -> str:
        """A key of that form with a middle that is found again."""
        key, mark = ISSUED[who], next(PLAIN).replace("planted", "abcdef").replace("x", "")
        self.planted.append(mark if who not in ("AWS", "AWS, temporary", "Hugging Face") else key[4:16])
        return key if self.planted[-1] in key else key[:-9] + mark if not key.endswith("-") else key + mark

    def mapping(self) -> dict[str, Any]:
        """A secret under each telling name, nested and in lists, and one each in a URL, in text, as an issued key."""
        found: dict[str, Any] = {name: self.plain() for name in NAMES.split()}
        found["nested"] = {"db": {"password": self.plain(), "hosts": [f"postgres://bob:{self.plain()}@db/x"]}}
        found["command"] = ["run", "--token", self.plain()]
        found["said"] = f"login with password={self.plain()}"
        found["issued"] = [self.issued("GitHub"), self.issued("Anthropic"), f"key {self.issued('OpenAI, old')}"]
        return found

    def text(self) -> str:
        return (
            f"401 for https://bob:{self.plain()}@host/?token={self.plain()} with api_key='{self.plain()}', "
            f"Authorization: Bearer {self.plain()}, {self.issued('GitLab')} {self.issued('Slack')}"
        )


@pytest.mark.usefixtures("undescribed")
@pytest.mark.parametrize("projection", ["tinydb", "sqlite"])
def test_nothing_of_it_is_in_the_store(repository: Repository, tmp_path: Path, projection: str) -> None:
    planter, store = Planter(), tmp_path / "store"
    plan = {name: planter.mapping() for name in ("config", "tags", "module", "dataset", "iteration", "session")}
    plan |= {name: planter.text() for name in ("note", "why", "error")}  # type: ignore[dict-item]
    plan["url"] = f"https://bob:{planter.plain()}@host/d.csv"  # type: ignore[assignment]
    repository.write("train.py", PROGRAM)
    repository.write("run.sh", f"x --password {planter.plain()}\ncurl -u me:{planter.plain()} https://host\n")
    repository.write("helper.py", f'x = 1\nPASSWORD = "{planter.plain()}"\nURL = "ftp://bob:{planter.plain()}@h/"\n')
    repository.write("conf/new.yaml", f"api_key: {planter.plain()}\ndb:\n  password: {planter.plain()}\n")
    repository.write("new.py", f'import os\nos.environ["HF_TOKEN"] = "{planter.plain()}"  # {planter.issued("npm")}\n')
    repository.git("remote", "add", "origin", f"https://{planter.plain()}:{planter.plain()}@host/x.git")
    arguments = ["--password", planter.plain(), f"--api-key={planter.plain()}", f"token={planter.plain()}",
                 "--url", f"https://bob:{planter.plain()}@host", planter.issued("Stripe")]  # fmt: skip
    variables = {"MY_TOKEN": planter.plain(), "CUDA_PASSWORD": planter.plain(), "TORCH_API_KEY": planter.plain(),
                 "PYTHONPATH": f"https://bob:{planter.plain()}@host"}  # fmt: skip
    given = json.dumps({**plan, "store": str(store), "projection": projection})
    run("train.py", *arguments, cwd=repository.root, input=given, env={**os.environ, **variables})
    assert len(planter.planted) >= 100 and len(set(planter.planted)) >= 100
    found = haystack(store)
    assert [secret for secret in planter.planted if secret.encode() in found] == []
    told = environment(store)
    assert told["arguments_redacted"] is True
    assert sorted(told["code"]["redacted"]) == ["conf/new.yaml", "helper.py", "new.py", "run.sh"]
    assert told["code"]["remote"] == "https://host/x.git"


def haystack(store: Path) -> bytes:
    """Every byte of the store, names of files included, and what compressed blobs hold."""
    parts = []
    for path in store.rglob("*"):
        parts.append(os.fsencode(path.name))
        if path.is_file():
            parts.append(path.read_bytes())
    blobs = FolderBlobs(store / "blobs")
    kept = [path.name for path in (store / "blobs").iterdir()]
    assert len(kept) >= 3
    parts += [blobs.get(name) for name in kept]
    assert b"[redacted]" in b"\n".join(parts)
    return b"\n".join(parts)


@pytest.mark.usefixtures("undescribed")
def test_what_is_planted_would_be_found(repository: Repository, tmp_path: Path) -> None:
    """The same search finds what is no secret."""
    store = tmp_path / "store"
    repository.write("new.py", "harmless = 'planted-and-kept'\n" * 20)
    code = f"import mltracker\nt = mltracker.open({str(store)!r}, capture='full')\nt.experiment('e').tags['a'] = 'b'\n"
    repository.write("train.py", code)
    repository.write("a.yaml", "api_key: xyz\n")
    run("train.py", cwd=repository.root)
    assert b"planted-and-kept" in haystack(store)


def test_the_same_secret_again_is_no_change(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "store") as tracker:
        experiment = tracker.experiment("e")
        config = experiment.aggregate("1", config={"db": {"password": "hunter2"}}).config
        for _ in range(3):
            config.update({"db": {"password": "hunter2"}, "token": "hunter2"})
            experiment.tags["api_key"] = "hunter2"
            tracker.experiments.update(experiment)
        assert config == {"db.password": "[redacted]", "token": "[redacted]"}
        types = [event.type for event in tracker.history()]
    assert types.count("ConfigChanged") == 1 and types.count("TagsChanged") == 1
