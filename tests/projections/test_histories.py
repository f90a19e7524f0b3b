"""Random histories of several writers: every read model gives the same answers, in whatever order segments arrive."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mltracker.events.envelope import parse_time
from mltracker.events.log import Batch
from mltracker.projections.memory import MemoryReadModel
from mltracker.projections.read_model import StoredReadModel
from mltracker.projections.sqlite import SQLiteReadModel
from mltracker.projections.tinydb import TinyDBReadModel
from tests.contracts.answers import all_answers
from tests.contracts.scribe import Scribe, scribes

NAMES = ["loss", "los", "acc"]
NUMBERS: list[Any] = [0.5, -0.0, 3, 2**63 - 1, "NaN", "-Infinity"]
CONFIG = ["a", "a.b", "a.b.c", "a.d", "e"]

small = st.integers(0, 5)
Step = tuple[str, int, int, int, int]


class Story:
    """Turns random numbers into events that mostly make sense."""

    def __init__(self) -> None:
        self.scribes = scribes("abc")
        self.experiments = [self.scribes[0].experiment("one"), self.scribes[1].experiment("one")]
        self.aggregates = [self.scribes[0].aggregate(self.experiments[0])]
        self.points = [f"{self.scribes[0].writer}:0:loss"]
        self.renames = [f"{self.scribes[0].writer}:0"]
        self.iterations: list[str] = []

    def tell(self, step: Step) -> None:
        action, writer, one, two, three = step
        getattr(self, action)(self.scribes[writer % 3], one, two, three)

    def position(self, behind: int) -> dict[str, int]:
        """What an author knew who had read all but the last `behind` events of each."""
        return {scribe.writer: max(len(scribe.lines) - 1 - behind, 0) for scribe in self.scribes}

    def aggregate_of(self, number: int) -> str:
        return self.aggregates[number % len(self.aggregates)]

    def create(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        if one == 0:
            self.experiments.append(scribe.experiment(["one", "two"][two % 2]))
        else:
            experiment = self.experiments[two % len(self.experiments)]
            self.aggregates.append(scribe.aggregate(experiment, ["1", "2"][three % 2], config={"e": one}))

    def rename(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        scribe.write("ExperimentRenamed", self.experiments[one % len(self.experiments)], name=["one", "two"][two % 2])

    def delete(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        if three == 0:
            key = self.experiments[one % len(self.experiments)]
            scribe.write(["ExperimentDeleted", "Restored"][two % 2], key, deletion=str(three))
        else:
            scribe.write(["AggregateDeleted", "Restored"][two % 2], self.aggregate_of(one), deletion=str(three))

    def log(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        place = {"step": two % 3, "epoch": three} if one % 3 else {"epoch": three, "phase": "train"}
        names = NAMES[: 1 + one % 3]
        numbers = {name: NUMBERS[(two + index * three) % len(NUMBERS)] for index, name in enumerate(names)}
        event = scribe.metrics(self.aggregate_of(three), numbers, **place)
        self.points += [f"{event}:{name}" for name in names]

    def log_series(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        numbers = [NUMBERS[(one + index * two) % len(NUMBERS)] for index in range(three)]
        data = {"steps": {"start": one, "step": two - 2}} if two % 2 else {}
        event = scribe.write(
            "MetricSeriesRecorded", self.aggregate_of(two), name=NAMES[one % 3], values=numbers, **data
        )
        self.points += [f"{event}:{NAMES[one % 3]}:{index}" for index in range(three)]

    def clear(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        kind = "MetricsCleared" if one % 2 else "IterationsCleared"
        scribe.write(kind, self.aggregate_of(two), position=self.position(three))

    def void(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        kind = "MetricUnvoided" if one == 0 else "MetricVoided"
        scribe.write(kind, self.aggregate_of(two), point=self.points[-1 - (three * 3 + one) % len(self.points)])

    def rename_metric(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        if three == 0:
            scribe.write("MetricRenameUndone", self.aggregate_of(two), rename=self.renames[one % len(self.renames)])
        else:
            old, new = NAMES[one % 3], NAMES[(one + 1 + three % 2) % 3]
            data = {"old": old, "new": new, "position": self.position(three % 3)}
            self.renames.append(scribe.write("MetricRenamed", self.aggregate_of(two), **data))

    def iterate(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        key = self.aggregate_of(two)
        if one < 3 or not self.iterations:
            kind = "IterationCompleted" if one == 0 else "IterationStarted"
            self.iterations.append(scribe.write(kind, key, hash="h", phase=str(two % 2), epoch=three))
        else:
            error = {"error_type": "E", "message": "m"} if one == 3 else {"duration": 0.5}
            kind = "IterationFailed" if one == 3 else "IterationCompleted"
            scribe.write(kind, key, iteration=self.iterations[three % len(self.iterations)], **error)

    def train(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        training = scribe.write("TrainingStarted", self.aggregate_of(two))
        self.scribes[one % 3].write("TrainingCompleted", self.aggregate_of(two), training=training)

    def keep(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        if one % 2:
            data = {"name": NAMES[three % 3], "hash": str(two) * 64, "size": two}
            scribe.write("CheckpointStored", self.aggregate_of(two), **data)
        else:
            verdict = ["identical", "diverged"][three % 2]
            scribe.write("ReproductionRecorded", self.aggregate_of(two), verdict=verdict, reproduction="r:1")

    def configure(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        changes = {CONFIG[(one + more) % 5]: two for more in range(two % 3)}
        scribe.write(
            "ConfigChanged", self.aggregate_of(three), changes=changes, removed=[CONFIG[two % 5]] if one % 2 else []
        )

    def tag(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        key = [*self.experiments, *self.aggregates][one % 3]
        scribe.write(
            "TagsChanged",
            key,
            changes={"best": two, "worst": 1} if two % 2 else {"worst": 2},
            removed=["best"] if three % 2 else [],
        )
        scribe.write("NoteChanged", key, text=str(three))

    def attach(self, scribe: Scribe, one: int, two: int, three: int) -> None:
        if one:
            module = {"type": "model", "hash": str(two % 2), "name": str(three), "parameters": {"x": two}}
            scribe.write("ModuleAttached", self.aggregate_of(three), module=module)
        else:
            scribe.write("ModuleDetached", self.aggregate_of(three), module_type="model", hash=str(two % 2))


ACTIONS = ["log", "log_series", "clear", "void", "rename_metric", "create", "rename", "delete", "iterate", "train"]
ACTIONS += ["configure", "tag", "attach", "log", "log", "void", "keep"]
stories = st.lists(st.tuples(st.sampled_from(ACTIONS), small, small, small, small), min_size=5, max_size=40)


def told(steps: list[Step]) -> Story:
    story = Story()
    for step in steps:
        story.tell(step)
    return story


def in_order(story: Story) -> Iterator[Batch]:
    """Event by event as history has them."""
    lines = [(line["at"], scribe.writer, line) for scribe in story.scribes for line in scribe.lines]
    for _, writer, line in sorted(lines, key=lambda item: item[:2]):
        yield Batch(writer, [line])


def shuffled(story: Story, order: list[int], sizes: list[int]) -> Iterator[Batch]:
    """Batches of random length, writers in random turn."""
    left = {index: list(scribe.lines) for index, scribe in enumerate(story.scribes)}
    for turn, size in zip(order, sizes, strict=True):
        lines = left[turn]
        if lines:
            yield Batch(story.scribes[turn].writer, lines[:size])
            del lines[:size]
    for index, scribe in enumerate(story.scribes):
        if left[index]:
            yield Batch(scribe.writer, left[index])


def answers_of(model: StoredReadModel, batches: Iterator[Batch], reopen: Any = None) -> dict[str, Any]:
    for number, batch in enumerate(batches):
        model.apply(batch)
        if number % 3 == 0:
            model.apply(batch)
        if reopen is not None and number % 4 == 1:
            model.commit({"number": number})
            model.close()
            model = reopen()
        elif number % 7 == 5:
            all_answers(model)
    answers = all_answers(model)
    model.close()
    return answers


@settings(max_examples=100, deadline=None)
@given(
    stories,
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
    st.lists(st.integers(1, 9), min_size=12, max_size=12),
)
def test_all_read_models_agree_in_any_order(steps: list[Step], order: list[int], sizes: list[int]) -> None:
    story = told(steps)
    expected = answers_of(MemoryReadModel(), in_order(story))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for name, make in {
            "memory": MemoryReadModel,
            "tinydb": lambda: TinyDBReadModel(path / "model.json"),
            "sqlite": lambda: SQLiteReadModel(path / "model.sqlite"),
        }.items():
            reopen = make if name != "memory" else None
            assert answers_of(make(), shuffled(story, order, sizes), reopen) == expected, name


@settings(max_examples=100, deadline=None)
@given(
    stories,
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
    st.lists(st.integers(1, 9), min_size=12, max_size=12),
)
def test_points_are_what_a_simple_fold_in_order_makes_of_them(
    steps: list[Step], order: list[int], sizes: list[int]
) -> None:
    story = told(steps)
    model = MemoryReadModel()
    for batch in shuffled(story, order, sizes):
        model.apply(batch)
    for key in story.aggregates:
        if key in [live for one in model.aggregates([_experiment_of(story, key)]).list() for live in one.keys]:
            assert sorted((one.id, one.name) for one in model.metrics([key]).list()) == sorted(
                simple_points(story, key)
            )


def _experiment_of(story: Story, key: str) -> str:
    for scribe in story.scribes:
        for line in scribe.lines:
            if f"{scribe.writer}:{line['seq']}" == key:
                return str(line["data"]["experiment"])
    raise LookupError(key)


def simple_points(story: Story, key: str) -> list[tuple[str, str]]:
    """(id, name) of the visible points: one pass for each kind of event, one point at a time."""
    events = [(parse_time(line["at"]), scribe.writer, line) for scribe in story.scribes for line in scribe.lines]
    events = [event for event in sorted(events, key=lambda event: event[:2]) if event[2]["stream"] == key]
    points: dict[str, tuple[str, int, str]] = {}
    for _, writer, line in events:
        data, id = line["data"], f"{writer}:{line['seq']}"
        if line["type"] == "MetricsRecorded":
            points |= {f"{id}:{name}": (writer, line["seq"], name) for name in data["values"]}
        if line["type"] == "MetricSeriesRecorded":
            ids = [f"{id}:{data['name']}:{index}" for index in range(len(data["values"]))]
            points |= dict.fromkeys(ids, (writer, line["seq"], data["name"]))
    undone = {line["data"]["rename"] for _, _, line in events if line["type"] == "MetricRenameUndone"}
    voided: set[str] = set()
    for _, writer, line in events:
        data = line["data"]
        if line["type"] == "MetricsCleared":
            points = {id: point for id, point in points.items() if point[1] > data["position"][point[0]]}
        if line["type"] == "MetricRenamed" and f"{writer}:{line['seq']}" not in undone:
            for id, (by, seq, name) in points.items():
                if name == data["old"] and seq <= data["position"][by]:
                    points[id] = (by, seq, data["new"])
        if line["type"] == "MetricVoided":
            voided.add(data["point"])
        if line["type"] == "MetricUnvoided":
            voided.discard(data["point"])
    return [(id, name) for id, (_, _, name) in points.items() if id not in voided]
