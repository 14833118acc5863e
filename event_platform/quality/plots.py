"""Figures → coordinates of the shapes of a plot. A template draws them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

HOURS = [f"{hour:02d}" for hour in range(24)]

WIDTH, HEIGHT = 720, 220
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 12, 712, 194  # of the bars
_GAP = 3
_TICKS = 4


@dataclass(frozen=True)
class Bar:
    """A part of a column. `series` selects the color."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True)
class Mark:
    """A text beside an axis."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Stacked:
    """Columns of stacked bars, with their axes."""

    bars: list[Bar]
    rows: list[Mark]  # beside the lines of the vertical axis
    columns: list[Mark]  # below the columns
    left: float = _LEFT
    right: float = _RIGHT


def stacked(columns: Sequence[str], series: Mapping[str, Sequence[int]]) -> Stacked:
    """Lay out a stacked column for each of `columns`, the first of the `series` at the bottom."""
    totals = [sum(values) for values in zip(*series.values(), strict=True)]
    step = _round_step(max(totals, default=0))
    top = max(step * math.ceil(max(totals, default=0) / step), step)
    width = (_RIGHT - _LEFT) / len(columns)
    return Stacked(
        bars=list(_bars(columns, series, width, (_BOTTOM - _TOP) / top)),
        rows=[
            Mark(_LEFT, _rounded(_BOTTOM - value * (_BOTTOM - _TOP) / top), f"{value:,}")
            for value in range(0, top + 1, step)
        ],
        columns=[
            Mark(_rounded(_LEFT + (place + 0.5) * width), _BOTTOM + 16, name)
            for place, name in enumerate(columns)
            if place % 3 == 0
        ],
    )


def _bars(columns: Sequence[str], series: Mapping[str, Sequence[int]], width: float, scale: float) -> Iterator[Bar]:
    for place, column in enumerate(columns):
        foot = 0
        for number, (name, values) in enumerate(series.items()):
            foot += values[place]
            if values[place]:
                yield Bar(
                    x=_rounded(_LEFT + place * width + _GAP / 2),
                    y=_rounded(_BOTTOM - foot * scale),
                    width=_rounded(width - _GAP),
                    height=_rounded(values[place] * scale),
                    series=number,
                    title=f"{column}:00 {name}: {values[place]:,}",
                )


def sparkline(values: Sequence[int]) -> str:
    """Return an SVG path whose strokes are bars: one unit wide per value, at most 10 high."""
    highest = max(values, default=0)
    return "".join(
        f"M{place}.5 10v-{_rounded(max(value / highest * 10, 0.5)):g}" for place, value in enumerate(values) if value
    )


def _round_step(highest: int) -> int:
    """Return the largest of 1, 2, 5, 10, 20, … that gives at least four steps; 1 for few."""
    steps = [base * 10**power for power in range(19) for base in (1, 2, 5)]
    return max((step for step in steps if step * _TICKS <= highest), default=1)


def _rounded(value: float) -> float:
    return round(value, 1)
