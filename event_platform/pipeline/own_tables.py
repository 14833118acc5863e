"""Write a frame to partitions of a user's own table, in one commit or not at all."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from event_platform.events.errors import TableError
from event_platform.lake.derived import MadeOf
from event_platform.lake.file_writer import write_file
from event_platform.lake.lake import Lake
from event_platform.lake.schemas import to_delta
from event_platform.lake.table_commit import CommitResult, TableCommit
from event_platform.lake.tables import Table

#: The partition column.
DATE_COLUMN = "created_date"

#: A batch of rows becomes a file for each date in it.
_ROWS_PER_BATCH = 500_000


@dataclass(frozen=True)
class WriteReport:
    """The rows that were written to a table, by partition (None: unpartitioned)."""

    table: Table
    rows: dict[date | None, int]
    commit_results: dict[date | None, CommitResult]


def write_frame(
    lake: Lake, name: str, frame: pl.LazyFrame, dates: Collection[date] | None, made_of: MadeOf | None = None
) -> WriteReport:
    """Replace the partitions `dates` (default: the whole table) of the table `name` by the rows of `frame`.

    `made_of` describes the sources of these rows; it is stored in the same commit.

    Raises TableError, before anything is visible, for a column that Delta cannot store, a column that changed its type,
    and rows of other dates. Raises ConflictError if another writer was first: then read the sources of the frame again.
    """
    schema = _checked_schema(name, frame, dates)
    column = None if dates is None else DATE_COLUMN
    table = lake.own_table(name, schema, column)
    target = table.snapshot_to_write()
    adds, rows = [], Counter[date | None](dict.fromkeys([None] if dates is None else dates, 0))
    for batch in frame.collect_batches(chunk_size=_ROWS_PER_BATCH, engine="streaming"):
        for day, part in _by_date(name, batch, dates):
            adds.append(write_file(part, target.table_to_write, day))
            rows[day] += part.height
    transactions = {} if made_of is None else made_of.transactions(target)
    commit, commit_results = TableCommit(target, transactions=transactions), dict[date | None, CommitResult]()
    if dates is None:
        commit_results[None] = commit.replace_table(adds)
    else:
        commit_results |= commit.rebuild(dates, adds, dict.fromkeys(dates, target.version + 1)).commit().items()
    return WriteReport(table, dict(rows), commit_results)


def _checked_schema(name: str, frame: pl.LazyFrame, dates: Collection[date] | None) -> pl.Schema:
    schema = frame.collect_schema()
    try:
        to_delta(schema, {})
    except TableError as error:
        raise TableError(f"{name}: {error}") from error
    if dates is not None and schema.get(DATE_COLUMN) != pl.Date:
        actual = f"it is {schema[DATE_COLUMN]}" if DATE_COLUMN in schema else f"there are {', '.join(schema.names())}"
        raise TableError(f"{name}: expected a Date column {DATE_COLUMN}, which is the partition of each row; {actual}")
    return schema


def _by_date(
    name: str, batch: pl.DataFrame, dates: Collection[date] | None
) -> Iterator[tuple[date | None, pl.DataFrame]]:
    if dates is None:
        yield None, batch
        return
    outside = batch.filter(~pl.col(DATE_COLUMN).is_in(list(dates), nulls_equal=True))
    if outside.height:
        days = ", ".join(str(day) for day in outside[DATE_COLUMN].unique().sort().head(5))
        raise TableError(
            f"{name}: {outside.height:,} rows are outside of the partitions of this run: {DATE_COLUMN} {days}"
        )
    for (day,), part in batch.partition_by(DATE_COLUMN, as_dict=True, maintain_order=True).items():
        yield day, part
