"""What every Metrics collection must do. Subclass `MetricsContract` and give it the fixture `metrics`."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mltracker.errors import InvalidMetric, InvalidName, InvalidValue, NotFound
from mltracker.models import Metric
from mltracker.ports import Metrics
from mltracker.series import NO_STEP
from tests.contracts.experiments import BAD_NAMES

EXACT = [0, 1, -1, 0.0, -0.0, 0.1, 5e-324, 1.7976931348623157e308, 2**63 - 1, -(2**63), 2**53 + 1, math.nan]
EXACT += [math.inf, -math.inf]
BAD_VALUES = [True, False, "0.5", "NaN", 1j, None, 2**63, -(2**63) - 1, 2**64, [0.1], {"a": 1}, ..., b"1"]
BAD_PLACES = [True, 1.0, "1", 2**63, -(2**63), 2**70, [1]]


def points(found: list[Metric]) -> list[tuple[str, int | float]]:
    return [(metric.name, metric.value) for metric in found]


def columns(metrics: Metrics, name: str, phase: str | None = None, **options: Any) -> tuple[list[int], list[float]]:
    steps, values = metrics.series(name, phase, **options)
    return steps.tolist(), values.tolist()


class MetricsContract:
    """`metrics` is the empty collection of an aggregate."""

    @pytest.fixture
    def metrics(self) -> Metrics:
        raise NotImplementedError

    def test_there_are_none_at_first(self, metrics: Metrics) -> None:
        assert metrics.list() == [] and metrics.names() == []
        assert columns(metrics, "loss") == ([], [])
        metrics.clear()

    def test_add_and_list(self, metrics: Metrics) -> None:
        given = Metric(name="accuracy", value=0.98, step=7, epoch=1, batch=3, phase="train")
        metrics.add(given)
        [found] = metrics.list()
        assert found == given
        assert found.id and found.at and found.session

    def test_log(self, metrics: Metrics) -> None:
        metrics.log({"loss": 0.1, "accuracy": 0.98}, step=100, epoch=1, phase="train")
        metrics.log({"loss": 0.2})
        assert sorted(points(metrics.list())) == [("accuracy", 0.98), ("loss", 0.1), ("loss", 0.2)]
        assert points(metrics.list("loss", "train")) == [("loss", 0.1)]
        assert metrics.names() == [(None, "loss"), ("train", "accuracy"), ("train", "loss")] or metrics.names() == [
            ("train", "accuracy"), ("train", "loss"), (None, "loss")
        ]  # fmt: skip

    def test_log_of_nothing_is_nothing(self, metrics: Metrics) -> None:
        metrics.log({}, step=1)
        metrics.log_series("loss", [])
        metrics.log_series("loss", [], steps=[])
        assert metrics.list() == [] and metrics.names() == []

    def test_filters(self, metrics: Metrics) -> None:
        for epoch in (1, 2):
            for phase in ("train", "test"):
                metrics.log({"loss": epoch, "accuracy": epoch / 2}, epoch=epoch, phase=phase)
        assert len(metrics.list()) == 8
        assert len(metrics.list(phase="train")) == len(metrics.list("loss")) == len(metrics.list(epoch=1)) == 4
        assert points(metrics.list("loss", "test", epoch=2)) == [("loss", 2)]
        session = metrics.list()[0].session
        assert len(metrics.list(session=session)) == 8 and metrics.list(session="f" * 32 + ":0") == []
        assert metrics.list("nothing") == [] and metrics.list(phase="nothing") == []

    def test_by_step_then_stamp_those_without_a_step_last(self, metrics: Metrics) -> None:
        for value, step in enumerate([3, None, 1, 2, None, 1, -5]):
            metrics.log({"loss": value}, step=step)
        assert [(metric.step, metric.value) for metric in metrics.list("loss")] == [
            (-5, 6), (1, 2), (1, 5), (2, 3), (3, 0), (None, 1), (None, 4)
        ]  # fmt: skip
        assert columns(metrics, "loss") == ([-5, 1, 1, 2, 3, NO_STEP, NO_STEP], [6, 2, 5, 3, 0, 1, 4])
        assert columns(metrics, "loss", last=True) == ([-5, 1, 2, 3, NO_STEP, NO_STEP], [6, 5, 3, 0, 1, 4])

    @pytest.mark.parametrize("value", EXACT, ids=repr)
    def test_values_come_back_exactly(self, metrics: Metrics, value: float) -> None:
        metrics.add(Metric("a", value))
        metrics.log({"a": value, "b": 0.5})
        metrics.log_series("a", [value, value])
        assert [repr(metric.value) for metric in metrics.list("a")] == [repr(value)] * 4
        assert [repr(found) for found in columns(metrics, "a")[1]] == [repr(value)] * 4

    @pytest.mark.parametrize("value", BAD_VALUES, ids=repr)
    def test_what_is_no_number_is_refused_whole(self, metrics: Metrics, value: float) -> None:
        metrics.log({"good": 1.0, "bad": 2.0})
        for log in (
            lambda: metrics.log({"good": 1.0, "bad": value}, step=1),
            lambda: metrics.add(Metric("bad", value)),
            lambda: metrics.log_series("bad", [1.0, value]),
        ):
            with pytest.raises(InvalidMetric, match="metric 'bad'"):
                log()
        assert len(metrics.list()) == 2

    @pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
    def test_bad_names_are_refused(self, metrics: Metrics, name: str) -> None:
        if not isinstance(name, list):
            with pytest.raises(InvalidName, match="metric name"):
                metrics.log({"good": 1.0, name: 2.0})
        with pytest.raises(InvalidName, match="metric name"):
            metrics.add(Metric(name, 1.0))
        with pytest.raises(InvalidName, match="metric name"):
            metrics.log_series(name, [1.0])
        if name is not None:
            with pytest.raises(InvalidName, match="phase"):
                metrics.log({"good": 1.0}, phase=name)
            with pytest.raises(InvalidName, match="phase"):
                metrics.log_series("good", [1.0], phase=name)
        assert metrics.list() == []

    def test_names_may_hold_slashes_and_quotes(self, metrics: Metrics) -> None:
        for name in ("a/b", 'quote"', "back\\slash", "é🙂", "a:1", "null"):
            metrics.log({name: 1.0}, phase=name)
            metrics.log({name: 2.0}, phase=name)
            assert columns(metrics, name, name)[1] == [1.0, 2.0]

    @pytest.mark.parametrize("place", ["step", "epoch", "batch"])
    @pytest.mark.parametrize("value", BAD_PLACES, ids=repr)
    def test_places_are_ints_of_64_bits(self, metrics: Metrics, place: str, value: Any) -> None:
        metrics.log({"warm": 1.0}, step=1, epoch=1, batch=1)
        with pytest.raises(InvalidValue, match=f"{place}: must"):
            metrics.log({"warm": 1.0}, **{place: value})
        assert len(metrics.list()) == 1

    def test_the_ends_of_places(self, metrics: Metrics) -> None:
        for end in (2**63 - 1, -(2**63) + 1):
            metrics.add(Metric("a", 1.0, step=end, epoch=end, batch=end))
        assert [(one.step, one.epoch, one.batch) for one in metrics.list()] == [
            (-(2**63) + 1,) * 3, (2**63 - 1,) * 3
        ]  # fmt: skip

    def test_numpy_scalars_are_numbers(self, metrics: Metrics) -> None:
        np = pytest.importorskip("numpy")
        metrics.log({"a": np.float64(0.1), "b": np.float32(0.5), "c": np.int8(3), "d": np.array(2.5)}, step=np.int64(4))
        found = {metric.name: (repr(metric.value), metric.step) for metric in metrics.list()}
        assert found == {"a": ("0.1", 4), "b": ("0.5", 4), "c": ("3", 4), "d": ("2.5", 4)}
        for bad in (np.bool_(True), np.array([1.0]), np.complex128(1), np.uint64(2**63)):
            with pytest.raises(InvalidMetric, match="'bad'"):
                metrics.log({"bad": bad})

    # Series ----------------------------------------------------------------------------------------------------------

    def test_log_series(self, metrics: Metrics) -> None:
        metrics.log_series("loss", steps=range(1000), values=[step / 7 for step in range(1000)], phase="train", epoch=2)
        assert columns(metrics, "loss", "train") == (list(range(1000)), [step / 7 for step in range(1000)])
        found = metrics.list("loss", epoch=2)
        assert len(found) == 1000 and len({metric.id for metric in found}) == 1000

    @pytest.mark.parametrize(
        "steps",
        [range(0, 40000, 2), range(40000, 20000, -1), [step * step for step in range(20000)], None, [5] * 20000],
        ids=["even", "falling", "irregular", "none", "equal"],
    )
    def test_long_series(self, metrics: Metrics, steps: Any) -> None:
        values = [value * 0.5 for value in range(20000)]
        metrics.log_series("loss", values, steps)
        pairs = sorted(zip(steps or [NO_STEP] * 20000, values, strict=True), key=lambda pair: pair[0])
        assert columns(metrics, "loss") == ([step for step, _ in pairs], [value for _, value in pairs])

    def test_series_of_arrays(self, metrics: Metrics) -> None:
        np = pytest.importorskip("numpy")
        values, n = np.linspace(0, 1, 10000), 10000
        for name, column in {
            "float64": values, "float32": values.astype("f4"), "strided": np.linspace(0, 1, 2 * n)[::2],
            "swapped": values.astype(">f8"), "int": np.arange(n, dtype="i4"), "uint": np.arange(n, dtype="u8"),
            "object": values.astype(object), "odd": np.where(values > 0.5, np.nan, values),
        }.items():  # fmt: skip
            for steps in (
                range(n),
                np.arange(n),
                np.arange(n) ** 2,
                list(range(n)),
                np.arange(n, dtype=">u2") * 3,
                None,
            ):
                metrics.log_series(name, column, steps, phase="p")
                found_steps, found = metrics.series(name, "p")
                assert found_steps.tolist() == ([NO_STEP] * n if steps is None else [int(step) for step in steps])
                np.testing.assert_array_equal(found, column.astype("i8" if column.dtype.kind in "iu" else "f8"))
                metrics.clear()

    def test_series_of_ints_stay_ints(self, metrics: Metrics) -> None:
        metrics.log_series("count", [1, 2**53 + 1, 2**63 - 1])
        assert columns(metrics, "count")[1] == [1, 2**53 + 1, 2**63 - 1]
        metrics.log({"count": 0.5})
        assert columns(metrics, "count")[1] == [1.0, float(2**53 + 1), float(2**63 - 1), 0.5]

    @pytest.mark.parametrize("steps", [[1], range(3), [1, None], [1, True], [1, 2.0], [1, "2"], 5, [1, 2**63], "ab"])
    def test_bad_steps_are_refused_whole(self, metrics: Metrics, steps: Any) -> None:
        with pytest.raises(InvalidValue, match="steps"):
            metrics.log_series("loss", [0.1, 0.2], steps)
        assert metrics.list() == []

    def test_bad_arrays_are_refused_whole(self, metrics: Metrics) -> None:
        np = pytest.importorskip("numpy")
        big = np.array([2**63], dtype="u8")
        for values in (
            np.zeros((2, 2)),
            np.array(1.0),
            np.array([True]),
            np.array([1j]),
            np.array(["a"]),
            big,
            "abc",
            7,
        ):
            with pytest.raises(InvalidValue):
                metrics.log_series("loss", values)
        for steps in (np.zeros((1, 1), int), np.array([0.5]), np.array([True]), big, range(2**63, 2**63 + 1)):
            with pytest.raises(InvalidValue, match="steps"):
                metrics.log_series("loss", [0.5], steps)
        values = [0.1] * 20000
        values[-1] = "x"  # type: ignore[call-overload]
        with pytest.raises(InvalidMetric):
            metrics.log_series("loss", values)
        assert metrics.list() == []

    # Corrections -----------------------------------------------------------------------------------------------------

    def test_void_and_unvoid(self, metrics: Metrics) -> None:
        metrics.log({"loss": 0.1}, step=1)
        metrics.log_series("loss", [0.2, 0.3], steps=[2, 3])
        first, second, _ = metrics.list("loss")
        metrics.void(first, why="a spike")
        metrics.void(second.id or "", why="another")
        assert [metric.value for metric in metrics.list()] == [0.3]
        assert columns(metrics, "loss") == ([3], [0.3])
        assert [metric.value for metric in metrics.list(voided=True)] == [0.1, 0.2]
        metrics.unvoid(second)
        assert [metric.value for metric in metrics.list()] == [0.2, 0.3]
        assert [metric.value for metric in metrics.list(voided=True)] == [0.1]

    def test_what_cannot_be_voided(self, metrics: Metrics) -> None:
        metrics.log({"loss": 0.1})
        [point] = metrics.list()
        for bad in (Metric("loss", 0.1), "nonsense", f"{'f' * 32}:1:loss", f"{point.id}x", f"{point.id}:0"):
            for command in (metrics.void, metrics.unvoid):
                with pytest.raises(NotFound):
                    command(bad)
        with pytest.raises(InvalidValue, match="why"):
            metrics.void(point, why=3)  # type: ignore[arg-type]
        assert metrics.list() == [point]

    def test_rename_and_undo(self, metrics: Metrics) -> None:
        metrics.log({"los": 0.1}, step=1, phase="train")
        metrics.log({"los": 0.2}, step=2)
        undo = metrics.rename("los", "loss", why="a typo")
        assert metrics.list("los") == [] and points(metrics.list("loss")) == [("loss", 0.1), ("loss", 0.2)]
        metrics.log({"los": 0.3}, step=3)
        assert points(metrics.list("los")) == [("los", 0.3)]
        undo()
        undo()
        assert points(metrics.list("los")) == [("los", 0.1), ("los", 0.2), ("los", 0.3)]
        assert metrics.list("loss") == []

    def test_a_rename_onto_an_existing_name_can_be_undone(self, metrics: Metrics) -> None:
        metrics.log({"los": 0.1, "loss": 0.2}, step=1)
        undo = metrics.rename("los", "loss")
        assert sorted(columns(metrics, "loss")[1]) == [0.1, 0.2]
        undo()
        assert columns(metrics, "loss")[1] == [0.2] and columns(metrics, "los")[1] == [0.1]

    def test_bad_renames(self, metrics: Metrics) -> None:
        metrics.log({"loss": 0.1})
        with pytest.raises(NotFound, match="'los'"):
            metrics.rename("los", "loss")
        with pytest.raises(InvalidName, match="new"):
            metrics.rename("loss", "")
        with pytest.raises(InvalidValue, match="already"):
            metrics.rename("loss", "loss")
        assert points(metrics.list()) == [("loss", 0.1)]

    def test_clear_touches_what_is_there_now(self, metrics: Metrics) -> None:
        metrics.log({"loss": 0.1, "accuracy": 0.5}, step=1, phase="train")
        metrics.log_series("loss", [0.1] * 10)
        metrics.clear("a wrong run")
        assert metrics.list() == [] and metrics.names() == [] and columns(metrics, "loss") == ([], [])
        metrics.log({"loss": 0.2}, step=1)
        assert points(metrics.list()) == [("loss", 0.2)]

    def test_voided_and_cleared_are_independent(self, metrics: Metrics) -> None:
        metrics.log({"loss": 0.1})
        [point] = metrics.list()
        metrics.void(point)
        metrics.clear()
        metrics.unvoid(point)
        assert metrics.list() == []
