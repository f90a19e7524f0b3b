"""A verdict as one HTML file: nothing is loaded from anywhere, no script runs, every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import isfinite
from typing import TYPE_CHECKING

from mltracker.reproduce.verdict import Difference, Verdict, series_name
from mltracker.series import NO_STEP

if TYPE_CHECKING:
    from mltracker.models import Aggregate

Point = tuple[float, float]

WIDTH, HEIGHT, MARGIN = 600, 160, 8
"""Of a chart in pixels; a column of pixels holds the lowest and the highest of its points."""
MOST_CHARTS = 200
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --paper: #ffffff; --faint: #6b7280; --line: #d9dce1;
  --original: #2563eb; --found: #d97706; --good: #15803d; --bad: #b91c1c; --unsure: #a16207; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15181c; --faint: #9aa1ab; --line: #343a42;
  --original: #60a5fa; --found: #fbbf24; --good: #4ade80; --bad: #f87171; --unsure: #facc15; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin-bottom: .25rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } .faint { color: var(--faint); } .verdict { font-weight: 700; }
.good { color: var(--good); } .bad { color: var(--bad); } .unsure { color: var(--unsure); }
svg { width: 100%; height: auto; border: 1px solid var(--line); border-radius: 4px; }
polyline { fill: none; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.original { stroke: var(--original); } .found { stroke: var(--found); stroke-dasharray: 5 3; }
circle.original { fill: var(--original); } circle.found { fill: none; stroke-dasharray: none; }
.key { display: inline-block; width: 1.5rem; border-top: 2px solid var(--original); vertical-align: middle; }
.key.again { border-top: 2px dashed var(--found); }
"""
TONES = {"identical": "good", "within tolerance": "good", "diverged": "bad", "incomplete": "unsure"}


def html(verdict: Verdict, original: Aggregate, reproduction: Aggregate | None = None) -> str:
    """The whole page: verdict, what differs, corrections, and the curves of both over each other.

    `reproduction` is None where it never began. Curves are of the metrics as they stand, by their present names.
    """
    title = f"{verdict.of or original.id}: {verdict.verdict}"
    parts = [
        _head(verdict, title),
        _differences("Differences", verdict.differences),
        _list("Corrections", verdict.corrections),
        _list("Notes", verdict.notes),
        _charts(verdict, original, reproduction),
        _differences("Environment", verdict.environment, "What the reproduction ran on; it decides nothing."),
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body>\n</html>\n"
    )


def _head(verdict: Verdict, title: str) -> str:
    done = verdict.compared
    about: dict[str, object] = {
        "Reason": verdict.reason,
        "First difference": str(verdict.first) if verdict.first else None,
        "Compared": f"{done.points:,} points of {done.series} series, {done.iterations} iterations, "
        f"{done.modules} modules",
        "Asked for": "every bit" if verdict.tolerance is None else f"within {verdict.tolerance:g}",
        "Metrics": None if verdict.metrics is None else ", ".join(verdict.metrics),
        "Largest difference": None if verdict.largest is None else repr(verdict.largest),
        "Original": verdict.original,
        "Reproduction": verdict.reproduction,
        "Took": None if verdict.seconds is None else f"{verdict.seconds:.1f} s",
    }
    rows = "".join(
        f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in about.items() if value is not None
    )
    tone = TONES.get(verdict.verdict, "unsure")
    name, _, outcome = title.rpartition(": ")
    return f'<h1>{_text(name)}: <span class="verdict {tone}">{_text(outcome)}</span></h1>\n<table>{rows}</table>'


def _differences(title: str, differences: Sequence[Difference], about: str = "") -> str:
    if not differences:
        return ""
    rows = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in (one.kind, one.name, one.expected, one.found)) + "</tr>"
        for one in differences
    )
    heads = "".join(f"<th>{name}</th>" for name in ("what", "where", "original", "reproduction"))
    note = f'<p class="faint">{_text(about)}</p>' if about else ""
    return f"<h2>{_text(title)}</h2>\n{note}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _list(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f"<h2>{_text(title)}</h2>\n<ul>" + "".join(f"<li>{_text(line)}</li>" for line in lines) + "</ul>"


def _charts(verdict: Verdict, original: Aggregate, reproduction: Aggregate | None) -> str:
    from mltracker.reproduce.compare import chosen

    mine = original.metrics.names()
    its = [] if reproduction is None else reproduction.metrics.names()
    names = [key for key in dict.fromkeys([*mine, *its]) if chosen(key, verdict.metrics)]
    charts = []
    for phase, name in names[:MOST_CHARTS]:
        curves = [
            points(aggregate.metrics.series(name, phase)) if aggregate is not None and (phase, name) in known else []
            for aggregate, known in ((original, mine), (reproduction, its))
        ]
        charts.append(f"<h3>{_text(series_name(phase, name))}</h3>\n{chart(*curves)}")
    if not charts:
        return ""
    more = f'<p class="faint">and {len(names) - MOST_CHARTS} more series</p>' if len(names) > MOST_CHARTS else ""
    keys = '<p><span class="key"></span> original <span class="key again"></span> reproduction</p>'
    return f"<h2>Curves</h2>\n{keys}\n" + "\n".join(charts) + more


def points(series: object) -> list[Point]:
    """A series as (step, value); points without a step by their place. Values that are not finite stay."""
    steps, values = (getattr(series, name).tolist() for name in ("steps", "values"))
    return [
        (float(index if step == NO_STEP else step), _float(value))
        for index, (step, value) in enumerate(zip(steps, values, strict=True))
    ]


def chart(original: Sequence[Point], found: Sequence[Point]) -> str:
    """Both curves over each other as SVG; where a value is not finite the line is broken."""
    shown = [point for curve in (original, found) for point in curve if isfinite(point[1])]
    if not shown:
        told = "no points" if not original and not found else "no finite values"
        return f'<p class="faint">{told}</p>'
    left, right = min(x for x, _ in shown), max(x for x, _ in shown)
    low, high = min(y for _, y in shown), max(y for _, y in shown)
    box = (left, right, low, high)
    lines = "".join(_line(curve, box, style) for curve, style in ((original, "original"), (found, "found")))
    gone = sum(not isfinite(y) for curve in (original, found) for _, y in curve)
    note = f"; {gone} values are not finite" if gone else ""
    label = f"{low:.6g} to {high:.6g}, steps {left:.12g} to {right:.12g}{note}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(label)}">{lines}</svg>'
        f'<p class="faint">{_text(label)}</p>'
    )


def _line(curve: Sequence[Point], box: tuple[float, float, float, float], style: str) -> str:
    left, right, low, high = box
    runs: list[list[Point]] = [[]]
    for point in curve:
        if isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    drawn = []
    for run in filter(None, runs):
        places = [(_scaled(x, left, right, WIDTH), HEIGHT - _scaled(y, low, high, HEIGHT)) for x, y in run]
        if len(places) == 1:
            (x, y), radius = places[0], 2 if style == "original" else 4
            drawn.append(f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>')
        else:
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in reduced(places))
            drawn.append(f'<polyline class="{style}" points="{text}"/>')
    return "".join(drawn)


def _scaled(value: float, low: float, high: float, size: int) -> float:
    """Within the margins; halves first, for the distance of two floats may be infinite."""
    room = size - 2 * MARGIN
    if high == low:
        return size / 2
    return MARGIN + room * ((value / 2 - low / 2) / (high / 2 - low / 2))


def reduced(places: Sequence[Point]) -> list[Point]:
    """Of each column of pixels the first, lowest, highest and last, in their order: what a screen can show."""
    if len(places) <= 2 * WIDTH:
        return list(places)
    kept: list[Point] = []
    for column in _columns(places):
        extremes = {0, len(column) - 1}
        heights = [y for _, y in column]
        extremes.update((heights.index(min(heights)), heights.index(max(heights))))
        kept.extend(column[index] for index in sorted(extremes))
    return kept


def _columns(places: Sequence[Point]) -> Iterable[list[Point]]:
    column: list[Point] = []
    for place in places:
        if column and int(place[0]) != int(column[0][0]):
            yield column
            column = []
        column.append(place)
    yield column


def _float(value: int | float) -> float:
    return float(value)


def _text(value: object) -> str:
    """Escaped, lone surrogates and control characters too."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else repr(value)
    return escape("".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text))
