"""The daily history → the destinations of each day's records, their arrival times, and the cost of the day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from event_platform.quality.history import Totals, sum_figures

_HOURS = 24


@dataclass(frozen=True)
class Equation:
    """A total and its parts. The total is None if it is unknown."""

    total: int | None
    parts: tuple[int, ...]

    @property
    def balanced(self) -> bool | None:
        """Whether the parts sum to the total; None if it is unknown."""
        return None if self.total is None else self.total == sum(self.parts)


@dataclass(frozen=True)
class LedgerDay:
    """The destinations of a day's records: of those that arrived on it, and of those created on it."""

    day: date
    arrivals: Equation  # landed = sound + corrupt
    deduplication: Equation  # sound = deduplicated + duplicates
    typing: Equation  # deduplicated = of the catalog + unregistered
    stream: Equation = Equation(None, ())  # sent = landed + filtered, by definition

    @property
    def balanced(self) -> bool:
        """Whether no total is known to differ from the sum of its parts."""
        return False not in (self.arrivals.balanced, self.deduplication.balanced, self.typing.balanced)


@dataclass(frozen=True)
class CostDay:
    """Lateness of a day's events, hours without objects, and the cost of the day. None: unknown."""

    day: date
    lag_p50: int | None  # hours
    lag_p95: int | None
    empty_hours: int | None
    rows: int | None
    size: int | None  # bytes
    cpu: float | None  # seconds


def balance_days(
    history: pl.DataFrame, totals: Totals, days: Sequence[date], filtered: Mapping[date, int] | None = None
) -> list[LedgerDay]:
    """Return the ledger of each day. `filtered` are events by arrival date; None without a filter."""
    of_catalog = history.lazy().filter((pl.col("figure") == "events") & pl.col("event_name").is_not_null())
    typed = dict(of_catalog.group_by("created_date").agg(pl.col("value").sum()).collect().iter_rows())
    names = ("landed", "sound", "created", "events", "duplicates", "corrupt", "unregistered")
    sums = {name: sum_figures(totals, name) for name in names}
    return [
        _balance_day(
            day,
            {name: by_day.get(day) for name, by_day in sums.items()},
            typed.get(day, 0),
            None if filtered is None else filtered.get(day, 0),
        )
        for day in days
    ]


def _balance_day(day: date, sums: Mapping[str, int | None], typed: int, filtered: int | None) -> LedgerDay:
    sound, corrupt, events, duplicates, unregistered = (
        sums[name] or 0 for name in ("sound", "corrupt", "events", "duplicates", "unregistered")
    )
    return LedgerDay(
        day,
        stream=_stream(sums["landed"], filtered),
        arrivals=Equation(sums["landed"], (sound, corrupt)),
        deduplication=Equation(sums["created"], (events, duplicates)),
        typing=Equation(sums["events"], (typed, unregistered)),
    )


def _stream(landed: int | None, filtered: int | None) -> Equation:
    if landed is None or filtered is None:
        return Equation(None, ())
    return Equation(landed + filtered, (landed, filtered))


def cost_days(history: pl.DataFrame, totals: Totals, cpu: Mapping[date, float], days: Sequence[date]) -> list[CostDay]:
    """Return arrival and cost of each day. `cpu` are CPU seconds."""
    chosen = pl.col("figure").is_in(["lag", "objects"]) & pl.col("label").is_not_null()
    recent = history.lazy().filter(chosen & pl.col("created_date").is_in(days))
    by_label: dict[tuple[str, date], dict[int, int]] = {}
    columns = recent.select("figure", "created_date", pl.col("label").cast(pl.Int64, strict=False), "value").collect()
    for figure, day, label, value in columns.drop_nulls("label").iter_rows():
        by_label.setdefault((figure, day), {})[label] = value
    return [_cost_day(day, totals, cpu, by_label) for day in days]


def _cost_day(
    day: date, totals: Totals, cpu: Mapping[date, float], by_label: Mapping[tuple[str, date], Mapping[int, int]]
) -> CostDay:
    lag = by_label.get(("lag", day), {})
    hours = by_label.get(("objects", day))
    return CostDay(
        day,
        lag_p50=percentile(lag, 0.5),
        lag_p95=percentile(lag, 0.95),
        empty_hours=None if hours is None else _HOURS - len(hours),
        rows=totals.get("rows", {}).get(day),
        size=totals.get("bytes", {}).get(day),
        cpu=cpu.get(day),
    )


def percentile(counts: Mapping[int, int], share: float) -> int | None:
    """Return the smallest label that covers this share of the counts; None if all counts are zero."""
    whole, sum_so_far = sum(counts.values()), 0
    for label in sorted(counts):
        sum_so_far += counts[label]
        if sum_so_far >= share * whole:
            return label
    return None
