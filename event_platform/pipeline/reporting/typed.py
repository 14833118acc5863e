"""Event tables → their rows of quality_report: nonconforming values, nulls by column, and sampled values."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from typing import Any

import polars as pl

from event_platform.checks import conformance
from event_platform.checks.shares import compared_columns
from event_platform.events.catalog import EventType
from event_platform.events.figures import sample_figure
from event_platform.lake.file_figures import read_figure
from event_platform.lake.files import DataFile
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.reporting.rows import DATED_SCHEMA
from event_platform.storage.threads import imap_threads

#: Tables whose footers are read side by side, as by the checks.
_TABLES_AT_ONCE = 4

#: Maximum number of values of a column, the most frequent ones.
_MAX_VALUES = 20


def count_event_tables(tables: Iterable[tuple[EventType, Snapshot, Sequence[DataFile]]]) -> pl.DataFrame:
    """Return the rows of each date from files of tables. Footers are read here: the checks ask for the same."""
    with_files = [each for each in tables if each[2]]
    rows = imap_threads(lambda each: list(_rows(*each)), with_files, _TABLES_AT_ONCE)
    return pl.DataFrame(chain.from_iterable(rows), schema=DATED_SCHEMA, orient="row")


def _rows(event_type: EventType, table: Snapshot, files: Sequence[DataFile]) -> Iterator[tuple[Any, ...]]:
    for day, conformance_counts in conformance.count_dates(event_type, table, files).items():
        yield from (
            (day, figure, event_type.name, label, count) for figure, label, count in conformance_counts.figures()
        )
    for day, figure, label, number in _samples(event_type, table, files):
        yield day, figure, event_type.name, label, number
    for (day, column), nulls in _nulls(event_type, files).items():
        yield day, "null", event_type.name, column, nulls


def _samples(
    event_type: EventType, table: Snapshot, files: Sequence[DataFile]
) -> Iterator[tuple[date, str, str | None, int]]:
    """Yield date, figure, label and value of the files' samples: rows, distinct and frequent values."""
    counts = read_figure(table.table, files, sample_figure(event_type), table.schema)
    values = defaultdict[tuple[date, str], Counter[str]](Counter)
    sample_sizes = Counter[tuple[date, str, str | None]]()
    for column, value, number, day in counts.iter_rows():
        if value is not None:
            values[day, column][value] += number
        else:
            sample_sizes[day, "sampled" if column is None else "distinct", column] += number
    yield from ((*key, number) for key, number in sample_sizes.items())
    for (day, column), numbers in values.items():
        frequent_values = sorted(numbers.items(), key=lambda each: (-each[1], each[0]))
        yield from ((day, "value", f"{column}={value}", number) for value, number in frequent_values[:_MAX_VALUES])


def _nulls(event_type: EventType, files: Sequence[DataFile]) -> Counter[tuple[date, str]]:
    """Count the nulls of each payload column, by the statistics of files; nested columns have none.

    A column missing from a file is null in all of its rows; the log has None for it once the table has the column.
    """
    nulls = Counter[tuple[date, str]]()
    for column in compared_columns(event_type):
        for file in files:
            file_nulls = file.nulls.get(column)
            if count := file.rows if file_nulls is None else file_nulls:
                nulls[file.partition, column] += count
    return nulls
