"""Values by day → plots over the last 30 and 90 days, each against the median of the same weekday."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from event_platform.quality.canvas import SMALL
from event_platform.quality.history import RESCUED, Totals, sum_figures, usual
from event_platform.quality.plots import draw_days

#: Days of the plots.
SPANS = (30, 90)

#: A plot: its name, its figures, and the whole of its share.
_TRENDS: Sequence[tuple[str, Sequence[str], str]] = (
    ("Events", ("events",), ""),
    ("Late", ("late",), "of the events arrived on a later day"),
    ("Duplicates", ("duplicates",), "of the records"),
    ("Corrupt", ("corrupt",), "of the records that arrived"),
    ("Rescued", RESCUED, "of the events, as values without a column"),
    ("Unregistered", ("unregistered",), "of the events have no schema"),
)


@dataclass(frozen=True)
class Trend:
    """A value of the last day, the median of its weekday, and plots over the last days, as SVG."""

    name: str
    value: int
    usual: float | None
    share: float | None
    of: str
    plots: Sequence[str]


def draw_trends(totals: Totals, days: Sequence[date]) -> list[Trend]:
    """Draw each value over the last 30 and 90 of the days."""
    return [_trend(name, sum_figures(totals, *figures), of, totals, days) for name, figures, of in _TRENDS]


def _trend(name: str, values: Mapping[date, int], of: str, totals: Totals, days: Sequence[date]) -> Trend:
    every = {day: values.get(day, 0) for day in days}
    last = days[-1]
    medians = usual(every, days[-SPANS[-1] :])
    whole = _whole(name, totals, last)
    plots = [
        draw_days(f"{name}, last {span} days", {day: every[day] for day in days[-span:]}, size=SMALL, usual=medians)
        for span in SPANS
    ]
    return Trend(name, every[last], medians.get(last), every[last] / whole if whole and of else None, of, plots)


def _whole(name: str, totals: Totals, day: date) -> int:
    """Return the whole that a value is a share of."""
    figures = {"Duplicates": ("events", "duplicates"), "Corrupt": ("landed",)}.get(name, ("events",))
    return sum_figures(totals, *figures).get(day, 0)
