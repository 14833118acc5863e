"""The rows of quality_report of many days, summed by day, in a file for each month: a cache of the table.

A file says of each day which files of the table it was summed from. A day of which the table has others is read from
there, so that whatever is missing or old costs time and no more. Files can be deleted at any time.
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

#: Figures that are left out, those that are summed over their labels, and those that are lists of any length.
_LEFT_OUT, _WITHOUT_LABEL, _LISTS = ["arrivals", "lateness"], ["events"], ["unregistered", "unknown_field"]

#: Kept of a list; the others are one row together.
_LONGEST = 50

#: A fingerprint of the table's files that a day was summed from.
_FILES = "files"
_SCHEMA = pl.Schema([*DATED_SCHEMA.items(), (_FILES, pl.Int64)])


@dataclass(frozen=True)
class Month:
    """The rows of the days of a month; `is_stored` if they are those of its file."""

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


def replace_days(months: Iterable[Month], days: Collection[date], new: pl.DataFrame) -> list[Month]:
    """Return months in which days have other rows (see `known_rows`)."""
    changed = {day.replace(day=1) for day in days}
    return [_replace(month, days, new) if month.first in changed else month for month in months]


def _replace(month: Month, days: Collection[date], new: pl.DataFrame) -> Month:
    kept = month.rows.filter(~pl.col(PARTITION).is_in(list(days)))
    added = new.filter(pl.col(PARTITION).dt.month_start() == month.first)
    return replace(month, rows=pl.concat([kept, added]).sort(PARTITION, maintain_order=True), is_stored=False)


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
    """Return the rows of days, of each of which all figures and the path of its file are given."""
    rows = (
        sum_days(figures.with_columns(pl.lit(day).alias(PARTITION))).with_columns(pl.lit(digest([path])).alias(_FILES))
        for day, figures, path in days
    )
    return pl.concat([_SCHEMA.to_frame(), *(each.cast({_FILES: pl.Int64}) for each in rows)])


def _read_month(report: Snapshot, first: date, days: Mapping[date, int]) -> Month:
    """Return a month, whose days have these contents, from its file; days that it lacks from the table."""
    if not days:
        return Month(first, _SCHEMA.to_frame(), is_stored=True)
    stored = _read_file(report.table.storage, _address(report.table.storage, first))
    current = pl.DataFrame(
        {PARTITION: [*days], _FILES: [*days.values()]}, schema={PARTITION: pl.Date, _FILES: pl.Int64}
    )
    kept = stored.join(current, on=[PARTITION, _FILES], how="semi")
    missing = sorted(days.keys() - {*kept[PARTITION].unique()})
    if not missing and kept.height == stored.height:
        return Month(first, stored, is_stored=True)
    counted = sum_days(report.scan(missing).collect()).join(current, on=PARTITION)
    rows = pl.concat([kept, counted.select(_SCHEMA.names())]).sort(PARTITION, maintain_order=True)
    return Month(first, rows, is_stored=False)


def _address(storage: Storage, first: date) -> str:
    return storage.uri(PAGES_FOLDER, "quality", "history", f"{first:%Y-%m}.parquet")


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
