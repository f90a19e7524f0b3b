"""The HTML report: one file, nothing loaded, nothing recorded becomes markup."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from mltracker import Module, TrackedAggregate, Tracker
from mltracker.reproduce.compare import compare
from mltracker.reproduce.report import WIDTH, chart, html, reduced
from mltracker.reproduce.verdict import Difference, not_runnable

Train = Callable[..., TrackedAggregate]
EVIL = "<script>alert('x')</script>\"&"


class Tags(HTMLParser):
    """Counts tags, checks that they are closed, keeps attributes."""

    VOID = frozenset({"meta", "circle", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def report(tracker: Tracker, one: TrackedAggregate, other: TrackedAggregate) -> str:
    return html(compare(tracker, one, other), one, other)


def test_it_tells_it_all(tracker: Tracker, record: Train) -> None:
    one = record("a")
    one.metrics.void(one.metrics.list("loss")[3], why="the sensor broke")
    text = report(tracker, one, record("b", lr=0.2, size=4))
    for part in (
        "diverged",
        "0.1",
        "0.2",
        "SGD.lr",
        "Net.size",
        "train/loss",
        "the sensor broke",
        "Curves",
        "polyline",
    ):
        assert part in text
    assert Tags(text).open == []


def test_nothing_is_loaded_and_no_script_runs(tracker: Tracker, record: Train) -> None:
    text = report(tracker, record("a"), record("b", lr=0.2))
    tags = Tags(text)
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(tags.tags)
    assert not {"src", "href", "onload", "srcset"} & {name for name, _ in tags.attributes}
    assert "http" not in text.replace("http-equiv", "")
    assert not re.search(r"url\(|@import", text)
    policy = dict(tags.attributes)["content"]
    assert any(value and value.startswith("default-src 'none'") for name, value in tags.attributes if name == "content")
    assert policy
    assert "prefers-color-scheme: dark" in text


def test_everything_recorded_is_escaped(tracker: Tracker) -> None:
    aggregates = []
    for name, value in ((f"one {EVIL}".replace("/", ""), 1.0), (f"two {EVIL}".replace("/", ""), 2.0)):
        module = Module(EVIL, f"{EVIL}{value}", EVIL, {EVIL: value})
        aggregate = tracker.experiment(name).aggregate(EVIL.replace("/", ""), [module], {EVIL: f"{EVIL}{value}"})
        aggregate.metrics.log({EVIL: value}, phase=EVIL, step=1)
        aggregate.metrics.log({"gone": value}, phase=EVIL)
        aggregate.metrics.void(aggregate.metrics.list("gone")[0], why=EVIL)
        aggregates.append(aggregate)
    verdict = compare(tracker, *aggregates)
    verdict = verdict.model_copy(
        update={"environment": [Difference(kind=EVIL, name=EVIL, expected=EVIL, found="\x1b[0m")]}
    )
    text = html(verdict, *aggregates)
    tags = Tags(text)
    assert "script" not in tags.tags
    assert "<script" not in text
    assert "\x1b" not in text
    assert tags.open == []


@pytest.mark.parametrize(
    "values", [[math.nan], [math.inf, 1.0], [1.0, math.nan, 2.0, -math.inf], [1e308, -1e308], [5, 5, 5], [2**63 - 1]]
)
def test_any_values_can_be_drawn(tracker: Tracker, values: list[float]) -> None:
    one, other = tracker.experiment("one").aggregate("1"), tracker.experiment("other").aggregate("1")
    for aggregate in (one, other):
        for step, value in enumerate(values):
            aggregate.metrics.log({"x": value}, step=step)
    text = report(tracker, one, other)
    coordinates = [
        float(number) for points in re.findall(r'points="([^"]*)"', text) for number in re.split("[ ,]", points)
    ]
    assert all(math.isfinite(number) and -1 <= number <= WIDTH for number in coordinates)
    assert "nan," not in text.partition("<svg")[2]
    assert Tags(text).open == []


def test_a_million_points_become_a_few_that_keep_the_extremes() -> None:
    places = [(8 + 584 * index / 100_000, 80.0) for index in range(100_000)]
    places[50_000] = (places[50_000][0], 1.0)
    places[70_001] = (places[70_001][0], 159.0)
    few = reduced(places)
    assert len(few) <= 4 * WIDTH
    assert {1.0, 159.0} <= {y for _, y in few}
    assert few == sorted(few, key=lambda place: place[0])


def test_a_gap_breaks_the_line() -> None:
    drawn = chart([(0, 1.0), (1, 2.0), (2, math.nan), (3, 2.0), (4, 1.0)], [])
    assert drawn.count("<polyline") == 2
    assert "1 values are not finite" in drawn
    assert "no points" in chart([], [])
    assert "no finite values" in chart([(0, math.nan)], [])


def test_what_never_began_has_a_report_too(tracker: Tracker, record: Train) -> None:
    one = record("a")
    text = html(not_runnable("a/1", one.keys[0], f"no git {EVIL}"), one)
    assert "not runnable" in text
    assert "script" not in Tags(text).tags
