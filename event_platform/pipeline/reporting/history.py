"""The rows of quality_report of many days, summed by day, in a file for each month: a cache of the table.

A file says of each day which files of the table it was summed from. A day of which the table has others is read from
there, so that whatever is missing or old costs time and no more. Files can be deleted at any time.
"""

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from event_platform.events.errors import MissingError
from event_platform.lake.derived import contents
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
class _Month:
    """The days of a month; `is_stored` if its file has just these."""

    address: str
    rows: pl.DataFrame  # see _SCHEMA
    is_stored: bool


def read_history(report: Snapshot, first: date, last: date) -> pl.DataFrame:
    """Return the rows of the days from `first` to `last`, summed: created_date, figure, event_name, label, value."""
    return _rows_of(_read_months(report, first, last), first, last)


def update_history(report: Snapshot, first: date, last: date) -> pl.DataFrame:
    """Return `read_history`, and store the months in which a day was missing or has changed."""
    months = _read_months(report, first, last)
    for month in months:
        if not month.is_stored:
            data = io.BytesIO()
            month.rows.write_parquet(data)
            report.table.storage.write(month.address, data.getvalue())
    return _rows_of(months, first, last)


def _rows_of(months: Iterable[_Month], first: date, last: date) -> pl.DataFrame:
    rows = pl.concat([DATED_SCHEMA.to_frame(), *(month.rows.select(DATED_SCHEMA.names()) for month in months)])
    return rows.filter(pl.col(PARTITION).is_between(first, last))


def _read_months(report: Snapshot, first: date, last: date) -> list[_Month]:
    by_month = defaultdict[date, dict[date, int]](dict)
    for day, number in contents(report).items():
        by_month[day.replace(day=1)][day] = number
    wanted = [days for month, days in sorted(by_month.items()) if first.replace(day=1) <= month <= last]
    return map_threads(lambda days: _read_month(report, days), wanted)


def _read_month(report: Snapshot, days: Mapping[date, int]) -> _Month:
    """Return a month, whose days have these contents, from its file; days that it lacks from the table."""
    address = report.table.storage.uri(PAGES_FOLDER, "quality", "history", f"{min(days):%Y-%m}.parquet")
    stored = _read_file(report.table.storage, address)
    current = pl.DataFrame({PARTITION: [*days], _FILES: [*days.values()]}, schema_overrides={_FILES: pl.Int64})
    kept = stored.join(current, on=[PARTITION, _FILES], how="semi")
    missing = sorted(days.keys() - set(kept[PARTITION].unique()))
    if not missing and kept.height == stored.height:
        return _Month(address, stored, is_stored=True)
    summed = sum_days(report.scan(missing).collect()).join(current, on=PARTITION)
    return _Month(address, pl.concat([kept, summed.select(_SCHEMA.names())]).sort(PARTITION), is_stored=False)


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
