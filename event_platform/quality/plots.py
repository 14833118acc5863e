"""Figures → plots, as SVG text: the same bytes each time, and no scripts."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import NamedTuple

from event_platform.quality.canvas import (
    BAD,
    BAND,
    LARGE,
    REST,
    SERIES,
    VALUE,
    Canvas,
    Size,
    d3,
    element,
    rounded,
    visible,
)

HOURS = [f"{hour:02d}" for hour in range(24)]

_LEGEND_LINE, _LEGEND_COLUMNS, _LEGEND_LETTERS = 18, 5, 17

#: Number of days up to which each day has a hover title.
_DAYS_WITH_TITLES = 31


class Interval(NamedTuple):
    """The values that are expected of a day."""

    low: float
    high: float


def draw_stacked_bars(title: str, columns: Sequence[str], series: Mapping[str, Sequence[int]], rest: str = "") -> str:
    """Draw a stacked column for each of `columns`, the first of the `series` at the bottom, with a legend.

    There are ten colors; the series named `rest` is gray.
    """
    canvas = Canvas(title, LARGE, below=_LEGEND_LINE * math.ceil(len(series) / _LEGEND_COLUMNS))
    totals = [sum(values) for values in zip(*series.values(), strict=True)]
    y = canvas.value_axis(max(totals, default=0)).height
    x = d3().scale_band(columns, [canvas.left, canvas.right]).set_padding_inner(0.1)
    feet = [0] * len(columns)
    for number, (name, values) in enumerate(series.items()):
        color = REST if name == rest else f"var(--s{number % len(SERIES)}, {SERIES[number % len(SERIES)]})"
        tops = [foot + value for foot, value in zip(feet, values, strict=True)]
        places = zip(columns, feet, tops, strict=True)
        bars = (_bar(x(column), x.get_bandwidth(), y(foot), y(top)) for column, foot, top in places if top > foot)
        canvas.path("".join(bars), fill=color)
        _draw_legend(canvas, number, color, name)
        feet = tops
    for place, column in enumerate(columns):
        canvas.title(_describe_column(column, place, series), x(column), x.get_bandwidth())
        if place % 3 == 0:
            canvas.write(column, x(column) + x.get_bandwidth() / 2, canvas.bottom + 15, "middle")
    return str(canvas)


def _bar(x: float, width: float, foot: float, top: float) -> str:
    return f"M{rounded(x)},{rounded(foot)}V{rounded(top)}h{rounded(width)}V{rounded(foot)}Z"


def _draw_legend(canvas: Canvas, number: int, color: str, name: str) -> None:
    line, column = divmod(number, _LEGEND_COLUMNS)
    x = canvas.left + column * (canvas.right - canvas.left) / _LEGEND_COLUMNS
    y = LARGE.height + line * _LEGEND_LINE
    canvas.path(f"M{rounded(x)},{y}h10v10h-10Z", fill=color)
    canvas.write(_cut(name), x + 15, y + 9)


def _cut(name: str) -> str:
    return name if len(name) <= _LEGEND_LETTERS else f"{name[: _LEGEND_LETTERS - 1]}…"


def _describe_column(column: str, place: int, series: Mapping[str, Sequence[int]]) -> str:
    parts = [f"{visible(name)}: {values[place]:,}" for name, values in series.items() if values[place]]
    return "\n".join([f"{visible(column)}: {sum(values[place] for values in series.values()):,}", *reversed(parts)])


def draw_days(
    title: str,
    values: Mapping[date, float | None],
    *,
    size: Size = LARGE,
    expected: Mapping[date, Interval] = {},
    usual: Mapping[date, float] = {},
    flagged: Collection[date] = (),
    percent: bool = False,
) -> str:
    """Draw a line over days, with dots on `flagged` ones, above a line of `usual` values and a band of `expected` ones.

    The line has a gap at a value of None. With `percent`, values are shares of 1.
    """
    days = list(values)
    known = {day: value for day, value in values.items() if value is not None}
    bands = {day: expected[day] for day in days if day in expected}
    medians = {day: usual[day] for day in days if day in usual}
    canvas = Canvas(title, size)
    highest = max([*known.values(), *medians.values(), *(band.high for band in bands.values())], default=0)
    y = canvas.value_axis(highest, percent=percent).height
    axis = canvas.day_axis(days)
    _draw_band(canvas, axis.places, {day: Interval(y(low), y(high)) for day, (low, high) in bands.items()})
    _draw_line(canvas, axis.places, {day: y(value) for day, value in medians.items()}, REST)
    heights = {day: y(value) for day, value in known.items()}
    _draw_line(canvas, axis.places, heights, VALUE)
    for day in [day for day in known if day in flagged]:
        canvas.append(element("circle", cx=axis.places[day], cy=heights[day], r=3.5, fill=BAD))
    if len(days) <= _DAYS_WITH_TITLES:
        texts = (_describe_day(day, known.get(day), bands.get(day), percent=percent) for day in days)
        canvas.append(axis.titles % tuple(texts))
    return str(canvas)


def _draw_band(canvas: Canvas, places: Mapping[date, float], heights: Mapping[date, Interval]) -> None:
    shapes = []
    for run in _runs(places, heights):
        upper = [f"{places[day]},{heights[day].high}" for day in run]
        lower = [f"{places[day]},{heights[day].low}" for day in reversed(run)]
        shapes.append(f"M{'L'.join(upper + lower)}Z")
    canvas.path("".join(shapes), fill=BAND)


def _draw_line(canvas: Canvas, places: Mapping[date, float], heights: Mapping[date, float], color: str) -> None:
    lines = ("L".join(f"{places[day]},{heights[day]}" for day in run) for run in _runs(places, heights))
    shape = "".join(f"M{line}" if "L" in line else f"M{line}Z" for line in lines)  # a closed point is drawn as a dot
    canvas.path(shape, fill="none", stroke=color, stroke_width="1.5", stroke_linecap="round")


def _runs(days: Collection[date], known: Collection[date]) -> Iterator[list[date]]:
    """Split the days into runs without unknown days."""
    for is_known, run in groupby(days, known.__contains__):
        if is_known:
            yield list(run)


def _describe_day(day: date, value: float | None, band: Interval | None, *, percent: bool) -> str:
    unit = ".2%" if percent else ",.0f"
    expected = f" (expected {band.low:{unit}} to {band.high:{unit}})" if band else ""
    return f"{day}: {'none' if value is None else format(value, unit)}{expected}"


def sparkline(values: Sequence[int]) -> str:
    """Return an SVG path whose strokes are bars: one unit wide per value, at most 10 high."""
    highest = max(values, default=0)
    return "".join(
        f"M{place}.5 10v-{rounded(max(value / highest * 10, 0.5)):g}" for place, value in enumerate(values) if value
    )
