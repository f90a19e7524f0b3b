"""Given events, these answers: one suite for every read model, however the events are delivered."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mltracker.errors import ProjectionError
from mltracker.events.log import Batch
from mltracker.models import Metric
from mltracker.ports import ReadModel
from mltracker.projections.read_model import StoredReadModel
from mltracker.series import NO_STEP
from tests.contracts.scribe import START, Scribe, scribes

Tell = Callable[..., StoredReadModel]

EDGES: list[float] = [0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 3.0, math.nan, math.inf, -math.inf]
INT_EDGES = [0, 3, -(2**63), 2**63 - 1, 2**53 + 1]


def bits(value: float) -> tuple[str, bytes]:
    """What tells every number from every other, its type included."""
    return (type(value).__name__, struct.pack("<q" if isinstance(value, int) else "<d", value))


def word(value: float) -> float | str:
    return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN" if value != value else value)


def shown(metric: Metric) -> tuple[Any, ...]:
    place = (metric.step, metric.epoch, metric.batch, metric.phase)
    return (metric.name, bits(metric.value), *place, metric.id, metric.at, metric.session)


def all_answers(model: ReadModel) -> dict[str, Any]:
    """Everything a read model can say, in a form that compares exactly."""
    said: dict[str, Any] = {"sessions": model.sessions()}
    for experiment in model.experiments.list():
        assert model.experiments.read(experiment.name).keys == experiment.keys
        below = said[f"experiment {experiment.name}"] = {**vars(experiment), "latest": model.latest_stamp(experiment.keys)}
        for aggregate in model.aggregates(experiment.keys).list():
            assert model.aggregates(experiment.keys).read(aggregate.id).keys == aggregate.keys
            below[f"aggregate {aggregate.id}"] = _aggregate_answers(model, aggregate)
    return said


def _aggregate_answers(model: ReadModel, aggregate: Any) -> dict[str, Any]:
    metrics, keys = model.metrics(aggregate.keys), aggregate.keys
    series = {}
    for phase, name in metrics.names():
        for last in (False, True):
            steps, values = metrics.series(name, phase, last=last)
            series[phase, name, last] = (list(steps), [bits(value) for value in values.tolist()])
    return {
        **vars(aggregate),
        "last": {key: bits(value) for key, value in aggregate.last.items()},
        "config": list(aggregate.config.items()),
        "points": [shown(metric) for metric in metrics.list()],
        "voided": [shown(metric) for metric in metrics.list(voided=True)],
        "names": metrics.names(),
        "series": series,
        "modules": model.modules(keys).list(),
        "iterations": [(one, one.id, one.at, one.status, one.error, one.duration) for one in model.iterations(keys).list()],
        "positions": (model.points_position(keys), model.iterations_position(keys), model.latest_stamp(keys)),
    }


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


class ReadModelContract:
    """Subclass it with a `make` for the adapter."""

    durable = True

    def make(self, path: Path | None) -> StoredReadModel:
        raise NotImplementedError

    @pytest.fixture(params=[(way, stops) for way in WAYS for stops in (False, True)], ids=lambda param: f"{param[0].__name__}{'-stopping' * param[1]}")
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

    # experiments ----------------------------------------------------------------------------------------------------

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

    # what an aggregate says -----------------------------------------------------------------------------------------

    def test_config(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment(), config={"lr": 0.1, "data": {"size": 3, "$$odd": {"$float": "NaN"}}, "gone": 1})
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
        assert model.aggregates([f"{a.writer}:1"]).read("1").modules == model.modules([key]).list()

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

    # metrics --------------------------------------------------------------------------------------------------------

    def test_a_point_comes_back_whole(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        event = a.metrics(key, {"loss": 0.5, "n": 3}, step=7, epoch=1, batch=2, phase="train")
        loss, n = tell(a).metrics([key]).list()
        place = (7, 1, 2, "train")
        assert shown(loss) == ("loss", bits(0.5), *place, f"{event}:loss", START + 3_000_000, f"{a.writer}:0")
        assert shown(n) == ("n", bits(3), *place, f"{event}:n", START + 3_000_000, f"{a.writer}:0")

    def test_numbers_come_back_exactly(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        numbers = [*EDGES, *INT_EDGES]
        for step, value in enumerate(numbers):
            a.metrics(key, {"x": word(value), "all": step}, step=step)
        a.write("MetricSeriesRecorded", key, name="y", values=[word(value) for value in numbers], steps=list(range(len(numbers))))
        metrics = tell(a).metrics([key])
        for name in ("x", "y"):
            assert [bits(point.value) for point in metrics.list(name)] == [bits(value) for value in numbers]
            steps, values = metrics.series(name)
            assert list(steps) == list(range(len(numbers)))
            assert [bits(value) for value in values.tolist()] == [bits(float(value)) for value in numbers]
        steps, values = metrics.series("all")
        assert [bits(value) for value in values.tolist()] == [bits(step) for step in range(len(numbers))]

    def test_last_values_are_exact_and_the_epoch_is_the_highest(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        a.metrics(key, {"x": 1.5, "n": 1}, epoch=9)
        a.metrics(key, {"x": "NaN", "n": 2**63 - 1}, epoch=2)
        a.metrics(key, {"x": -0.0}, phase="test")
        a.write("MetricSeriesRecorded", key, name="s", values=[1, 2.5, 3], epoch=4)
        aggregate = tell(a).aggregates([f"{a.writer}:1"]).read("1")
        assert {series: bits(value) for series, value in aggregate.last.items()} == {
            (None, "n"): bits(2**63 - 1),
            (None, "s"): bits(3),
            (None, "x"): bits(math.nan),
            ("test", "x"): bits(-0.0),
        }
        assert aggregate.epoch == 9

    def test_order_is_by_step_then_stamp_without_step_last(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        for scribe, value, step in [(b, 1.0, 5), (a, 2.0, None), (a, 3.0, 5), (b, 4.0, -1), (b, 5.0, None), (a, 6.0, 5)]:
            scribe.metrics(key, {"loss": value}, **({} if step is None else {"step": step}))
        metrics = tell(b, a).metrics([key])
        assert [point.value for point in metrics.list()] == [4.0, 1.0, 3.0, 6.0, 2.0, 5.0]
        steps, values = metrics.series("loss")
        assert (list(steps), list(values)) == ([-1, 5, 5, 5, NO_STEP, NO_STEP], [4.0, 1.0, 3.0, 6.0, 2.0, 5.0])
        steps, values = metrics.series("loss", last=True)
        assert (list(steps), list(values)) == ([-1, 5, NO_STEP, NO_STEP], [4.0, 6.0, 2.0, 5.0])
        steps, values = metrics.series("loss", session=f"{a.writer}:0")
        assert list(values) == [3.0, 6.0, 2.0]
        assert [point.value for point in metrics.list(session=f"{b.writer}:0")] == [4.0, 1.0, 5.0]
        assert metrics.list(session="") == []

    def test_filters(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        a.metrics(key, {"loss": 1.0, "acc": 2.0}, epoch=1, phase="train")
        a.metrics(key, {"loss": 3.0}, epoch=2, phase="train")
        a.metrics(key, {"loss": 4.0}, epoch=2, phase="test")
        metrics = tell(a).metrics([key])
        assert [point.value for point in metrics.list("loss", "train")] == [1.0, 3.0]
        assert [point.value for point in metrics.list(epoch=2)] == [3.0, 4.0]
        assert [point.value for point in metrics.list(phase="test")] == [4.0]
        assert metrics.list("nothing") == []
        steps, values = metrics.series("nothing")
        assert (len(steps), len(values)) == (0, 0)
        assert metrics.names() == [("test", "loss"), ("train", "acc"), ("train", "loss")]

    def test_series_events(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        first = a.write("MetricSeriesRecorded", key, name="loss", values=[1, 2, 3], steps={"start": 10, "step": -5}, epoch=1)
        second = a.write("MetricSeriesRecorded", key, name="loss", values=[4, 5], phase="p")
        a.write("MetricSeriesRecorded", key, name="loss", values=[])
        metrics = tell(a).metrics([key])
        assert [(point.id, point.value, point.step, point.epoch, point.phase) for point in metrics.list()] == [
            (f"{first}:loss:2", 3, 0, 1, None),
            (f"{first}:loss:1", 2, 5, 1, None),
            (f"{first}:loss:0", 1, 10, 1, None),
            (f"{second}:loss:0", 4, None, None, "p"),
            (f"{second}:loss:1", 5, None, None, "p"),
        ]

    def test_a_mixed_series_keeps_its_order(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        a.write("MetricSeriesRecorded", key, name="x", values=[1, 2.5, 3, "Infinity", 5])
        metrics = tell(a).metrics([key])
        assert [bits(point.value) for point in metrics.list()] == [bits(value) for value in [1, 2.5, 3, math.inf, 5]]
        assert list(metrics.series("x").values) == [1.0, 2.5, 3.0, math.inf, 5.0]

    def test_epochs_and_batches(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        places: list[dict[str, int]] = [{}, {"epoch": 0, "batch": 5}, {"epoch": 0, "batch": 7}, {"epoch": 0, "batch": 9}]
        places += [{"epoch": -(2**63) + 1}, {"epoch": 2**63 - 1, "batch": 0}, {}, {"epoch": 3}, {"epoch": 4}, {"batch": 1}]
        for place in places:
            a.metrics(key, {"x": 1.0}, **place)
        held = [(point.epoch, point.batch) for point in tell(a).metrics([key]).list()]
        assert held == [(place.get("epoch"), place.get("batch")) for place in places]

    def test_clear_touches_exactly_what_its_author_saw(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        a.metrics(key, {"loss": 1.0}, epoch=7)
        b.metrics(key, {"loss": 2.0}, epoch=5)
        position = a.position
        a.metrics(key, {"loss": 3.0}, epoch=1)
        b.write("MetricsCleared", key, position=position)
        b.write("MetricsCleared", key, position={a.writer: 1})
        model = tell(b, a)
        assert [point.value for point in model.metrics([key]).list()] == [2.0, 3.0]
        aggregate = model.aggregates([f"{a.writer}:1"]).read("1")
        assert (aggregate.last, aggregate.epoch) == ({(None, "loss"): 3.0}, 5)
        assert model.points_position([key]) == {a.writer: 4, b.writer: 1}

    def test_clear_of_everything(self, tell: Tell) -> None:
        a = Scribe()
        key = a.aggregate(a.experiment())
        a.metrics(key, {"loss": 1.0}, epoch=7)
        a.write("MetricsCleared", key, position=a.position)
        model = tell(a)
        assert model.metrics([key]).names() == []
        assert model.points_position([key]) == {}
        aggregate = model.aggregates([f"{a.writer}:1"]).read("1")
        assert (aggregate.last, aggregate.epoch) == ({}, None)

    def test_void_and_unvoid(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        for step in range(4):
            a.metrics(key, {"loss": float(step)}, step=step, epoch=step)
        many = a.write("MetricSeriesRecorded", key, name="loss", values=[10.0, 11.0], steps=[10, 11])
        for point in (f"{a.writer}:5:loss", f"{a.writer}:6:loss", f"{many}:loss:0", f"{a.writer}:99:loss", "nonsense"):
            b.write("MetricVoided", key, point=point, why="spike")
        b.write("MetricUnvoided", key, point=f"{a.writer}:5:loss")
        a.write("MetricVoided", key, point=f"{a.writer}:3:loss:0")
        model = tell(b, a)
        metrics = model.metrics([key])
        assert [point.value for point in metrics.list()] == [0.0, 1.0, 2.0, 11.0]
        assert [point.value for point in metrics.list(voided=True)] == [3.0, 10.0]
        assert list(metrics.series("loss").values) == [0.0, 1.0, 2.0, 11.0]
        aggregate = model.aggregates([f"{a.writer}:1"]).read("1")
        assert (aggregate.last, aggregate.epoch) == ({(None, "loss"): 11.0}, 2)

    def test_voids_and_clears_are_independent(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        event = a.metrics(key, {"loss": 1.0})
        b.write("MetricsCleared", key, position=a.position)
        b.write("MetricUnvoided", key, point=f"{event}:loss")
        a.metrics(key, {"loss": 2.0})
        model = tell(a, b)
        assert [point.value for point in model.metrics([key]).list()] == [2.0]

    def test_points_are_found_by_id(self, tell: Tell) -> None:
        a = Scribe()
        experiment = a.experiment()
        key, other = a.aggregate(experiment), a.aggregate(experiment, "2")
        single = a.metrics(key, {"loss": 1.0, "a:3": 2.0})
        many = a.write("MetricSeriesRecorded", other, name="b:1", values=[1, 2.5])
        model = tell(a)
        for point in (f"{single}:loss", f"{single}:a:3"):
            assert model.point_exists([other, key], point) == key
        for point in (f"{many}:b:1:0", f"{many}:b:1:1"):
            assert model.point_exists([key, other], point) == other
        for point in ("", ":::", f"{single}:acc", f"{many}:b:1", f"{many}:b:1:2", f"{single}:loss:0", f"{many}:b:1:01"):
            assert model.point_exists([key, other], point) is None

    def test_rename_and_undo(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        point = a.metrics(key, {"los": 1.0, "loss": 9.0}, step=1)
        rename = b.write("MetricRenamed", key, old="los", new="loss", position=a.position)
        again = b.write("MetricRenamed", key, old="loss", new="cost", position={a.writer: 2})
        a.metrics(key, {"los": 2.0}, step=2)
        model = tell(b, a)
        metrics = model.metrics([key])
        assert [(one.name, one.value, one.id) for one in metrics.list()] == [
            ("loss", 1.0, f"{point}:los"),
            ("loss", 9.0, f"{point}:loss"),
            ("los", 2.0, f"{a.writer}:4:los"),
        ]
        assert list(metrics.series("loss").values) == [1.0, 9.0]
        assert metrics.names() == [(None, "los"), (None, "loss")]
        assert model.aggregates([f"{a.writer}:1"]).read("1").last == {(None, "los"): 2.0, (None, "loss"): 9.0}
        a.write("MetricRenameUndone", key, rename=rename)
        a.write("MetricRenameUndone", key, rename=again)
        assert [one.name for one in tell(b, a).metrics([key]).list()] == ["los", "loss", "los"]

    def test_renames_follow_one_another(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        a.metrics(key, {"a": 1.0}, step=1)
        a.metrics(key, {"a": 2.0}, step=2)
        a.write("MetricRenamed", key, old="a", new="b", position={a.writer: 4})
        b.write("MetricRenamed", key, old="b", new="c", position={a.writer: 3})
        b.write("MetricRenamed", key, old="a", new="d", position={a.writer: 4})
        assert [one.name for one in tell(b, a).metrics([key]).list()] == ["c", "b"]

    def test_points_of_an_unknown_aggregate_are_kept_and_hidden(self, tell: Tell) -> None:
        a, b = scribes("ab")
        experiment = a.experiment()
        key = f"{a.writer}:{len(a.lines)}"
        b.metrics(key, {"loss": 1.0})
        model = tell(b, a)
        assert model.metrics([key]).list() == []
        a.aggregate(experiment)
        assert len(tell(b, a).metrics([key]).list()) == 1

    # iterations -----------------------------------------------------------------------------------------------------

    def test_iterations(self, tell: Tell) -> None:
        a, b = scribes("ab")
        key = a.aggregate(a.experiment())
        dataset = {"hash": "d", "name": "digits", "parameters": {"n": 3}}
        first = a.write("IterationStarted", key, hash="h", phase="train", epoch=1, dataset=dataset, parameters={"batch": 4})
        second = b.write("IterationCompleted", key, hash="h", phase="test", epoch=1, modules=[{"type": "t", "hash": "x", "name": "X"}])
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

    # everything else ------------------------------------------------------------------------------------------------

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
        model.commit({})
        model.close()
        model.close()
