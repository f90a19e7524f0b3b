"""Old versions are read as new ones; a chain that is broken fails when it is made."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from mltracker.errors import UnreadableEvent
from mltracker.events import catalogue, upcasters
from mltracker.events.catalogue import REGISTRY, Event
from mltracker.events.upcasters import LATEST, known, register, upcast, upcaster

Data = dict[str, Any]


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    """What a test registers is gone after it."""
    kept = [(table, dict(table)) for table in (LATEST, REGISTRY, upcasters._STEPS)]
    yield
    for table, before in kept:
        table.clear()
        table.update(before)  # type: ignore[arg-type]


def line(type: str, v: int, **data: object) -> dict[str, Any]:
    return {
        "seq": 3,
        "at": "2026-11-24T12:00:00.000000Z",
        "type": type,
        "v": v,
        "stream": "s",
        "data": data,
        "crc": "0",
    }


def test_versions_are_those_of_the_catalogue() -> None:
    own = {type: cls.version for type, cls in REGISTRY.items() if cls.__module__ == catalogue.__name__}
    assert {type: LATEST[type] for type in own} == own
    assert {type for type in LATEST if type not in REGISTRY} == set()


def test_reading_imports_no_pydantic() -> None:
    code = "import sys, mltracker.events.upcasters, mltracker.events.memory; print('pydantic' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_a_current_line_is_itself() -> None:
    current = line("MetricsRecorded", 1, values={"loss": 1})
    assert upcast(current) is current


@pytest.mark.parametrize(("type", "v"), [("FromTheFuture", 1), ("MetricsRecorded", 9), ("TrainingFailed", 0)])
def test_what_is_not_known_stays_as_it_is(type: str, v: int) -> None:
    stranger = line(type, v, x=1)
    assert upcast(stranger) is stranger
    assert not known(type, v)


def test_all_versions_of_all_types_are_known() -> None:
    assert all(known(type, v) for type, latest in LATEST.items() for v in range(1, latest + 1))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("ValueError: no such layer", ("ValueError", "no such layer")),
        ("KeyError: a: b", ("KeyError", "a: b")),
        ("ValueError: ", ("ValueError", "")),
        ("killed", ("", "killed")),
    ],
)
def test_a_failed_training_of_version_1(error: str, expected: tuple[str, str]) -> None:
    old = line("TrainingFailed", 1, training="t", error=error, by="ada")
    before = deepcopy(old)
    new = upcast(old)
    assert old == before
    assert (new["data"].pop("error_type"), new["data"].pop("message")) == expected
    assert new == {**old, "v": 2, "data": {"training": "t", "by": "ada"}}


def test_data_that_a_step_rejects_names_the_event() -> None:
    with pytest.raises(UnreadableEvent, match="TrainingFailed v1 at seq 3 on s"):
        upcast(line("TrainingFailed", 1, training="t"))


# Users' own types ----------------------------------------------------------------------------------------------------


def test_steps_of_an_own_type_are_chained() -> None:
    class Cooled(Event):
        version = 3
        kelvin: float

        @staticmethod
        @upcaster("Cooled", 1)
        def _celsius(data: Data) -> Data:
            return {"celsius": (data["fahrenheit"] - 32) / 1.8}

        @staticmethod
        @upcaster("Cooled", 2)
        def _kelvin(data: Data) -> Data:
            return {"kelvin": data["celsius"] + 273.15}

    assert [known("Cooled", v) for v in (0, 1, 2, 3, 4)] == [False, True, True, True, False]
    assert upcast(line("Cooled", 1, fahrenheit=212.0))["data"] == {"kelvin": 373.15}
    assert upcast(line("Cooled", 2, celsius=0.0))["v"] == 3
    loaded = catalogue.load("Cooled", 3, "", upcast(line("Cooled", 1, fahrenheit=212.0))["data"])
    assert isinstance(loaded, Cooled)


def test_a_type_may_become_another() -> None:
    upcaster("Heated", 1, becomes=("Warmed", 1))(lambda data: data)
    register("Warmed", 1)
    assert known("Heated", 1)
    warmed = upcast(line("Heated", 1, x=1))
    assert (warmed["type"], warmed["v"]) == ("Warmed", 1)


def test_a_gap_fails_the_class() -> None:
    upcaster("Gapped", 1)(lambda data: data)
    with pytest.raises(TypeError, match="Gapped is at v3, but no upcaster leads from v2"):

        class Gapped(Event):
            version = 3

    assert "Gapped" not in REGISTRY


def test_a_step_beyond_the_current_version_fails_the_class() -> None:
    upcaster("Beyond", 1)(lambda data: data)
    with pytest.raises(TypeError, match="Beyond v1 leads beyond Beyond v1"):
        register("Beyond", 1)


def test_two_steps_from_one_version_fail() -> None:
    def first(data: Data) -> Data:
        return data

    def second(data: Data) -> Data:
        return data

    upcaster("Twice", 1)(first)
    upcaster("Twice", 1)(first)
    with pytest.raises(TypeError, match=r"Twice v1 has an upcaster already: .*first"):
        upcaster("Twice", 1)(second)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_cycle_fails(length: int) -> None:
    ring = [(f"Ring{index % length}", 1) for index in range(length + 1)]
    for (type, v), target in list(pairwise(ring))[:-1]:
        upcaster(type, v, becomes=target)(lambda data: data)
    with pytest.raises(TypeError, match="closes a cycle"):
        upcaster(*ring[-2], becomes=ring[-1])(lambda data: data)


@pytest.mark.parametrize("type", ["", "1st", 'a"b', "a b", "ä", "x" * 129, "new\n"])
def test_a_type_must_be_writable_as_it_is(type: str) -> None:
    with pytest.raises(TypeError, match="event type"):
        register(type, 1)


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1"])
def test_a_version_counts_from_1(version: Any) -> None:
    with pytest.raises(TypeError, match="version must be an int from 1"):
        register("Versioned", version)


def test_an_own_type_cannot_take_the_place_of_another() -> None:
    with pytest.raises(TypeError, match="event type NoteChanged is registered already"):
        type("NoteChanged", (Event,), {"__module__": __name__, "__qualname__": "NoteChanged"})
    assert REGISTRY["NoteChanged"] is catalogue.NoteChanged
