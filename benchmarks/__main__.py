"""Measure the figures that this release holds, and print them beside their goals."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import capturing, reading, rebuilding, writing
from benchmarks.goals import GOALS, Goal, Result, meets
from benchmarks.measure import FULL, QUICK, Size

PARTS: dict[str, Callable[[Size, Path], dict[str, Result]]] = {
    "writing": writing.run,
    "rebuilding": rebuilding.run,
    "reading": reading.run,
    "capturing": capturing.run,
}
VERDICTS = {True: "met", False: "NOT MET", None: "not built"}


def main() -> None:
    """Run what was asked for; exit code 0 whatever the figures, since machines differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: a smoke test")
    parser.add_argument("--only", metavar="NAME", choices=PARTS, help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    parser.add_argument("--in", metavar="FOLDER", dest="folder", help="where to put the stores, else the system's temp")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    results: dict[str, Result] = {}
    for name in [arguments.only] if arguments.only else PARTS:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            results |= PARTS[name](size, Path(folder))
            print(f"{name} done", file=sys.stderr)
    print(f"Python {platform.python_version()}; medians of {size.rounds} interleaved runs; beside each its goal\n")
    for goal in GOALS:
        if goal.key in results:
            print(_row(goal, results[goal.key]))
    if arguments.json:
        arguments.json.write_text(json.dumps([_as_json(goal, results) for goal in GOALS], indent=1) + "\n")


def _row(goal: Goal, result: Result) -> str:
    figure = "-" if result.value is None else f"{result.value:.3g}"
    bound = f"{'>=' if goal.at_least else '<='} {goal.goal:g} {goal.unit}"
    return f"{goal.what:<46} {figure:>8}  {bound:<18} {VERDICTS[meets(goal, result)]:<10} {result.note}".rstrip()


def _as_json(goal: Goal, results: dict[str, Result]) -> dict[str, object]:
    result = results.get(goal.key, Result(None, "not run"))
    return {**goal._asdict(), "value": result.value, "note": result.note, "met": meets(goal, result)}


if __name__ == "__main__":
    main()
