"""Inside of a reproduction every `open` leads to the scratch store, and names are what the program gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mltracker
from mltracker.errors import AlreadyExists, InvalidName, InvalidValue, NotFound, ReadOnly
from mltracker.events.catalogue import ExperimentCreated, ExperimentRenamed, MetricsRecorded
from mltracker.events.envelope import Recorded
from mltracker.projections.projection import Projection, on
from mltracker.tracker.redirection import VARIABLE, Redirection
from tests.mltracker.conftest import PROJECTIONS

SUFFIX = "~1a2b3c4d"


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scratch store of a process that is redirected."""
    store = tmp_path / "scratch"
    monkeypatch.setenv(VARIABLE, Redirection(store, "1a2b3c4d", "mnist/1", SUFFIX, [{"seed": 1}]).encode())
    return store


def stored_names(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.delenv(VARIABLE)
    with mltracker.open(scratch, projection="memory", read_only=True) as tracker:
        return [experiment.name for experiment in tracker.experiments.list()]


@pytest.mark.parametrize("uri", ["somewhere", None, "file:///nowhere/store"])
def test_whatever_store_is_opened_it_is_the_scratch_store(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, uri: str | None
) -> None:
    with mltracker.open(uri) as tracker:
        tracker.experiment("mnist").aggregate("1").metrics.log({"loss": 1.0}, step=0)
        assert tracker.uri == (uri or ".mltracker")
    with mltracker.open("another") as tracker:
        assert len(tracker.experiment("mnist").aggregate("1").metrics.list()) == 1
    assert not Path("somewhere").exists()
    assert stored_names(scratch, monkeypatch) == [f"mnist{SUFFIX}"]


def test_a_store_that_was_full_seems_empty(scratch: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as outside:
        outside.delenv(VARIABLE)
        with mltracker.open(store) as tracker:
            tracker.experiment("mnist").aggregate("1")
    with mltracker.open(store) as tracker:
        assert tracker.experiments.list() == []
        assert tracker.experiments.read("mnist") is None
        tracker.experiments.create("mnist")
    with mltracker.open(store, read_only=True) as tracker, pytest.raises(ReadOnly):
        tracker.experiments.create("other")


def test_read_only_before_anything_was_recorded(scratch: Path) -> None:
    with mltracker.open("somewhere", read_only=True) as tracker:
        assert tracker.experiments.list() == []
        with pytest.raises(NotFound, match="'mnist'"):
            tracker.experiment("mnist")
    assert not scratch.exists()


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_names_are_what_the_program_gave(scratch: Path, projection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with mltracker.open(projection=projection) as tracker:  # type: ignore[arg-type]
        experiment = tracker.experiments.create("mnist")
        assert (experiment.name, experiment.aggregates.list()) == ("mnist", [])
        with pytest.raises(AlreadyExists, match="'mnist'"):
            tracker.experiments.create("mnist")
        experiment.name, experiment.note = "digits", "renamed"
        tracker.experiments.update(experiment)
        assert tracker.experiments.read("mnist") is None
        assert [one.name for one in tracker.experiments.list()] == ["digits"]
        tracker.experiments.delete("digits")
        assert tracker.experiments.list() == []
        assert tracker.experiments.restore("digits").note == "renamed"
    with mltracker.open(projection=projection) as tracker:  # type: ignore[arg-type]
        assert [one.name for one in tracker.experiments.list()] == ["digits"]
    assert stored_names(scratch, monkeypatch) == [f"digits{SUFFIX}"]


class Names(Projection):
    """The names of experiments, as a user's projection folds them."""

    name, version = "names", 1

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, Any] = {"names": []}

    @on(ExperimentCreated)
    def created(self, event: Recorded) -> None:
        self.state["names"].append(event.data["name"])


def test_appended_events_history_the_past_and_views_too(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mltracker.open() as tracker:
        created = tracker.append(ExperimentCreated(name="mnist"))
        assert tracker.experiments.read("mnist") is not None
        tracker.append(ExperimentRenamed(stream=created.id, name="digits"))
        assert tracker.experiments.read("digits") is not None
        told = [event.data["name"] for event in tracker.history(types=[ExperimentCreated, ExperimentRenamed])]
        assert told == ["mnist", "digits"]
        assert [one.name for one in tracker.as_of(created.id).experiments.list()] == ["mnist"]
        assert [one.name for one in tracker.experiments.list()] == ["digits"]
        assert tracker.view(Names).state == {"names": ["mnist"]}
        assert tracker.verify().ok
    assert stored_names(scratch, monkeypatch) == [f"digits{SUFFIX}"]


def test_the_default_store(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLTRACKER_URI", f"elsewhere-{id(scratch)}")
    assert mltracker.get_experiment("mnist").name == "mnist"
    mltracker.get_aggregates_collection("mnist").create("1")
    assert [one.name for one in mltracker.get_experiments_collection().list()] == ["mnist"]
    assert stored_names(scratch, monkeypatch) == [f"mnist{SUFFIX}"]


def test_every_session_says_of_what_it_is_the_reproduction(scratch: Path) -> None:
    for capture in ("off", "minimal"):
        with mltracker.open(capture=capture) as tracker:  # type: ignore[arg-type]
            tracker.experiment("mnist").aggregate(capture)
    with mltracker.open(read_only=True) as tracker:
        told = [session.environment["reproduction"] for session in tracker.sessions()]
    assert told == [{"id": "1a2b3c4d", "of": "mnist/1"}] * 2


def test_metrics_go_the_short_way(scratch: Path) -> None:
    with mltracker.open() as tracker:
        aggregate = tracker.experiment("mnist").aggregate("1")
        tracker.append(MetricsRecorded(stream=aggregate.keys[0], values={"loss": 2.0}, step=1))
        aggregate.metrics.log({"loss": float("nan")}, step=2)
        assert [repr(point.value) for point in aggregate.metrics.list("loss")] == ["2.0", "nan"]


def test_a_name_without_room_for_the_suffix(scratch: Path) -> None:
    with mltracker.open() as tracker:
        assert tracker.experiments.create("n" * 247).name == "n" * 247
        with pytest.raises(InvalidName, match="at most 247 characters in a reproduction, not 248"):
            tracker.experiments.create("n" * 248)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"store":"/s","id":"1","of":"a/1"}', "cannot be read: KeyError\\('suffix'\\)"),
        ('{"store":"s","id":"1","of":"a/1","suffix":"~1"}', "store must be a whole path"),
        ('{"store":"/s","id":1,"of":"a/1","suffix":"~1"}', "id does not fit"),
        ('{"store":"/s","id":"1","of":"a/1","suffix":""}', "suffix does not fit"),
        ('{"store":"/s","id":"1","of":"a/1","suffix":"~1","seeds":7}', "seeds does not fit"),
    ],
)
def test_what_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, text: str, rule: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(InvalidValue, match=f"^{VARIABLE}: {rule}.*unset {VARIABLE}"):
        mltracker.open("somewhere")
