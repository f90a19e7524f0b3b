"""Given events, these answers: one suite for every read model, however the events are delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mltracker.errors import ProjectionError
from mltracker.events.log import Batch
from mltracker.projections.read_model import StoredReadModel
from tests.contracts.read_model_entities import EntityAnswers, Tell
from tests.contracts.read_model_kept import KeptAnswers
from tests.contracts.read_model_metrics import MetricAnswers
from tests.contracts.scribe import START, Scribe


def once(batches: Sequence[list[Batch]]) -> Iterator[Batch]:
    for one in batches:
        yield Batch(one[0].writer, [line for batch in one for line in batch.lines])


def backwards(batches: Sequence[list[Batch]]) -> Iterator[Batch]:
    yield from reversed(list(once(batches)))


def singly(batches: Sequence[list[Batch]]) -> Iterator[Batch]:
    for one in batches:
        yield from one


def twice(batches: Sequence[list[Batch]]) -> Iterator[Batch]:
    for one in once(batches):
        yield one
        yield one
    yield from singly(batches)


def in_turn(batches: Sequence[list[Batch]]) -> Iterator[Batch]:
    for index in range(max(map(len, batches))):
        yield from (one[index] for one in reversed(batches) if index < len(one))


WAYS = [once, backwards, singly, twice, in_turn]


class ReadModelContract(EntityAnswers, KeptAnswers, MetricAnswers):
    """Subclass it with a `make` for the adapter."""

    durable = True

    def make(self, path: Path | None) -> StoredReadModel:
        raise NotImplementedError

    @pytest.fixture(
        params=[(way, stops) for way in WAYS for stops in (False, True)],
        ids=lambda param: f"{param[0].__name__}{'-stopping' * param[1]}",
    )
    def tell(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tell]:
        """Folds the lines of some scribes into a model; `stopping` commits and opens it anew after each batch."""
        way, stops = request.param
        models = []

        def tell(*writers: Scribe) -> StoredReadModel:
            path = tmp_path / f"{len(models)}.model"
            model = self.make(path)
            for number, batch in enumerate(way([scribe.singly() for scribe in writers])):
                model.apply(batch)
                if stops and self.durable:
                    model.commit({"batch": number})
                    model.close()
                    model = self.make(path)
                    assert model.checkpoint() == {"batch": number}
            models.append(model)
            return model

        yield tell
        for model in models:
            model.close()

    def test_the_latest_stamp(self, tell: Tell) -> None:
        a = Scribe()
        experiment = a.experiment()
        key = a.aggregate(experiment)
        a.write("NoteChanged", key, text="x")
        assert tell(a).latest_stamp([experiment, key]) == (START + 3_000_000, a.writer, 3)

    def test_the_unknown_is_counted(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        a.write("NeverHeardOf", key, v=3)
        a.write("MetricsRecorded", key, v=99, anything=1)
        a.write("EventErased", events=[], who="me", why="")
        tell(a)
        model = self.make(None)
        model.apply(a.batch)
        model.apply(a.batch)
        assert model.unknown == {"NeverHeardOf v3": 1, "MetricsRecorded v99": 1}

    @pytest.mark.parametrize(
        ("type", "data"),
        [
            ("MetricsRecorded", {"values": {"loss": None}}),
            ("MetricsRecorded", {"values": {"loss": True}}),
            ("MetricsRecorded", {"values": {"loss": "much"}}),
            ("MetricsRecorded", {"values": {"loss": 2**63}}),
            ("MetricsRecorded", {"values": {"loss": 1.0}, "step": "x"}),
            ("MetricsRecorded", {"values": {"loss": 1.0}, "epoch": 1.5}),
            ("MetricsRecorded", {}),
            ("MetricSeriesRecorded", {"name": "x", "values": [1.0], "steps": []}),
            ("MetricSeriesRecorded", {"name": "x", "values": [None]}),
            ("ExperimentRenamed", {}),
            ("IterationStarted", {}),
            ("MetricsCleared", {"position": 3}),
            ("TrainingFailed", {"training": 3}),
        ],
    )
    def test_what_does_not_fit_is_named(self, type: str, data: dict[str, Any]) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        a.metrics(key, {"loss": 1.0})
        bad = a.write(type, key, **data)
        a.metrics(key, {"loss": 2.0})
        model = self.make(None)
        with pytest.raises(ProjectionError, match=bad):
            model.apply(a.batch)

    def test_a_new_model_has_no_checkpoint(self, tmp_path: Path) -> None:
        assert self.make(tmp_path / "new").checkpoint() is None
        assert list(tmp_path.iterdir()) == []

    def test_close_twice(self, tmp_path: Path) -> None:
        model = self.make(tmp_path / "new")
        model.commit({"position": 7})
        model.close()
        model.close()
        reopened = self.make(tmp_path / "new")
        assert reopened.checkpoint() == ({"position": 7} if reopened.suffix else None)
        reopened.close()
