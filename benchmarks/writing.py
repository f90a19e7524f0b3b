"""What recording costs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson

from benchmarks.goals import Result
from benchmarks.measure import Size, interleaved, opened, seconds, values
from mltracker import Metric

PACE = 0.0005
"""Seconds between paced calls."""


def run(size: Size, folder: Path) -> dict[str, Result]:
    """All writing rows."""
    return {**_calls(size, folder), **_paced(size, folder), **_series(size, folder)}


@contextmanager
def _file(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _limit(descriptor: int, payloads: list[dict[str, float]]) -> None:
    """The bare loop: the whole line as a dict, dumped and written."""
    stream = "0123456789abcdef" * 2 + ":7"
    for step, payload in enumerate(payloads):
        line = {
            "seq": step,
            "at": "2026-11-24T12:00:00.000001Z",
            "type": "MetricsRecorded",
            "v": 1,
            "stream": stream,
            "data": {"values": payload, "step": step, "phase": "train"},
            "crc": "0badcafe",
        }
        os.write(descriptor, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _calls(size: Size, folder: Path) -> dict[str, Result]:
    ten, one = [[values(step, names) for step in range(size.calls)] for names in (10, 1)]
    with opened(folder / "calls") as tracker, _file(folder / "limit") as bare:
        metrics = tracker.experiment("calls").aggregate("1").metrics

        def log(payloads: list[dict[str, float]]) -> None:
            for step, payload in enumerate(payloads):
                metrics.log(payload, step=step, phase="train")

        def add() -> None:
            for step, payload in enumerate(one):
                metrics.add(Metric(name="loss", value=payload["loss"], step=step, phase="train"))

        contestants: dict[str, Callable[[], float]] = {
            "limit10": lambda: seconds(lambda: _limit(bare, ten)),
            "log10": lambda: seconds(lambda: log(ten)),
            "limit1": lambda: seconds(lambda: _limit(bare, one)),
            "log1": lambda: seconds(lambda: log(one)),
            "add": lambda: seconds(add),
        }
        took = interleaved(size.rounds, contestants)
    microseconds = {name: 1e6 * value / size.calls for name, value in took.items()}
    limits = {"log10": "limit10", "log1": "limit1", "add": "limit1"}
    return {
        name: Result(took[name] / took[limit], f"{microseconds[name]:.2f} us, limit {microseconds[limit]:.2f} us")
        for name, limit in limits.items()
    }


def _paced(size: Size, folder: Path) -> dict[str, Result]:
    payload = values(3, 10)
    with opened(folder / "paced") as tracker, _file(folder / "paced-limit") as bare:
        metrics = tracker.experiment("paced").aggregate("1").metrics

        def log() -> None:
            metrics.log(payload, step=7, phase="train")

        def limit() -> None:
            _limit(bare, [payload])

        took = interleaved(
            size.rounds,
            {
                "limit": lambda: _tail(_at_pace(limit, size.paced)),
                "paced": lambda: _tail(_at_pace(log, size.paced)),
                "busy limit": lambda: _beside_a_busy_thread(limit, size.paced),
                "busy": lambda: _beside_a_busy_thread(log, size.paced),
            },
        )
    return {
        "paced": Result(took["paced"], f"the limit's own: {took['limit']:.0f} us"),
        "busy": Result(took["busy"], f"the limit's own: {took['busy limit']:.0f} us"),
    }


def _at_pace(call: Callable[[], None], times: int) -> list[float]:
    """Microseconds of each call, sorted."""
    took = []
    for _ in range(times):
        time.sleep(PACE)
        took.append(1e6 * seconds(call))
    return sorted(took)


def _tail(ordered: list[float]) -> float:
    return ordered[min(int(0.999 * len(ordered)), len(ordered) - 1)]


def _beside_a_busy_thread(call: Callable[[], None], times: int) -> float:
    """The mean."""
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(100))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        took = _at_pace(call, times)
    finally:
        stop.set()
        thread.join()
    return sum(took) / len(took)


def _series(size: Size, folder: Path) -> dict[str, Result]:
    array = np.random.default_rng(0).random(size.points)
    steps = np.arange(size.points)
    lists = array.tolist(), steps.tolist()
    with opened(folder / "series") as tracker:
        metrics = tracker.experiment("series").aggregate("1").metrics
        took = interleaved(
            size.rounds,
            {
                "series_numpy": lambda: seconds(lambda: metrics.log_series("loss", array, steps, phase="train")),
                "series_lists": lambda: seconds(lambda: metrics.log_series("loss", *lists, phase="train")),
            },
        )
    return {name: Result(size.points / value / 1e6) for name, value in took.items()}
