"""Given events, what read models answer about checkpoints, reproductions, corrections, and who wrote."""

from __future__ import annotations

import math
from collections.abc import Callable

from mltracker.models import Checkpoint, Correction, Reproduction
from mltracker.projections.read_model import StoredReadModel
from tests.contracts.scribe import START, Scribe, scribes

Tell = Callable[..., StoredReadModel]


class KeptAnswers:
    def test_checkpoints(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        first = b.write("CheckpointStored", key, name="best", hash="1" * 64, size=3)
        second = a.write("CheckpointStored", key, name="last", hash="2" * 64, size=4, iteration="x:1", wall=START)
        third = b.write("CheckpointStored", key, name="best", hash="3" * 64, size=5)
        checkpoints = tell(b, a).checkpoints([key])
        assert checkpoints.list() == [
            Checkpoint("best", "1" * 64, 3),
            Checkpoint("last", "2" * 64, 4, "x:1"),
            Checkpoint("best", "3" * 64, 5),
        ]
        assert [(one.id, one.session) for one in checkpoints] == [
            (first, f"{b.writer}:0"),
            (second, f"{a.writer}:0"),
            (third, f"{b.writer}:0"),
        ]
        assert checkpoints.list("last")[0].at == START
        assert [one.size for one in checkpoints.list("best")] == [3, 5]
        assert checkpoints.list("worst") == [] and len(checkpoints) == 3

    def test_reproductions(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        b.write("ReproductionRecorded", key, verdict="diverged", reproduction="r:1", details={"x": {"$float": "NaN"}})
        a.write("ReproductionRecorded", key, verdict="identical", reproduction="r:2")
        one, two = tell(a, b).reproductions([key])
        assert (one.verdict, one.reproduction, one.session) == ("diverged", "r:1", f"{b.writer}:0")
        assert math.isnan(one.details["x"])
        assert two == Reproduction("identical", "r:2")
        assert two.at is not None and one.at is not None and two.at - one.at == 1_000_000

    def test_corrections(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        point = a.metrics(key, {"loss": 1.0}) + ":loss"
        b.write("MetricVoided", key, point=point, why="bad", by="ana")
        a.write("MetricUnvoided", key, point=point, why="good")
        rename = b.write("MetricRenamed", key, old="loss", new="los", position=a.position, why="typo")
        a.write("MetricRenameUndone", key, rename=rename)
        b.write("MetricsCleared", key, position={}, why="again")
        a.write("IterationsCleared", key, position={})
        made = tell(b, a).corrections([key])
        assert made == [
            Correction("void", point, why="bad", by="ana"),
            Correction("unvoid", point, why="good"),
            Correction("rename", "loss", "los", "typo"),
            Correction("undo", rename),
            Correction("clear", why="again"),
            Correction("forget"),
        ]
        assert [one.session for one in made] == [f"{scribe.writer}:0" for scribe in (b, a, b, a, b, a)]
        assert made[2].id == rename and made[1].at - made[0].at == 1_000_000

    def test_who_wrote(self, tell: Tell) -> None:
        a, b, c, d = scribes("abcd")
        experiment = a.experiment()
        one, two = a.aggregate(experiment, "1"), a.aggregate(experiment, "2")
        b.metrics(one, {"loss": 1.0})
        c.write("IterationStarted", one, hash="h")
        d.write("MetricSeriesRecorded", two, name="loss", values=[1.0])
        model = tell(d, c, b, a)
        letters = {one.id: letter for one, letter in zip(model.sessions(), "abcd", strict=True)}
        assert "".join(letters[session.id] for session in model.sessions([one])) == "abc"
        assert "".join(letters[session.id] for session in model.sessions([two])) == "ad"
        assert "".join(letters[session.id] for session in model.sessions([one, two])) == "abcd"
        assert model.sessions([]) == []

    def test_a_verdict_alone_makes_nobody_a_writer(self, tell: Tell) -> None:
        a, b, c = scribes("abc")
        key = a.aggregate(a.experiment())
        for scribe in (b, c):
            scribe.write("ReproductionRecorded", key, verdict="identical", reproduction="r:1")
        c.write("NoteChanged", key, text="seen")
        model = tell(c, b, a)
        assert [one.id[0] for one in model.sessions([key])] == ["a", "c"]
        assert len(model.reproductions([key])) == 2 and len(model.sessions()) == 3

    def test_all_that_is_hidden_with_its_aggregate(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        a.write("CheckpointStored", key, name="best", hash="1" * 64, size=3)
        a.write("ReproductionRecorded", key, verdict="identical", reproduction="r:1")
        a.write("MetricsCleared", key, position={})

        def held(model: StoredReadModel) -> list[int]:
            answers = (model.checkpoints, model.reproductions, model.corrections, model.sessions)
            return [len(answer([key])) for answer in answers]  # type: ignore[operator]

        assert held(tell(a)) == [1, 1, 1, 1]
        a.delete_aggregate(key)
        assert held(tell(a)) == [0, 0, 0, 0]
        a.write("Restored", key, deletion="d")
        assert held(tell(a)) == [1, 1, 1, 1]

    def test_several_keys_are_one(self, tell: Tell) -> None:
        a, b = scribes("ab")
        experiment = a.experiment()
        one, two = a.aggregate(experiment), b.aggregate(experiment)
        b.write("CheckpointStored", two, name="x", hash="1" * 64, size=1)
        a.write("CheckpointStored", one, name="y", hash="2" * 64, size=2)
        model = tell(a, b)
        assert [held.name for held in model.checkpoints([one, two])] == ["x", "y"]
        assert [held.name for held in model.checkpoints([two])] == ["x"]

    def test_counts_of_an_iteration(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        first = a.write("IterationStarted", key, hash="h", epoch=1, parameters={"batches": "of 3"})
        a.write("IterationCompleted", key, iteration=first, parameters={"batches": 5, "samples": 70})
        second = a.write("IterationStarted", key, hash="h", epoch=2)
        a.write("IterationCompleted", key, iteration=second)
        a.write("IterationCompleted", key, hash="h", epoch=3, parameters={"batches": 32})
        one, two, three = tell(a).iterations([key]).list()
        assert (one.batches, one.samples, one.parameters) == (5, 70, {"batches": "of 3"})
        assert (two.batches, two.samples, two.parameters) == (None, None, {})
        assert (three.batches, three.samples, three.parameters) == (None, None, {"batches": 32})
