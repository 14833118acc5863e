"""Corrupt records, and rows that break a rule of their schema, as samples for the page of a day."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.constraints import DOT, SEPARATOR, sample_broken_constraint
from event_platform.events.event import EVENT_COLUMNS
from event_platform.events.figures import EXAMPLE, event_figure
from event_platform.events.personal import MASKED, mask, personal_paths
from event_platform.lake.file_figures import is_read, read_figure
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.location import TableLocation
from event_platform.lake.snapshot import Snapshot
from event_platform.quality.rows import LONGEST

_SAMPLES_OF_A_RULE, _SAMPLES_OF_A_REASON = 2, 2

#: One more than a page shows, so that it can say that there are more.
_VALUE_LENGTH, _BODY_LENGTH = 500, 500

SAMPLE_SCHEMA = pl.Schema({"event_name": pl.String, "rule": pl.String, "value": pl.String, "event_uuid": pl.String})


@dataclass(frozen=True)
class EventFiles:
    """The files of a created_date of an event table, and the columns of the table."""

    event_type: EventType
    table: TableLocation
    schema: pl.Schema
    files: Sequence[DataFile]


def sample_broken_rules(tables: Iterable[EventFiles], figures: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a created_date that break rules: event_name, rule, value (as text, null if missing), event_uuid.

    `figures` are those of the day. There are two rows for each rule on a page, read from the shown columns of one file.
    """
    broken = figures.filter(pl.col("figure") == "broken_rule")
    largest = broken.sort("value", "event_name", "label", descending=[True, False, False]).head(LONGEST)
    rules: dict[str, list[str]] = {}
    for name, rule in largest.select("event_name", "label").iter_rows():
        rules.setdefault(name, []).append(rule)
    broken_tables = [each for each in tables if each.event_type.name in rules]
    samples = [sample for each in broken_tables for sample in _samples(each, rules[each.event_type.name])]
    return pl.concat(samples) if samples else SAMPLE_SCHEMA.to_frame()


def _samples(broken: EventFiles, rules: Iterable[str]) -> Iterator[pl.DataFrame]:
    event_type = broken.event_type
    counts = read_figure(broken.table, broken.files, event_figure(event_type), broken.schema)
    for rule in rules:
        file = _first_file(broken.files, counts, rule)
        if file is not None:
            rows = scan_files(broken.table, [file], broken.schema)
            sample = sample_broken_constraint(event_type, rows, rule, _SAMPLES_OF_A_RULE)
            value = pl.lit(MASKED) if _is_personal(event_type, rule) else pl.col("value").str.slice(0, _VALUE_LENGTH)
            rows_of_rule = sample.with_columns(
                value=pl.when(pl.col("value").is_not_null()).then(value),
                event_name=pl.lit(event_type.name),
                rule=pl.lit(rule),
            )
            yield rows_of_rule.select(SAMPLE_SCHEMA.names())


def _is_personal(event_type: EventType, rule: str) -> bool:
    """Return whether a rule is about a personal column, or about something within one."""
    path = tuple(rule.partition(SEPARATOR)[2].split(DOT))
    return path in personal_paths(event_type.columns)


def read_example(event_type: EventType, table: Snapshot, today: date) -> str:
    """Return a row of the newest complete day as JSON, with personal values masked; empty if none is known.

    The footers of files have examples. One footer is read if this process has not read any of that day.
    """
    days = [day for day in table.rows_by_date() if day < today]
    files = table.files([max(days)]) if days else []
    read_files = [file for file in files if is_read(file, EXAMPLE)]
    rows = read_figure(table.table, read_files or files[:1], EXAMPLE, table.schema)["row"].sort()
    if rows.is_empty():
        return ""
    shown = {*EVENT_COLUMNS, *event_type.path_columns}
    return json.dumps(mask(event_type.stored, json.loads(rows[0]), shown), ensure_ascii=False)


def _first_file(files: Sequence[DataFile], counts: pl.DataFrame, rule: str) -> DataFile | None:
    """Return the file with the most rows that break a rule; `counts` are in the order of the files."""
    if rule not in counts.columns or not counts[rule].sum():
        return None
    return files[counts[rule].arg_max() or 0]


def sample_corrupt(corrupt: pl.LazyFrame) -> pl.DataFrame:
    """Return the first records of each reason, in the order of arrival: reason, source_object, source_offset, body."""
    location = ["source_object", "source_offset"]
    cut = corrupt.select("corruption_reason", *location, pl.col("body").fill_null("").str.slice(0, _BODY_LENGTH))
    first_records = pl.col(*location, "body").sort_by(location).head(_SAMPLES_OF_A_REASON)
    samples = (
        cut.group_by(reason="corruption_reason")
        .agg(first_records)
        .explode(*location, "body")
        .collect(engine="streaming")
    )
    return samples.sort("reason", *location)
