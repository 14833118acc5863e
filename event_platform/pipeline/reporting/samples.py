"""Rows that break a rule of their schema, as samples for the page of a day."""

from collections.abc import Iterable, Iterator
from datetime import date

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.constraints import sample_broken_constraint
from event_platform.events.figures import event_figure
from event_platform.lake.file_figures import read_figure
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.snapshot import Snapshot
from event_platform.quality.rows import LONGEST

_SAMPLES_OF_A_RULE = 2

#: More than a page shows, so that it can tell that there is more.
_VALUE_LENGTH = 500

SAMPLE_SCHEMA = pl.Schema({"event_name": pl.String, "rule": pl.String, "value": pl.String, "event_uuid": pl.String})


def sample_broken_rules(typed: Iterable[tuple[EventType, Snapshot]], figures: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return rows of a created_date that break rules: event_name, rule, value (as text, null if missing), event_uuid.

    `figures` are those of the day. Two rows for each of the rules that a page lists; of each, one file is read, and in
    it the columns that are shown.
    """
    broken = figures.filter(pl.col("figure") == "broken_rule")
    largest = broken.sort("value", "event_name", "label", descending=[True, False, False]).head(LONGEST)
    rules: dict[str, list[str]] = {}
    for name, rule in largest.select("event_name", "label").iter_rows():
        rules.setdefault(name, []).append(rule)
    tables = [(event_type, table) for event_type, table in typed if event_type.name in rules]
    samples = [
        each for event_type, table in tables for each in _samples(event_type, table, day, rules[event_type.name])
    ]
    return pl.concat(samples) if samples else SAMPLE_SCHEMA.to_frame()


def _samples(event_type: EventType, table: Snapshot, day: date, rules: Iterable[str]) -> Iterator[pl.DataFrame]:
    files = table.files([day])
    counts = read_figure(table.table, files, event_figure(event_type), table.schema)
    for rule in rules:
        file = _first_file(files, counts, rule)
        if file is not None:
            rows = scan_files(table.table, [file], table.schema)
            sample = sample_broken_constraint(event_type, rows, rule, _SAMPLES_OF_A_RULE)
            named = sample.with_columns(
                pl.col("value").str.slice(0, _VALUE_LENGTH), event_name=pl.lit(event_type.name), rule=pl.lit(rule)
            )
            yield named.select(SAMPLE_SCHEMA.names())


def _first_file(files: list[DataFile], counts: pl.DataFrame, rule: str) -> DataFile | None:
    """Return the file with the most rows that break a rule; the counts are those of the files, in their order."""
    if rule not in counts.columns or not counts[rule].sum():
        return None
    return files[counts[rule].arg_max() or 0]
