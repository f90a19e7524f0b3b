"""How things print: short, and escaped."""

from __future__ import annotations

import pytest

import mltracker
from mltracker import (
    Aggregate,
    Checkpoint,
    Correction,
    Dataset,
    Experiment,
    Iteration,
    Metric,
    Module,
    Reproduction,
)
from mltracker.html import LONGEST_CELL, LONGEST_TABLE, Rows

EVIL = "<script>alert('\"&')</script>"


@pytest.mark.parametrize(
    "item",
    [
        Module(EVIL, EVIL, EVIL, {EVIL: [EVIL]}),
        Dataset(EVIL, EVIL, {EVIL: {EVIL: EVIL}}),
        Metric(EVIL, 0.5, phase=EVIL),
        Iteration(EVIL, EVIL, 1, Dataset(EVIL, EVIL), {EVIL: EVIL}, [Module(EVIL, EVIL, EVIL)], metrics={EVIL: 1}),
        Checkpoint(EVIL, EVIL, 3),
        Reproduction(EVIL, EVIL, {EVIL: EVIL}),
        Correction("rename", EVIL, EVIL, EVIL, EVIL, session=EVIL),
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
    assert repr(Metric("loss", 0.5, step=1)) == "Metric(name='loss', value=0.5, step=1)"
    assert repr(Metric("loss", 0.5, epoch=0, phase="train")) == "Metric(name='loss', value=0.5, epoch=0, phase='train')"
    with mltracker.open("memory:", projection="memory") as tracker:
        experiment = tracker.experiment("mnist")
        aggregate = experiment.aggregate("1", [Module("model", "1", "a")], {"a": 1})
        assert repr(tracker.experiments) == "<experiments: 1>"
        assert repr(experiment) == "Experiment('mnist')" and repr(aggregate) == "Aggregate('1', experiment='mnist')"
        assert repr(experiment.aggregates) == "<aggregates of Experiment('mnist')>"
        assert repr(aggregate.config) == "{'a': 1}"
        assert repr(aggregate.metrics) == "<metrics of mnist/1>"
        assert repr(aggregate.iterations) == "<iterations of mnist/1>"
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


def test_an_aggregate_shows_how_it_stands() -> None:
    with mltracker.open("memory:", projection="memory") as tracker:
        aggregate = tracker.experiment("mnist").aggregate("1", [Module("model", "1", "Perceptron")], {"lr": 0.25})
        aggregate.metrics.log({"loss": 0.125}, step=1, epoch=3, phase="train")
        with aggregate.training():
            html = aggregate._repr_html_()
        for shown in (
            "mnist",
            "running",
            "model Perceptron",
            "lr=0.25",
            "train/loss=0.125",
            "<th>epoch</th><td>3</td>",
        ):
            assert shown in html
        assert "completed" in aggregate._repr_html_()


def test_collections_and_series_are_tables() -> None:
    with mltracker.open("memory:", projection="memory") as tracker:
        aggregate = tracker.experiment("mnist").aggregate("1")
        assert aggregate.metrics._repr_html_() == aggregate.iterations._repr_html_() == "<p>none</p>"
        aggregate.metrics.log_series("loss", [0.5] * 250, phase=EVIL)
        aggregate.iterations.add(Iteration("1", EVIL))
        for html in (aggregate.metrics._repr_html_(), aggregate.iterations._repr_html_()):
            assert "&lt;script&gt;" in html and "<script" not in html
        assert "<td>250</td>" in aggregate.metrics._repr_html_()
        html = aggregate.metrics.series("loss", EVIL)._repr_html_()
        assert html.count("<td>0.5</td>") == LONGEST_TABLE and "150 more" in html


def test_notes_keep_their_lines() -> None:
    html = Experiment("a", note="one\n  <b>two</b>")._repr_html_()
    assert '<span style="white-space: pre-wrap">one\n  &lt;b&gt;two&lt;/b&gt;</span>' in html
