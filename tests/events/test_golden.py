"""Lines of every schema version ever released are read for ever. The files in `golden/` are never edited.

A new version of an event: add a file with lines of it here, and what they mean below; leave the others as they are,
but for `TODAY`, which says what the old lines mean now.
"""

from __future__ import annotations

import math
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import orjson
import pytest

from mltracker.events import (
    AggregateCreated,
    AggregateDeleted,
    CheckpointStored,
    ConfigChanged,
    DatasetData,
    Erased,
    Event,
    EventErased,
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRenamed,
    IterationCompleted,
    IterationFailed,
    IterationsCleared,
    IterationStarted,
    MetricRenamed,
    MetricRenameUndone,
    MetricsCleared,
    MetricSeriesRecorded,
    MetricsRecorded,
    MetricUnvoided,
    MetricVoided,
    ModuleAttached,
    ModuleData,
    ModuleDetached,
    NoteChanged,
    ReproductionRecorded,
    Restored,
    SessionDescribed,
    SessionEnded,
    SessionStarted,
    Steps,
    TagsChanged,
    TrainingCompleted,
    TrainingFailed,
    TrainingStarted,
)
from mltracker.events.catalogue import REGISTRY
from mltracker.events.envelope import CRC_TAIL, CRC_TAIL_LENGTH, encode, initial_crc, kind, recorded
from mltracker.events.log import Line
from mltracker.events.upcasters import LATEST, known, upcast

GOLDEN = Path(__file__).parent / "golden"
OLD, NEW = "0" * 31 + "1", "5f0c2a9be1d34786a1b7c09d3e5f6a21"
SESSION, EXPERIMENT, AGGREGATE, TRAINING, ITERATION = (f"{NEW}:{seq}" for seq in (0, 1, 2, 3, 4))
MODEL = ModuleData(type="model", hash="1234", name="Perceptron", parameters={"input_size": 784, "bias": True})
DATA = DatasetData(hash="ab12", name="mnist", parameters={"split": [0.8, 0.2], "seed": None})
POSITION = {NEW: 40, OLD: 2}

TODAY: dict[str, list[Event]] = {
    "0.5.0.jsonl": [
        SessionStarted(
            stream=SESSION, command=["train.py", "--lr=0.1"], host="lab-3", pid=4711, environment={"python": "3.13.1"}
        ),
        ExperimentCreated(stream=EXPERIMENT, name="mnist"),
        AggregateCreated(
            stream=AGGREGATE,
            experiment=EXPERIMENT,
            id="1",
            modules=[MODEL],
            config={"lr": 0.1, "clip": math.inf, "noise": {"mean": -0.0, "of": [math.nan, 2**63 - 1]}, "$x": "NaN"},
        ),
        TrainingStarted(stream=AGGREGATE, by="ada"),
        IterationStarted(
            stream=AGGREGATE,
            hash="it-1",
            phase="train",
            epoch=1,
            dataset=DATA,
            parameters={"batch_size": 32, "shuffle": True},
            modules=[ModuleData(type="optimizer", hash="99", name="SGD", parameters={"lr": 1e-3})],
        ),
        MetricsRecorded(
            stream=AGGREGATE,
            values={"loss": 0.25, "norm": math.nan, "up": math.inf, "down": -math.inf, "zero": -0.0, "tiny": 5e-324},
            step=100,
            epoch=1,
            batch=3,
            phase="train",
        ),
        MetricsRecorded(stream=AGGREGATE, values={"seen": 2**63 - 1, "größe/損失": -(2**63), "one": 1.0}),
        MetricSeriesRecorded(
            stream=AGGREGATE,
            name="loss",
            values=[0.5, math.nan, 3],
            steps=Steps(start=0, step=10),
            epoch=1,
            phase="train",
        ),
        MetricSeriesRecorded(stream=AGGREGATE, name="accuracy", values=[1, 2], steps=[7, -7]),
        MetricSeriesRecorded(stream=AGGREGATE, name="unstepped", values=[1.7976931348623157e308]),
        MetricVoided(stream=AGGREGATE, point=f"{NEW}:5:loss", why="wrong batch"),
        MetricUnvoided(stream=AGGREGATE, point=f"{NEW}:5:loss", why="right after all"),
        MetricRenamed(stream=AGGREGATE, old="los", new="loss", position=POSITION, why="typing error"),
        MetricRenameUndone(stream=AGGREGATE, rename=f"{NEW}:12"),
        MetricsCleared(stream=AGGREGATE, position=POSITION, why="bad run"),
        IterationCompleted(stream=AGGREGATE, iteration=ITERATION, duration=1.5, metrics={"loss": 0.125, "n": 4}),
        IterationCompleted(
            stream=AGGREGATE, hash="it-2", phase="validation", epoch=1, dataset=DATA, parameters={"batch_size": 64}
        ),
        IterationFailed(stream=AGGREGATE, iteration=ITERATION, error_type="ValueError", message="no such layer"),
        IterationsCleared(stream=AGGREGATE, position=POSITION, why=""),
        TrainingCompleted(stream=AGGREGATE, training=TRAINING),
        TrainingFailed(stream=AGGREGATE, training=TRAINING, error_type="OSError", message="disk: full\n"),
        ModuleAttached(stream=AGGREGATE, module=MODEL),
        ModuleDetached(stream=AGGREGATE, module_type="model", hash="1234"),
        ConfigChanged(stream=AGGREGATE, changes={"batch.size": 32}, removed=["lr"]),
        TagsChanged(stream=AGGREGATE, changes={"best": True}, removed=["draft"]),
        NoteChanged(stream=AGGREGATE, text='"quoted", 損失,\n\t \u2028 and \U0001f680'),
        CheckpointStored(stream=AGGREGATE, name="last", hash="e3b0" * 16, size=2**40, iteration=ITERATION),
        ReproductionRecorded(
            stream=AGGREGATE, verdict="same", reproduction=f"{NEW}:60", details={"loss": {"difference": 0.0}}
        ),
        ExperimentRenamed(stream=EXPERIMENT, name="digits"),
        AggregateDeleted(stream=AGGREGATE, deletion="d-1"),
        ExperimentDeleted(stream=EXPERIMENT, deletion="d-2"),
        Restored(stream=EXPERIMENT, deletion="d-2"),
        SessionDescribed(stream=SESSION, environment={"packages": {"numpy": "2.3.4"}}),
        EventErased(stream=SESSION, events=[f"{NEW}:25"], who="ada", why="held a password"),
        Erased(stream=AGGREGATE),
        SessionEnded(stream=SESSION, dropped=2),
    ],
    "training-failed-1.jsonl": [
        SessionStarted(stream=f"{OLD}:0"),
        TrainingFailed(stream=f"{OLD}:1", training=f"{OLD}:2", error_type="ValueError", message="a: b"),
        TrainingFailed(stream=f"{OLD}:1", training=f"{OLD}:2", error_type="", message="killed", by="ada"),
    ],
}


def read(name: str) -> tuple[dict[str, str], list[bytes], bytes]:
    """A golden segment's header, its event lines, its seal."""
    header, *events, seal = (GOLDEN / name).read_bytes().splitlines(keepends=True)
    return orjson.loads(header), events, seal


def lines(name: str) -> list[Line]:
    return [orjson.loads(line) for line in read(name)[1]]


each_file = pytest.mark.parametrize("name", TODAY)
each_line = pytest.mark.parametrize(
    ("name", "seq"), [(name, seq) for name, events in TODAY.items() for seq in range(len(events))]
)


def test_every_file_is_checked() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(TODAY)


def test_every_version_of_every_type_has_a_line() -> None:
    own = {type for type, cls in REGISTRY.items() if cls.__module__ == "mltracker.events.catalogue"}
    released = {(line["type"], line["v"]) for name in TODAY for line in lines(name)}
    assert released == {(type, v) for type in own for v in range(1, LATEST[type] + 1)}


@each_file
def test_the_files_are_unchanged(name: str) -> None:
    header, events, seal = read(name)
    state = initial_crc(header["writer"])
    for line in events:
        before = crc32(line[:-CRC_TAIL_LENGTH], state)
        assert line.endswith(CRC_TAIL % before)
        state = crc32(CRC_TAIL % before, before)
    content = (GOLDEN / name).read_bytes()
    assert orjson.loads(seal)["sha256"] == sha256(content[: -len(seal)]).hexdigest()


@each_line
def test_a_line_means_what_it_meant(name: str, seq: int) -> None:
    line, expected = lines(name)[seq], TODAY[name][seq]
    assert line["seq"] == seq
    assert known(line["type"], line["v"])
    event = recorded(read(name)[0]["writer"], upcast(line)).event
    assert type(event) is type(expected)
    assert (event.stream, event.by) == (expected.stream, expected.by)
    assert repr(event) == repr(expected)


@each_line
def test_a_current_event_is_still_written_so(name: str, seq: int) -> None:
    line, event = lines(name)[seq], TODAY[name][seq]
    if line["v"] == LATEST[line["type"]]:
        stream, data = event.stream.encode(), event.encoded()
        written, _ = encode(seq, line["at"].encode(), kind(event.type, event.version), stream, data, 0)
        assert written[:-CRC_TAIL_LENGTH] == read(name)[1][seq][:-CRC_TAIL_LENGTH]
