"""The rows of quality_report of many days, summed by day, in a file for each month: a cache of the table.

A file says of each day which files of the table it was summed from. A day of which the table has others is read from
there, so that whatever is missing or old costs time and no more. Files can be deleted at any time.
"""

import io
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from event_platform.events.errors import MissingError
from event_platform.lake.derived import contents, digest
from event_platform.lake.names import PAGES_FOLDER
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.reporting.rows import DATED_SCHEMA, PARTITION
from event_platform.storage.storage import Storage
from event_platform.storage.threads import map_threads

#: Figures that are left out, those that are summed over their labels, and those that are lists of any length.
_LEFT_OUT, _WITHOUT_LABEL, _LISTS = ["arrivals", "lateness"], ["events"], ["unregistered", "unknown_field"]

#: Kept of a list; the others are one row together.
_LONGEST = 50

#: Days that the index shows, up to the last one.
DAYS_SHOWN = timedelta(days=90)

#: A fingerprint of the table's files that a day was summed from.
_FILES = "files"
_SCHEMA = pl.Schema([*DATED_SCHEMA.items(), (_FILES, pl.Int64)])


@dataclass(frozen=True)
class _Month:
    """The days of a month; `is_stored` if its file has just these."""

    address: str
    rows: pl.DataFrame  # see _SCHEMA
    is_stored: bool


def read_history(report: Snapshot, first: date, last: date) -> pl.DataFrame:
    """Return the rows of the days from `first` to `last`, summed: created_date, figure, event_name, label, value."""
    months = _read_months(report, {day for day in report.rows_by_date() if first <= day <= last}, _SCHEMA.to_frame())
    return _rows_of(months).filter(pl.col(PARTITION).is_between(first, last))


def update_history(report: Snapshot, days: Collection[date], known: pl.DataFrame) -> pl.DataFrame:
    """Store the months of `days`, and of the days that the index shows, of which a day has changed.

    `known` are rows of the report that need not be read (see `known_rows`). Returns the rows of all these months.
    """
    months = _read_months(report, {*days, *recent_days(report)}, known)
    for month in months:
        if not month.is_stored:
            data = io.BytesIO()
            month.rows.write_parquet(data)
            report.table.storage.write(month.address, data.getvalue())
    return _rows_of(months)


def known_rows(days: Iterable[tuple[date, pl.DataFrame, str]]) -> pl.DataFrame:
    """Return the rows of days, of each of which all figures and the path of its file are given."""
    rows = (
        sum_days(figures.with_columns(pl.lit(day).alias(PARTITION))).with_columns(pl.lit(digest([path])).alias(_FILES))
        for day, figures, path in days
    )
    return pl.concat([_SCHEMA.to_frame(), *(each.cast({_FILES: pl.Int64}) for each in rows)])


def recent_days(report: Snapshot) -> set[date]:
    """Return the days of the report that the index shows: those up to its last one."""
    days = report.rows_by_date()
    last = max(days, default=date.max)
    return {day for day in days if day > last - DAYS_SHOWN}


def _rows_of(months: Iterable[_Month]) -> pl.DataFrame:
    return pl.concat([DATED_SCHEMA.to_frame(), *(month.rows.select(DATED_SCHEMA.names()) for month in months)])


def _read_months(report: Snapshot, days: Collection[date], known: pl.DataFrame) -> list[_Month]:
    """Return the months of some days that have a day in the table."""
    by_month = defaultdict[date, dict[date, int]](dict)
    for day, number in contents(report).items():
        by_month[day.replace(day=1)][day] = number
    wanted = {day.replace(day=1) for day in days}
    return map_threads(lambda month: _read_month(report, by_month[month], known), sorted(wanted & by_month.keys()))


def _read_month(report: Snapshot, days: Mapping[date, int], known: pl.DataFrame) -> _Month:
    """Return a month, whose days have these contents, from its file; days that it lacks as `known`, or as counted."""
    address = report.table.storage.uri(PAGES_FOLDER, "quality", "history", f"{min(days):%Y-%m}.parquet")
    stored = _read_file(report.table.storage, address)
    current = pl.DataFrame({PARTITION: [*days], _FILES: [*days.values()]}, schema_overrides={_FILES: pl.Int64})
    kept = stored.join(current, on=[PARTITION, _FILES], how="semi")
    added = known.join(current, on=[PARTITION, _FILES], how="semi").join(kept, on=PARTITION, how="anti")
    missing = sorted(days.keys() - {*kept[PARTITION].unique(), *added[PARTITION].unique()})
    if not missing and added.is_empty() and kept.height == stored.height:
        return _Month(address, stored, is_stored=True)
    counted = sum_days(report.scan(missing).collect()).join(current, on=PARTITION)
    rows = pl.concat([kept, added, counted.select(_SCHEMA.names())]).sort(PARTITION, maintain_order=True)
    return _Month(address, rows, is_stored=False)


def _read_file(storage: Storage, address: str) -> pl.DataFrame:
    """Return the rows of the file of a month; none where it cannot be used."""
    try:
        rows = pl.read_parquet(io.BytesIO(storage.read(address)))
    except (MissingError, pl.exceptions.PolarsError):
        return _SCHEMA.to_frame()
    return rows if rows.schema == _SCHEMA else _SCHEMA.to_frame()


def sum_days(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of quality_report summed by day, with the longest of its lists cut."""
    name, label, figure = pl.col("event_name"), pl.col("label"), pl.col("figure")
    is_cut = figure.is_in(_LISTS) & (_rank() > _LONGEST)
    summed = (
        rows.filter(~figure.is_in(_LEFT_OUT))
        .sort(DATED_SCHEMA.names())
        .with_columns(
            event_name=pl.when(~(is_cut & (figure == "unregistered"))).then(name),
            label=pl.when(~(is_cut & (figure == "unknown_field")) & ~figure.is_in(_WITHOUT_LABEL)).then(label),
        )
    )
    return summed.group_by(DATED_SCHEMA.names()[:-1]).agg(pl.col("value").sum()).sort(DATED_SCHEMA.names())


def _rank() -> pl.Expr:
    """Return the place of a row in its list, by value: those of unregistered names are one list of a day."""
    event_type = pl.when(pl.col("figure") != "unregistered").then("event_name")
    return pl.col("value").rank("ordinal", descending=True).over(PARTITION, "figure", event_type)
