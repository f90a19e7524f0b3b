"""Given events, what read models answer about experiments, aggregates, their iterations and sessions."""

from __future__ import annotations

import math
from collections.abc import Callable

from mltracker.projections.read_model import StoredReadModel
from tests.contracts.answers import bits
from tests.contracts.scribe import START, Scribe, scribes

Tell = Callable[..., StoredReadModel]


class EntityAnswers:
    def test_nothing(self, tell: Tell) -> None:
        model = tell(Scribe())
        assert model.experiments.list() == []
        assert model.experiments.read("mnist") is None
        assert model.aggregates([]).list() == []
        assert model.metrics(["x:1"]).list() == []
        assert model.latest_stamp(["x:1"]) is None

    def test_experiments_and_renames(self, tell: Tell) -> None:
        a = Scribe()
        key = a.experiment("mnist")
        other = a.experiment("cifar")
        a.write("ExperimentRenamed", key, name="digits")
        model = tell(a)
        assert [(one.name, one.keys) for one in model.experiments.list()] == [("digits", (key,)), ("cifar", (other,))]
        assert model.experiments.read("mnist") is None
        assert model.experiments.read("digits").at == START + 1_000_000

    def test_the_latest_rename_wins_whoever_comes_first(self, tell: Tell) -> None:
        a, b, c = scribes("abc")
        key = a.experiment("one")
        c.write("ExperimentRenamed", key, name="two")
        b.write("ExperimentRenamed", key, name="three")
        assert tell(c, b, a).experiments.read("three").keys == (key,)

    def test_a_name_answers_for_all_live_keys(self, tell: Tell) -> None:
        a, b = scribes("ab")
        first, second = b.experiment(), a.experiment()
        one, two = a.aggregate(second, "1"), b.aggregate(first, "1")
        a.metrics(one, {"loss": 0.5}, step=1)
        b.metrics(two, {"loss": 0.25}, step=0)
        model = tell(a, b)
        assert model.experiments.read("mnist").keys == (first, second)
        (aggregate,) = model.aggregates((first, second)).list()
        assert (aggregate.keys, aggregate.last) == ((one, two), {(None, "loss"): 0.25})
        assert [point.value for point in model.metrics(aggregate.keys).list()] == [0.25, 0.5]

    def test_delete_and_restore(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.experiment()
        inner = a.aggregate(key)
        a.metrics(inner, {"loss": 1.0})
        b.write("ExperimentDeleted", key, deletion="x")
        model = tell(b, a)
        assert model.experiments.list() == []
        assert [(one.key, one.deletion) for one in model.deleted_experiments("mnist")] == [(key, "x")]
        assert model.deleted_experiments("mnist")[0].stamp == model.latest_stamp([key])
        assert model.aggregates([key]).read("1") is None
        assert model.metrics([inner]).list() == []
        a.write("Restored", key, deletion="x")
        model = tell(b, a)
        assert model.aggregates([key]).read("1").keys == (inner,)
        assert model.deleted_experiments("mnist") == []
        assert len(model.metrics([inner]).list()) == 1

    def test_an_older_restore_does_nothing(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.experiment()
        b.write("Restored", key, deletion="x")
        a.write("ExperimentDeleted", key, deletion="x")
        assert tell(a, b).experiments.list() == []

    def test_what_was_deleted_separately_stays_hidden(self, tell: Tell) -> None:
        a = Scribe()
        key = a.experiment()
        inner = a.aggregate(key)
        a.delete_aggregate(inner, "inner")
        a.write("ExperimentDeleted", key, deletion="outer")
        a.write("Restored", key, deletion="outer")
        model = tell(a)
        assert model.aggregates([key]).list() == []
        assert [one.key for one in model.deleted_aggregates([key], "1")] == [inner]
        assert model.deleted_aggregates([key], "2") == []

    def test_an_erased_creation_hides_its_key(self, tell: Tell) -> None:
        a = Scribe()
        a.write("Erased")
        a.aggregate(f"{a.writer}:1")
        model = tell(a)
        assert model.experiments.list() == []
        assert model.aggregates([f"{a.writer}:1"]).list() == []
        assert not model.unknown

    def test_config(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(
            a.experiment(), config={"lr": 0.1, "data": {"size": 3, "$$odd": {"$float": "NaN"}}, "gone": 1}
        )
        b.write("ConfigChanged", key, changes={"data.size": 4, "opt.name": "sgd"}, removed=["gone"])
        a.write("ConfigChanged", key, changes={"opt": "adam"})
        config = tell(b, a).aggregates([f"{a.writer}:1"]).read("1").config
        assert math.isnan(config.pop("data.$odd"))
        assert config == {"lr": 0.1, "data.size": 4, "opt": "adam"}

    def test_a_setting_hides_older_ones_above_and_below_for_ever(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment(), config={"a": {"b": 1, "c": {"d": 2}}, "x": 1})
        a.write("ConfigChanged", key, changes={"x.y.z": 5})
        b.write("ConfigChanged", key, changes={"a": 3})
        a.write("ConfigChanged", key, removed=["a"])
        b.write("ConfigChanged", key, changes={"a.e": 4})
        assert tell(a, b).aggregates([f"{a.writer}:1"]).read("1").config == {"x.y.z": 5, "a.e": 4}

    def test_settings_of_one_event_do_not_hide_each_other(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        a.write("ConfigChanged", key, changes={"a": 1, "a.b": 2, "c.d": 3, "c": 4})
        config = tell(a).aggregates([f"{a.writer}:1"]).read("1").config
        assert config == {"a": 1, "a.b": 2, "c.d": 3, "c": 4}

    def test_tags_and_notes(self, tell: Tell) -> None:
        a, b = scribes("ab")
        experiment = a.experiment()
        key = a.aggregate(experiment)
        a.write("TagsChanged", key, changes={"best": True, "by": {"$$x": 1}})
        b.write("TagsChanged", key, changes={"best": False}, removed=["by"])
        a.write("TagsChanged", experiment, changes={"kind": "vision"})
        a.write("NoteChanged", key, text="first")
        b.write("NoteChanged", key, text="second")
        model = tell(b, a)
        assert model.experiments.read("mnist").tags == {"kind": "vision"}
        aggregate = model.aggregates([experiment]).read("1")
        assert (aggregate.tags, aggregate.note) == ({"best": False}, "second")

    def test_modules(self, tell: Tell) -> None:
        a, b = scribes("ab")
        model_data = {"type": "model", "hash": "1", "name": "Net", "parameters": {"size": 3}}
        key = a.aggregate(a.experiment(), modules=[model_data, {**model_data, "type": "criterion"}])
        b.write("ModuleAttached", key, module={"type": "optimizer", "hash": "2", "name": "SGD"})
        a.write("ModuleAttached", key, module={**model_data, "parameters": {"size": 4}})
        a.write("ModuleDetached", key, module_type="criterion", hash="1")
        model = tell(b, a)
        held = [(one.type, one.name, one.parameters) for one in model.modules([key])]
        assert held == [("optimizer", "SGD", {}), ("model", "Net", {"size": 4})]
        assert [one.type for one in model.modules([key]).list("model")] == ["model"]
        modules = model.aggregates([f"{a.writer}:1"]).read("1").modules
        assert list(modules) == model.modules([key]).list()
        assert (len(modules), modules[1].name, [one.name for one in modules[:1]]) == (2, "Net", ["SGD"])

    def test_several_keys_read_like_one(self, tell: Tell) -> None:
        a, b = scribes("ab")
        net = {"type": "model", "hash": "1", "name": "Net"}
        experiment = a.experiment()
        one = a.aggregate(experiment, config={"lr": 1, "x": {"y": 1}, "gone": 1}, modules=[net])
        two = b.aggregate(experiment, config={"lr": 2, "x": 3}, modules=[{**net, "name": "Net2"}])
        first, second = b.write("TrainingStarted", two), a.write("TrainingStarted", one)
        a.write("TagsChanged", one, changes={"t": 1, "u": 1, "w": 1})
        b.write("TagsChanged", two, changes={"t": 2}, removed=["u"])
        b.write("NoteChanged", two, text="older")
        a.write("NoteChanged", one, text="newer")
        b.write("ConfigChanged", two, removed=["gone", "lr"])
        a.write("ConfigChanged", one, changes={"lr": 4})
        a.write("ModuleDetached", one, module_type="optimizer", hash="2")
        b.write("ModuleAttached", two, module={"type": "optimizer", "hash": "2", "name": "SGD"})
        a.metrics(one, {"loss": 1.0}, epoch=9)
        b.write("IterationCompleted", two, hash="h", epoch=3)
        a.write("IterationCompleted", one, hash="h", epoch=2)
        aggregate = tell(b, a).aggregates([experiment]).read("1")
        assert (aggregate.keys, aggregate.at) == ((one, two), START + 3_000_000)
        assert aggregate.config == {"lr": 4, "x": 3}
        assert [module.name for module in aggregate.modules] == ["Net2", "SGD"]
        assert (aggregate.tags, aggregate.note) == ({"t": 2, "w": 1}, "newer")
        assert [training.id for training in aggregate.trainings] == [first, second]
        assert (aggregate.epoch, aggregate.last) == (3, {(None, "loss"): 1.0})

    def test_trainings(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        first = a.write("TrainingStarted", key)
        second = b.write("TrainingStarted", key)
        third = b.write("TrainingStarted", key)
        b.write("TrainingCompleted", key, training=first)
        a.write("TrainingFailed", key, v=2, training=second, error_type="ValueError", message="bad")
        held = tell(b, a).aggregates([f"{a.writer}:1"]).read("1").trainings
        assert [(one.id, one.ended, one.error) for one in held] == [
            (first, "completed", None),
            (second, "failed", "ValueError: bad"),
            (third, None, None),
        ]
        assert held[0].ended_at == held[0].started_at + 3_000_000

    def test_old_versions_are_upcast(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        training = a.write("TrainingStarted", key)
        a.write("TrainingFailed", key, v=1, training=training, error="ValueError: bad")
        (held,) = tell(a).aggregates([f"{a.writer}:1"]).read("1").trainings
        assert held.error == "ValueError: bad"

    def test_the_wall_clock_is_shown(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        a.metrics(key, {"loss": 1.0}, step=1)
        a.write("MetricsRecorded", key, wall=START - 5, values={"loss": 2.0}, step=2)
        a.write("MetricSeriesRecorded", key, wall=START - 4, name="loss", values=[3.0], steps=[3])
        points = tell(a).metrics([key]).list()
        assert [point.at for point in points] == [START + 3_000_000, START - 5, START - 4]

    def test_sessions(self, tell: Tell) -> None:
        a = Scribe()
        b = Scribe("b", iter(range(START - 5, START)))
        a.write("SessionDescribed", f"{a.writer}:0", environment={"gpu": "none", "seed": {"$float": "NaN"}})
        b.write("SessionEnded", f"{b.writer}:0")
        first, second = tell(a, b).sessions()
        assert (first.id, first.ended_at, first.environment) == (f"{b.writer}:0", START - 4, {})
        assert (second.id, second.ended_at, second.environment["gpu"]) == (f"{a.writer}:0", None, "none")
        assert math.isnan(second.environment["seed"])

    def test_iterations(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        dataset = {"hash": "d", "name": "digits", "parameters": {"n": 3}}
        first = a.write(
            "IterationStarted", key, hash="h", phase="train", epoch=1, dataset=dataset, parameters={"batch": 4}
        )
        second = b.write(
            "IterationCompleted",
            key,
            hash="h",
            phase="test",
            epoch=1,
            modules=[{"type": "t", "hash": "x", "name": "X"}],
        )
        b.write("IterationCompleted", key, iteration=first, duration=2.5, metrics={"loss": "NaN", "n": 3})
        third = a.write("IterationStarted", key, hash="g", epoch=2)
        b.write("IterationFailed", key, iteration=third, error_type="OSError", message="disk")
        fourth = a.write("IterationStarted", key, hash="g", epoch=3)
        one, two, three, four = tell(b, a).iterations([key]).list()
        assert (one.id, one.status, one.duration, one.session) == (first, "completed", 2.5, f"{a.writer}:0")
        assert (one.dataset.name, one.dataset.parameters, one.parameters) == ("digits", {"n": 3}, {"batch": 4})
        assert {name: bits(value) for name, value in one.metrics.items()} == {"loss": bits(math.nan), "n": bits(3)}
        assert (two.id, two.status, two.duration, two.modules[0].name) == (second, "completed", None, "X")
        assert (three.id, three.status, three.error, three.duration) == (third, "failed", "OSError: disk", 1.0)
        assert (four.id, four.status) == (fourth, "running")

    def test_equal_iterations_replace_each_other(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        a.write("IterationCompleted", key, hash="h", phase="train", epoch=1)
        latest = b.write("IterationCompleted", key, hash="h", phase="train", epoch=1)
        other = a.write("IterationCompleted", key, hash="h", phase="test", epoch=1)
        iterations = tell(b, a).iterations([key])
        assert [one.id for one in iterations.list()] == [latest, other]
        assert [one.id for one in iterations.list("test")] == [other]
        assert [one.id for one in iterations.list(epoch=1)] == [latest, other]
        assert iterations.list(epoch=2) == []

    def test_iterations_cleared(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        a.write("IterationStarted", key, hash="h", epoch=9)
        b.write("IterationsCleared", key, position=a.position)
        model = tell(b, a)
        assert (model.iterations([key]).list(), model.iterations_position([key])) == ([], {})
        assert model.aggregates([f"{a.writer}:1"]).read("1").epoch is None
        kept = a.write("IterationStarted", key, hash="h", epoch=3)
        model = tell(b, a)
        assert [one.id for one in model.iterations([key]).list()] == [kept]
        assert model.aggregates([f"{a.writer}:1"]).read("1").epoch == 3
        assert model.iterations_position([key]) == a.position
