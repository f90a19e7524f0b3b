"""How things print: short, and escaped."""

from __future__ import annotations

import pytest

import mltracker
from mltracker import Aggregate, Dataset, Experiment, Iteration, Metric, Module
from mltracker.html import LONGEST_CELL, LONGEST_TABLE, Rows

EVIL = "<script>alert('\"&')</script>"


@pytest.mark.parametrize(
    "item",
    [
        Module(EVIL, EVIL, EVIL, {EVIL: [EVIL]}),
        Dataset(EVIL, EVIL, {EVIL: {EVIL: EVIL}}),
        Metric(EVIL, 0.5, phase=EVIL),
        Iteration(EVIL, EVIL, 1, Dataset(EVIL, EVIL), {EVIL: EVIL}, [Module(EVIL, EVIL, EVIL)], metrics={EVIL: 1}),
        Experiment(EVIL, tags={EVIL: EVIL}, note=EVIL),
        Aggregate(EVIL, tags={EVIL: EVIL}, note=EVIL, last={(EVIL, EVIL): 1, (None, "loss"): 0.5}),
    ],
    ids=lambda item: type(item).__name__,
)
def test_everything_is_escaped(item: object) -> None:
    for html in (item._repr_html_(), Rows([item])._repr_html_()):  # type: ignore[attr-defined]
        assert "<script" not in html and "&lt;script&gt;" in html
        assert html.startswith("<table>")


def test_reprs_are_short() -> None:
    assert repr(Metric("loss", 0.5, step=1)) == (
        "Metric(name='loss', value=0.5, step=1, epoch=None, batch=None, phase=None)"
    )
    with mltracker.open("memory:", projection="memory") as tracker:
        experiment = tracker.experiment("mnist")
        aggregate = experiment.aggregate("1", [Module("model", "1", "a")], {"a": 1})
        assert repr(tracker.experiments) == "<experiments: 1>"
        assert repr(experiment) == "Experiment('mnist')" and repr(aggregate) == "Aggregate('1')"
        assert repr(experiment.aggregates) == "<aggregates of Experiment('mnist')>"
        assert repr(aggregate.config) == "{'a': 1}"
        assert repr(aggregate.metrics) == f"<metrics of {aggregate.keys[0]}>"
        assert "mnist" in tracker.experiments._repr_html_() and "<td>1</td>" in experiment.aggregates._repr_html_()
        assert "mnist" in experiment._repr_html_() and "Perceptron" not in aggregate.modules._repr_html_()
        aggregate.metrics.log({"loss": 0.125})
        assert "0.125" in aggregate.metrics.list()._repr_html_()  # type: ignore[attr-defined]
        assert tracker.sessions()._repr_html_().startswith("<table>")  # type: ignore[attr-defined]


def test_long_tables_and_cells_are_cut() -> None:
    html = Rows([Metric("x" * 10_000, 1.0)] * 1000)._repr_html_()
    assert html.count("<tr>") == LONGEST_TABLE + 1 and "900 more" in html
    assert len(html) < LONGEST_TABLE * (LONGEST_CELL + 200)
    assert Rows([])._repr_html_() == "<p>none</p>"
