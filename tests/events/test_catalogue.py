"""Every event type round trips, refuses on writing what it should, and is lenient on reading."""

from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from mltracker.errors import InvalidMetric, InvalidName, InvalidValue, UnreadableEvent
from mltracker.events import (
    AggregateCreated,
    ConfigChanged,
    Event,
    ExperimentCreated,
    IterationCompleted,
    MetricSeriesRecorded,
    MetricsRecorded,
    ModuleAttached,
    ModuleData,
    NoteChanged,
    SessionDescribed,
    SessionStarted,
    TagsChanged,
    TrainingStarted,
)
from mltracker.events.catalogue import REGISTRY, load
from tests.events.test_golden import TODAY

KEY = "a" * 32 + ":7"
EVENTS = [event for events in TODAY.values() for event in events]
each_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
each_class = pytest.mark.parametrize(
    "cls", [cls for cls in REGISTRY.values() if cls.__module__.startswith("mltracker.")]
)


def written(event: Event) -> dict[str, Any]:
    """The payload as it comes back from its line."""
    return dict(orjson.loads(event.encoded()))


@each_event
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    again = load(event.type, event.version, event.stream, written(event))
    assert type(again) is type(event)
    assert repr(again) == repr(event)
    assert again.encoded() == event.encoded()


@each_event
def test_data_is_json_without_nulls_of_its_own(event: Event) -> None:
    assert written(event) == event.data()
    assert b"null" not in event.encoded().replace(b'"seed":null', b"")
    assert "stream" not in event.data()


@each_event
def test_reading_ignores_what_it_does_not_know(event: Event) -> None:
    later = {**written(event), "added_later": {"x": 1}}
    assert repr(load(event.type, event.version, event.stream, later)) == repr(event)


@each_event
def test_writing_forbids_what_it_does_not_know(event: Event) -> None:
    with pytest.raises(InvalidValue, match="added_later"):
        type(event)(**{**written(event), "added_later": 1})


@each_event
def test_an_event_cannot_be_changed(event: Event) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        event.by = "somebody"  # type: ignore[misc]


def test_parts_forbid_and_ignore_likewise() -> None:
    module = {"type": "model", "hash": "1", "name": "Net", "depth": 3}
    with pytest.raises(InvalidValue, match="depth"):
        ModuleAttached(module=module)  # type: ignore[arg-type]
    loaded = load("ModuleAttached", 1, KEY, {"module": module})
    assert loaded == ModuleAttached(stream=KEY, module=ModuleData(type="model", hash="1", name="Net"))


@each_class
def test_every_type_has_a_json_schema(cls: type[Event]) -> None:
    schema = cls.model_json_schema()
    assert schema["type"] == "object"
    assert set(schema["properties"]) == set(cls.model_fields)
    assert schema["additionalProperties"] is False


def test_the_schema_tells_the_words_for_numbers() -> None:
    values = MetricsRecorded.model_json_schema()["properties"]["values"]["additionalProperties"]
    assert values == {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}


# Writing -------------------------------------------------------------------------------------------------------------


class Word(enum.StrEnum):
    TRAIN = "train"


def refused(make: Any, match: str) -> None:
    with pytest.raises(InvalidValue, match=match) as caught:
        make()
    assert isinstance(caught.value.__cause__, ValidationError)


@pytest.mark.parametrize("text", [7, 1.0, True, None, b"bytes", ["list"]])
def test_nothing_is_turned_into_text(text: Any) -> None:
    refused(lambda: NoteChanged(text=text), "string")
    refused(lambda: ExperimentCreated(name=text), "string")
    refused(lambda: TagsChanged(removed=[text]), "string")
    refused(lambda: NoteChanged(text="x", by=7), "string")  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [True, False, 1.0, "1", 2**63, -(2**63) - 1, math.nan])
def test_nothing_but_an_int_of_64_bits_is_a_count(count: Any) -> None:
    refused(lambda: MetricsRecorded(values={}, step=count), "step")
    refused(lambda: MetricSeriesRecorded(name="x", values=[1], steps=[count]), "steps")
    refused(lambda: SessionStarted(pid=count), "pid")


@pytest.mark.parametrize("value", [True, "NaN", "1", None, 1j, [1.0], 2**63])
def test_nothing_but_a_number_is_a_value(value: Any) -> None:
    refused(lambda: MetricsRecorded(values={"acc": value}), "metric 'acc'")
    refused(lambda: MetricSeriesRecorded(name="acc", values=[value]), "metric 'acc'")
    refused(lambda: IterationCompleted(metrics={"acc": value}), "metric 'acc'")


@pytest.mark.parametrize("column", ["12", {1, 2}, {1: 2}, 7, None, np.array([[1.0]])])
def test_nothing_but_a_list_is_a_column(column: Any) -> None:
    refused(lambda: MetricSeriesRecorded(name="x", values=column), "values: must be a list")
    refused(lambda: SessionStarted(command=column), "command: must be a list")
    refused(lambda: AggregateCreated(experiment=KEY, id="1", modules=column), "modules: must be a list")


@pytest.mark.parametrize("seconds", [True, "1.5", math.nan, math.inf])
def test_a_duration_is_a_finite_float(seconds: Any) -> None:
    refused(lambda: IterationCompleted(duration=seconds), "duration")


@pytest.mark.parametrize("parameters", [[1], "x", 7, {1: 2}, {"f": print}, {"big": 2**70}, {"s": "\ud800"}])
def test_parameters_are_a_mapping_of_json(parameters: Any) -> None:
    refused(lambda: ConfigChanged(changes=parameters), "changes")


@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb", "a/b", "a\\b", "\ud800"])
def test_names_of_experiments_and_aggregates_keep_the_rules(name: str) -> None:
    refused(lambda: ExperimentCreated(name=name), "name")
    refused(lambda: AggregateCreated(experiment=KEY, id=name), "id")


def test_names_of_metrics_keep_the_rules_and_may_hold_slashes() -> None:
    assert MetricsRecorded(values={"train/loss": 1}).data() == {"values": {"train/loss": 1}}
    refused(lambda: MetricsRecorded(values={"": 1}), "1 to 256 characters")
    refused(lambda: MetricSeriesRecorded(name="a\nb", values=[]), "name")
    refused(lambda: MetricsRecorded(values={"x": 1}, phase=""), "phase")


@pytest.mark.parametrize("stream", ["x", "a:1", KEY + "\n", KEY.upper(), "a" * 32 + ":01", "a" * 32 + ":-1", '"'])
def test_a_stream_is_the_id_of_an_event(stream: str) -> None:
    refused(lambda: NoteChanged(stream=stream, text="x"), "stream")


def test_text_with_a_lone_surrogate_is_refused() -> None:
    refused(lambda: NoteChanged(text="\ud800"), "text: text with a lone surrogate")


def test_steps_and_values_are_equally_many() -> None:
    refused(lambda: MetricSeriesRecorded(name="x", values=[1, 2], steps=[1]), "1 steps for 2 values")


def test_numpy_is_welcome() -> None:
    event = MetricSeriesRecorded(name="x", values=np.array([1.5, np.nan]), steps=np.arange(2), epoch=np.int64(3))  # type: ignore[arg-type]
    assert event.data() == {"name": "x", "values": [1.5, "NaN"], "steps": [0, 1], "epoch": 3}
    assert MetricsRecorded(values={"x": np.float32(0.5)}).data() == {"values": {"x": 0.5}}
    assert IterationCompleted(duration=np.float64(0.5)).data()["duration"] == 0.5


def test_strings_of_a_kind_of_their_own_are_written_plainly() -> None:
    assert MetricsRecorded(values={"x": 1}, phase=Word.TRAIN).encoded() == b'{"values":{"x":1},"phase":"train"}'
    assert NoteChanged(text=np.str_("x")).encoded() == b'{"text":"x"}'


def test_an_event_keeps_nothing_of_the_callers() -> None:
    mine: dict[str, Any] = {"layers": [1, 2]}
    event = ConfigChanged(changes=mine)
    mine["layers"].append(3)
    assert event.data()["changes"] == {"layers": [1, 2]}


def test_defaults_are_not_shared() -> None:
    one, other = SessionStarted(), SessionStarted()
    one.environment["x"] = 1
    one.command.append("y")
    assert (other.environment, other.command) == ({}, [])


# Reading -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("NoteChanged", {}),
        ("NoteChanged", {"text": 7}),
        ("MetricsRecorded", {"values": {"x": "nan"}}),
        ("MetricsRecorded", {"values": {"x": None}}),
        ("MetricsRecorded", {"values": {"x": [1]}}),
        ("MetricsRecorded", {"values": {"x": True}}),
        ("MetricsRecorded", {"values": [1]}),
        ("MetricSeriesRecorded", {"name": "x", "values": [None]}),
        ("MetricSeriesRecorded", {"name": "x", "values": ["nan"]}),
        ("ConfigChanged", {"changes": {"x": {"$float": "nan"}}}),
        ("ConfigChanged", {"changes": {"x": {"$float": [1]}}}),
        ("NoteChanged", []),
    ],
)
def test_data_that_does_not_fit_is_unreadable(type: str, data: Any) -> None:
    with pytest.raises(UnreadableEvent, match=f"{type} v1 on {KEY} does not fit its schema"):
        load(type, 1, KEY, data)


@pytest.mark.parametrize(("type", "version"), [("FromTheFuture", 1), ("NoteChanged", 2), ("TrainingFailed", 1)])
def test_what_is_not_known_is_unreadable(type: str, version: int) -> None:
    with pytest.raises(UnreadableEvent, match=f"{type} v{version} is not known"):
        load(type, version, KEY, {})


def test_history_may_hold_names_that_the_rules_of_today_refuse() -> None:
    loaded = load("ExperimentCreated", 1, KEY, {"name": "a/b"})
    assert loaded.data() == {"name": "a/b"}


# Streams -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "stream"),
    [
        (ExperimentCreated(name="mnist"), "w:3"),
        (SessionStarted(), "w:3"),
        (SessionDescribed(environment={}), "w:0"),
        (TrainingStarted(stream=KEY), KEY),
        (SessionDescribed(stream=KEY, environment={}), KEY),
    ],
)
def test_where_an_event_stands(event: Event, stream: str) -> None:
    assert event.stream_in("w", 3) == stream


def test_an_event_of_an_entity_needs_its_key() -> None:
    with pytest.raises(InvalidValue, match="stream: TrainingStarted needs the key"):
        TrainingStarted().stream_in("w", 3)


def test_a_refusal_names_type_and_field_and_keeps_its_kind() -> None:
    with pytest.raises(InvalidMetric, match=r"MetricsRecorded\.values: metric 'a'.*not str"):
        MetricsRecorded(values={"a": "x"})
    with pytest.raises(InvalidName, match=r"ExperimentCreated\.name"):
        ExperimentCreated(name="a/b")
    with pytest.raises(InvalidValue, match=r"ModuleData\.type.*also wrong: hash, name") as caught:
        ModuleData(type=7)  # type: ignore[call-arg,arg-type]
    assert caught.value.field == "ModuleData.type"
