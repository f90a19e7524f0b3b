"""What the command line prints, without a store."""

from __future__ import annotations

import math

import pytest

from mltracker.cli import output
from mltracker.cli.history import summary
from mltracker.cli.ids import split_time
from mltracker.cli.plot import chart, sparkline
from mltracker.series import series_name


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\tx"])
def test_csv_makes_formulas_inert(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.csv_rows(("name",), [(text,)])
    assert capsys.readouterr().out.splitlines()[1] == "'" + text


@pytest.mark.parametrize("cell", ["-1", "+2.5", "-inf", -3, -math.inf, "a=b"])
def test_csv_leaves_numbers_and_words(cell: str | float, capsys: pytest.CaptureFixture[str]) -> None:
    output.csv_rows(("value",), [(cell,)])
    assert capsys.readouterr().out.splitlines()[1] == str(cell)


def test_no_text_can_steer_a_terminal() -> None:
    assert output.plain("a\x1b[31mb\nc\u202e") == "a\\x1b[31mb\\nc\\u202e"
    assert output.plain("Größe 数字") == "Größe 数字"


def test_a_chart_draws_from_the_lowest_to_the_highest() -> None:
    rising = chart([(0, 0.0), (1, 1.0), (2, math.nan), (3, math.inf)], width=4, height=2)
    assert rising[0].startswith("1 ┤")
    assert rising[1].startswith("0 ┤")
    assert rising[0][-1] != chr(0x2800)
    assert rising[1][3] != chr(0x2800)
    assert rising[2].split() == ["0", "1"]
    assert all(any(row[3 + column] != chr(0x2800) for row in rising[:2]) for column in range(4))


@pytest.mark.parametrize("values", [[5.0] * 3, [1.7e308, -1.7e308], [5e-324, 0.0]])
def test_a_chart_survives_every_range(values: list[float]) -> None:
    assert len(chart(list(enumerate(values)), width=10, height=3)) == (2 if len(set(values)) == 1 else 4)
    assert sparkline(values)


def test_what_never_changes_is_one_line() -> None:
    assert chart([(0, 0.5), (9, 0.5)], width=5, height=12) == ["0.5 ┤⣀⣀⣀⣀⣀", "     0   9"]
    assert chart([(3, 0.5)], width=5, height=12)[1].split() == ["3"]


@pytest.mark.parametrize(
    ("phase", "name", "shown"),
    [
        (None, "loss", "loss"),
        ("train", "loss", "train/loss"),
        (None, "train/loss", '"train/loss"'),
        ("a/b", "c", '"a/b"/c'),
        ("a", "b/c", "a/b/c"),
        (None, '"a/b"/c', '"\\"a/b\\"/c"'),
    ],
)
def test_series_have_one_name_each(phase: str | None, name: str, shown: str) -> None:
    assert series_name(phase, name) == shown


def test_nothing_finite_is_said() -> None:
    assert chart([(0, math.nan)], 10, 3) == ["(no finite value)"]
    assert sparkline([math.nan]) == ""


def test_sparkline_shows_the_course() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert len(sparkline(list(range(1000)))) == 20


@pytest.mark.parametrize(
    ("id", "parts"),
    [
        ("mnist/1", ("mnist/1", None)),
        ("mnist/1@2026-11-24T12:00:00Z", ("mnist/1", "2026-11-24T12:00:00Z")),
        ("mnist/a@b", ("mnist/a@b", None)),
        ("mnist/a@b@2026-11-24", ("mnist/a@b", "2026-11-24")),
        (f"mnist/1@{'0' * 32}:7", ("mnist/1", f"{'0' * 32}:7")),
    ],
)
def test_an_id_may_carry_a_time(id: str, parts: tuple[str, str | None]) -> None:
    assert split_time(id) == parts


@pytest.mark.parametrize(
    ("text", "shown"), [("ab", "ab  "), ("abcd", "abcd"), ("abcdef", "…def"), ("数字数字", "…字 ")]
)
def test_a_column_of_a_log_is_as_wide_as_it_is(text: str, shown: str) -> None:
    assert output.fit(text, 4) == shown


def test_an_event_is_summed_up_in_a_line() -> None:
    assert summary({"values": {"loss": 0.5}, "step": 3}) == "loss=0.5 step=3"
    assert summary({"name": "loss", "values": [0] * 9}) == "name=loss values=[9 values]"
    assert (
        summary({"modules": [{"type": "model"}], "config": {"a": {"b": 1}}})
        == 'modules=[{"type":"model"}] config.a.b=1'
    )
