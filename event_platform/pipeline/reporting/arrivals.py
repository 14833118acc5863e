"""raw_events → its rows of quality_report: records that arrived on a day, and records created on it."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from event_platform.events.event import MENDED_BY
from event_platform.events.figures import OBJECTS
from event_platform.lake.balance import may_hold
from event_platform.lake.file_figures import read_figure
from event_platform.lake.files import DataFile
from event_platform.lake.snapshot import Snapshot
from event_platform.landing.dates import date_in
from event_platform.pipeline.reporting.rows import PARTITION, figure_rows

_DAY = timedelta(days=1)


def count_arrivals(raw: Snapshot, dates: Sequence[date], *, hours_are_utc: bool) -> pl.DataFrame:
    """Return the rows of each date. In other time zones than UTC, objects of a day arrive on the days around it."""
    counts = read_figure(raw.table, _files(raw, dates, hours_are_utc=hours_are_utc), OBJECTS)
    arrival_counts = counts.drop(PARTITION).rename({"arrival_date": PARTITION}).filter(pl.col(PARTITION).is_in(dates))
    creation_counts = counts.filter(pl.col(PARTITION).is_in(dates))
    return pl.concat(
        [
            figure_rows("landed", _sum(arrival_counts, "landed")),
            figure_rows("sound", _sum(arrival_counts, "sound")),
            figure_rows("mended", _mended_counts(raw, dates)),
            figure_rows("created", _sum(creation_counts, "sound")),
            figure_rows("objects", _objects(counts, dates)),
        ]
    )


def _files(raw: Snapshot, dates: Sequence[date], *, hours_are_utc: bool) -> list[DataFile]:
    arrival_days = {day + offset * _DAY for day in dates for offset in ((0,) if hours_are_utc else (-1, 0, 1))}
    first_date, last_date = min(dates), max(dates)
    # No sound record was created more than a day after it arrived.
    files = raw.files([day for day in raw.rows_by_date() if day >= first_date - _DAY])
    return [file for file in files if file.partition in arrival_days or may_hold(file, first_date, last_date)]


def _sum(counts: pl.DataFrame, column: str) -> pl.DataFrame:
    return counts.group_by(PARTITION).agg(value=pl.col(column).sum()).filter(pl.col("value") > 0)


def _mended_counts(raw: Snapshot, dates: Sequence[date]) -> pl.DataFrame:
    counts = raw.values_by_date(MENDED_BY, dates)
    return pl.DataFrame([*counts.items()], schema={PARTITION: pl.Date, "value": pl.Int64}, orient="row")


def _objects(counts: pl.DataFrame, dates: Sequence[date]) -> pl.DataFrame:
    """Count objects by the date and hour of their folders; without an hour, by their arrival date."""
    objects = Counter(
        _day_and_hour(day, name) for day, name in counts.select("arrival_date", "source_object").unique().iter_rows()
    )
    rows = [(day, hour, number) for (day, hour), number in objects.items() if day in dates]
    return pl.DataFrame(rows, schema={PARTITION: pl.Date, "label": pl.String, "value": pl.Int64}, orient="row")


def _day_and_hour(arrival_date: date, name: str) -> tuple[date, str | None]:
    folder_date = date_in(name)
    return (
        (arrival_date, None)
        if folder_date is None or folder_date.hour is None
        else (folder_date.day, f"{folder_date.hour:02d}")
    )
