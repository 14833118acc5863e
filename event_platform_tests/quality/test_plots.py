"""Plots: where figures are drawn."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest

from event_platform.quality import canvas
from event_platform.quality.canvas import SERIES
from event_platform.quality.plots import Interval, draw_days, draw_stacked_bars, sparkline
from event_platform_tests.support.world import MONDAY

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>\" onload='x' \u202e\x00\ufffe"
DAYS = [MONDAY + timedelta(number) for number in range(40)]


def test_a_sparkline_has_a_bar_where_there_is_something() -> None:
    """The highest one is ten high, and the lowest can still be seen."""
    assert sparkline([0, 10, 5, 0, 1]) == "M1.5 10v-10M2.5 10v-5M4.5 10v-1"
    assert sparkline([1, 1_000_000]).startswith("M0.5 10v-0.5M")
    assert sparkline([0] * 24) == ""


def paths(svg: str, **attributes: str) -> list[str]:
    """Return the shapes of a plot with some attributes."""
    found = ET.fromstring(svg).iter(f"{SVG}path")  # noqa: S314 - it is ours, and has to be well-formed
    return [each.attrib["d"] for each in found if attributes.items() <= each.attrib.items()]


def words(svg: str) -> list[str | None]:
    """Return the texts of a plot."""
    return [each.text for each in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - the same


def titles(svg: str) -> list[str | None]:
    """Return what a pointer shows."""
    return [each.text for each in ET.fromstring(svg).iter(f"{SVG}title")]  # noqa: S314 - the same


def test_series_stand_on_each_other() -> None:
    """Each begins where the one before ends; one that is empty in an hour has no bar there; the rest is gray."""
    svg = draw_stacked_bars("hours", ["00", "01"], {"lesson": [30, 0], "other": [10, 10]}, rest="other")
    (lesson,) = paths(svg, fill=f"var(--s0, {SERIES[0]})")[:1]
    (other,) = paths(svg, fill="var(--rest, #949ca8)")[:1]
    assert lesson.count("M") == 1
    assert other.count("M") == 2
    assert lesson.split("V")[1].split("h")[0] == other.split("V")[0].split(",")[1]
    assert titles(svg) == ["00: 40\nother: 10\nlesson: 30", "01: 10\nother: 10"]
    assert {"0", "10", "40", "lesson", "other"} <= set(words(svg))


def test_a_line_has_gaps_a_band_and_dots() -> None:
    """Unknown days are not drawn."""
    values = dict.fromkeys(DAYS, 5.0) | {DAYS[3]: None, DAYS[-1]: None}
    expected = {day: Interval(4, 6) for day in DAYS[10:-1]}
    svg = draw_days("events", values, expected=expected, flagged=[DAYS[3], DAYS[4]])
    (line,) = paths(svg, stroke="var(--bar, #2f6fde)")
    assert line.count("M") == 2
    (band,) = paths(svg, fill="var(--band, #d6e3fb)")
    assert band.count("L") == 2 * 29 - 1
    assert svg.count("<circle") == 1
    assert titles(svg) == []


def test_days_that_fit_have_titles() -> None:
    """A month; values as they are, and what was expected."""
    svg = draw_days("nulls", {DAYS[0]: 0.25, DAYS[1]: None}, expected={DAYS[0]: Interval(0, 0.1)}, percent=True)
    assert titles(svg) == [f"{DAYS[0]}: 25.00% (expected 0.00% to 10.00%)", f"{DAYS[1]}: none"]
    assert {"0%", "20%", "06-02", "06-03"} <= set(words(svg))


@pytest.mark.parametrize("values", [{}, {DAYS[0]: None}, {DAYS[0]: 0.0}, {DAYS[0]: 1e18}])
def test_a_plot_of_little_is_whole(values: dict) -> None:  # type: ignore[type-arg]
    """No day, nothing known, one day."""
    assert ET.fromstring(draw_days("few", values)).tag == f"{SVG}svg"  # noqa: S314 - the same
    assert ET.fromstring(draw_stacked_bars("none", [], {})).tag == f"{SVG}svg"  # noqa: S314 - the same


def test_an_axis_is_drawn_once_for_all_plots_of_the_same_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a hundred event types; other values have a scale of their own, and the same values the same bytes."""
    values = dict(zip(DAYS[:3], (1, 0, 2), strict=True))
    first = draw_days("events", values)
    monkeypatch.setattr(canvas, "d3", lambda: pytest.fail("a scale was made"))
    assert draw_days("events", values) == first
    assert draw_days("<", values | {DAYS[0]: 2}).count("&lt;") == 1
    with pytest.raises(pytest.fail.Exception, match="a scale was made"):
        draw_days("events", values | {DAYS[0]: 3_456_789})  # a value that no other plot of these tests reaches


def test_text_from_events_is_text_in_a_plot() -> None:
    """In the legend, in titles, and in its name; also what XML cannot hold."""
    svg = draw_stacked_bars(HOSTILE, [HOSTILE], {HOSTILE: [1]}, rest=HOSTILE)
    elements = list(ET.fromstring(svg).iter())  # noqa: S314 - the same
    assert {element.tag.removeprefix(SVG) for element in elements} == {"svg", "path", "text", "title"}
    assert not any("onload" in element.attrib for element in elements)
    assert "<script>alert(1)" in (titles(svg)[0] or "")


def test_another_process_draws_the_same_bytes() -> None:
    """No ids by chance, no dates, no order of a set."""
    code = (
        "from event_platform.quality.plots import *; from datetime import date; "
        "print(draw_stacked_bars('a', ['00', '01'], {'x': [1, 2], 'y': [3, 4]}), "
        "draw_days('b', {date(2025, 6, 1): 1, date(2025, 6, 2): 2}, flagged={date(2025, 6, 1), date(2025, 6, 2)}))"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env={"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    )
    assert first.stdout == second.stdout != b""


def test_a_plot_alone_is_drawn_by_a_library_that_takes_long_to_import() -> None:
    """Importing the module for its constants does not import the library."""
    code = "import sys, event_platform.quality.page; print({'detroit', 'jinja2'} & set(sys.modules))"
    completed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert completed.stdout == "set()\n"
