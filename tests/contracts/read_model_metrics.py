"""Given events, what read models answer about metrics."""

from __future__ import annotations

import math
from collections.abc import Callable

from mltracker.projections.read_model import StoredReadModel
from mltracker.series import NO_STEP
from tests.contracts.answers import EDGES, INT_EDGES, bits, shown, word
from tests.contracts.scribe import START, Scribe, scribes

Tell = Callable[..., StoredReadModel]


class MetricAnswers:
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
        a.write(
            "MetricSeriesRecorded",
            key,
            name="y",
            values=[word(value) for value in numbers],
            steps=list(range(len(numbers))),
        )
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
        for scribe, value, step in [
            (b, 1.0, 5),
            (a, 2.0, None),
            (a, 3.0, 5),
            (b, 4.0, -1),
            (b, 5.0, None),
            (a, 6.0, 5),
        ]:
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
        first = a.write(
            "MetricSeriesRecorded", key, name="loss", values=[1, 2, 3], steps={"start": 10, "step": -5}, epoch=1
        )
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
        places: list[dict[str, int]] = [
            {},
            {"epoch": 0, "batch": 5},
            {"epoch": 0, "batch": 7},
            {"epoch": 0, "batch": 9},
        ]
        places += [
            {"epoch": -(2**63) + 1},
            {"epoch": 2**63 - 1, "batch": 0},
            {},
            {"epoch": 3},
            {"epoch": 4},
            {"batch": 1},
        ]
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
