"""What recording costs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
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


def _limit(path: Path, payloads: list[dict[str, float]]) -> float:
    """Seconds of the bare loop: the whole line as a dict, dumped and written."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stream = "0123456789abcdef" * 2 + ":7"

    def loop() -> None:
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

    try:
        return seconds(loop)
    finally:
        os.close(descriptor)


def _calls(size: Size, folder: Path) -> dict[str, Result]:
    ten, one = [[values(step, names) for step in range(size.calls)] for names in (10, 1)]
    with opened(folder / "calls") as tracker:
        metrics = tracker.experiment("calls").aggregate("1").metrics

        def log(payloads: list[dict[str, float]]) -> None:
            for step, payload in enumerate(payloads):
                metrics.log(payload, step=step, phase="train")

        def add() -> None:
            for step, payload in enumerate(one):
                metrics.add(Metric(name="loss", value=payload["loss"], step=step, phase="train"))

        contestants: dict[str, Callable[[], float]] = {
            "limit10": lambda: _limit(folder / "limit10", ten),
            "log10": lambda: seconds(lambda: log(ten)),
            "limit1": lambda: _limit(folder / "limit1", one),
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
    with opened(folder / "paced") as tracker:
        metrics = tracker.experiment("paced").aggregate("1").metrics
        payload = values(3, 10)

        def paced() -> list[float]:
            took = []
            for step in range(size.paced):
                time.sleep(PACE)
                took.append(1e6 * seconds(lambda step=step: metrics.log(payload, step=step, phase="train")))  # type: ignore[misc]
            return sorted(took)

        figures = interleaved(
            size.rounds,
            {"tail": lambda: _quantile(paced(), 0.999), "busy": lambda: _beside_a_busy_thread(paced)},
        )
    return {"paced": Result(figures["tail"]), "busy": Result(figures["busy"])}


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _beside_a_busy_thread(paced: Callable[[], list[float]]) -> float:
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(100))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        took = paced()
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
