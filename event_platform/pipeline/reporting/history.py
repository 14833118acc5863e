"""The rows of quality_report of many days, summed by day, in a file per month: a cache of the table.

For each day, a file lists the table's files behind its sums. If the table has others now, the day is read from the
table: a missing or stale file only costs time. The files can be deleted at any time.
"""

import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from event_platform.events.errors import MissingError
from event_platform.lake.derived import contents, digest
from event_platform.lake.names import PAGES_FOLDER
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.reporting.rows import DATED_SCHEMA, PARTITION
from event_platform.storage.storage import Storage
from event_platform.storage.threads import map_threads

#: Figures to omit, figures summed over their labels, and figures that are lists of any length.
_OMITTED, _WITHOUT_LABEL, _LISTS = ["arrivals", "lateness"], ["events"], ["unregistered", "unknown_field"]

#: Number of items of a list that are kept; the other items are summed in one row.
_LONGEST = 50

#: A fingerprint of the table's files that a day was summed from.
_FILES = "files"
_SCHEMA = pl.Schema([*DATED_SCHEMA.items(), (_FILES, pl.Int64)])


@dataclass(frozen=True)
class Month:
    """The rows of the days of a month; `is_stored` if they equal those in its file."""

    first: date
    rows: pl.DataFrame  # those of quality_report, and _FILES
    is_stored: bool


def read_months(report: Snapshot, days: Collection[date]) -> list[Month]:
    """Return the months of some days, with all of their days that the table has."""
    by_month = {day.replace(day=1): dict[date, int]() for day in days}
    for day, number in contents(report).items():
        if (month := day.replace(day=1)) in by_month:
            by_month[month][day] = number
    return map_threads(lambda month: _read_month(report, month, by_month[month]), sorted(by_month))


def replace_days(months: Iterable[Month], days: Collection[date], new_rows: pl.DataFrame) -> list[Month]:
    """Return the months with the rows of some days replaced by `new_rows` (see `known_rows`)."""
    changed_months = {day.replace(day=1) for day in days}
    return [_replace(month, days, new_rows) if month.first in changed_months else month for month in months]


def _replace(month: Month, days: Collection[date], new_rows: pl.DataFrame) -> Month:
    other_rows = month.rows.filter(~pl.col(PARTITION).is_in(list(days)))
    month_rows = new_rows.filter(pl.col(PARTITION).dt.month_start() == month.first)
    return replace(
        month, rows=pl.concat([other_rows, month_rows]).sort(PARTITION, maintain_order=True), is_stored=False
    )


def store_months(storage: Storage, months: Iterable[Month]) -> None:
    """Write the files of the months that have changed."""
    for month in months:
        if not month.is_stored:
            data = io.BytesIO()
            month.rows.write_parquet(data)
            storage.write_whole(_address(storage, month.first), data.getvalue())


def rows_of(months: Iterable[Month]) -> pl.DataFrame:
    """Return the rows of months."""
    return pl.concat([DATED_SCHEMA.to_frame(), *(month.rows.select(DATED_SCHEMA.names()) for month in months)])


def known_rows(days: Iterable[tuple[date, pl.DataFrame, str]]) -> pl.DataFrame:
    """Return the rows of days, given all figures of each day and the path of its file."""
    rows = (
        sum_days(figures.with_columns(pl.lit(day).alias(PARTITION))).with_columns(pl.lit(digest([path])).alias(_FILES))
        for day, figures, path in days
    )
    return pl.concat([_SCHEMA.to_frame(), *(each.cast({_FILES: pl.Int64}) for each in rows)])


def _read_month(report: Snapshot, first: date, days: Mapping[date, int]) -> Month:
    """Return a month with days of these contents from its file; days missing there are read from the table."""
    if not days:
        return Month(first, _SCHEMA.to_frame(), is_stored=True)
    stored_rows = _read_file(report.table.storage, _address(report.table.storage, first))
    current = pl.DataFrame(
        {PARTITION: [*days], _FILES: [*days.values()]}, schema={PARTITION: pl.Date, _FILES: pl.Int64}
    )
    current_rows = stored_rows.join(current, on=[PARTITION, _FILES], how="semi")
    missing_days = sorted(days.keys() - {*current_rows[PARTITION].unique()})
    if not missing_days and current_rows.height == stored_rows.height:
        return Month(first, stored_rows, is_stored=True)
    summed_rows = sum_days(report.scan(missing_days).collect()).join(current, on=PARTITION)
    rows = pl.concat([current_rows, summed_rows.select(_SCHEMA.names())]).sort(PARTITION, maintain_order=True)
    return Month(first, rows, is_stored=False)


def _address(storage: Storage, first: date) -> str:
    return storage.uri(PAGES_FOLDER, "quality", "history", f"{first:%Y-%m}.parquet")


def _read_file(storage: Storage, address: str) -> pl.DataFrame:
    """Return the rows of a month's file; empty if it is unusable."""
    try:
        rows = pl.read_parquet(io.BytesIO(storage.read(address)))
    except (MissingError, pl.exceptions.PolarsError):
        return _SCHEMA.to_frame()
    return rows if rows.schema == _SCHEMA else _SCHEMA.to_frame()


def sum_days(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of quality_report summed by day, with the longest of its lists cut."""
    name, label, figure = pl.col("event_name"), pl.col("label"), pl.col("figure")
    is_cut = figure.is_in(_LISTS) & (_rank() > _LONGEST)
    cut_rows = (
        rows.filter(~figure.is_in(_OMITTED))
        .sort(DATED_SCHEMA.names())
        .with_columns(
            event_name=pl.when(~(is_cut & (figure == "unregistered"))).then(name),
            label=pl.when(~(is_cut & (figure == "unknown_field")) & ~figure.is_in(_WITHOUT_LABEL)).then(label),
        )
    )
    return cut_rows.group_by(DATED_SCHEMA.names()[:-1]).agg(pl.col("value").sum()).sort(DATED_SCHEMA.names())


def _rank() -> pl.Expr:
    """Return the rank of a row by value in its list. The unregistered names of a day are one list."""
    event_type = pl.when(pl.col("figure") != "unregistered").then("event_name")
    return pl.col("value").rank("ordinal", descending=True).over(PARTITION, "figure", event_type)
