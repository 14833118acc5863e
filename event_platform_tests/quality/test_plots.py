"""Plots: where figures are drawn."""

import pytest

from event_platform.quality.plots import Bar, Mark, sparkline, stacked


def test_bars_are_stacked_and_drawn_to_scale() -> None:
    """Forty events are the whole height of 182 units, ten a quarter of it; a bar of nothing is not drawn."""
    plot = stacked(["00", "01"], {"lesson": [30, 0], "word": [10, 10]})
    assert [mark.text for mark in plot.rows] == ["0", "10", "20", "30", "40"]
    assert plot.rows[-1] == Mark(52, 12.0, "40")
    assert plot.bars == [
        Bar(x=53.5, y=57.5, width=327.0, height=136.5, series=0, title="00:00 lesson: 30"),
        Bar(x=53.5, y=12.0, width=327.0, height=45.5, series=1, title="00:00 word: 10"),
        Bar(x=383.5, y=148.5, width=327.0, height=45.5, series=1, title="01:00 word: 10"),
    ]


@pytest.mark.parametrize(
    ("highest", "marks"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (7, ["0", "1", "2", "3", "4", "5", "6", "7"]),
        (8, ["0", "2", "4", "6", "8"]),
        (4_400, ["0", "1,000", "2,000", "3,000", "4,000", "5,000"]),
        (999_999_999, ["0", "200,000,000", "400,000,000", "600,000,000", "800,000,000", "1,000,000,000"]),
    ],
)
def test_the_axis_has_round_figures_up_to_the_highest_column(highest: int, marks: list[str]) -> None:
    """From none to a billion."""
    assert [mark.text for mark in stacked(["00"], {"all": [highest]}).rows] == marks


def test_a_sparkline_has_a_bar_where_there_is_something() -> None:
    """The highest one is ten high, and the lowest can still be seen."""
    assert sparkline([0, 10, 5, 0, 1]) == "M1.5 10v-10M2.5 10v-5M4.5 10v-1"
    assert sparkline([1, 1_000_000]).startswith("M0.5 10v-0.5M")
    assert sparkline([0] * 24) == ""
