"""Whether the rows of a partition would differ under the present catalog, from as few rows as possible."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.envelope import Envelope
from event_platform.events.event import EVENT_COLUMNS, RESCUED_COLUMN
from event_platform.events.evolution.table_rules import Difference
from event_platform.events.rescue import Rescuer
from event_platform.events.rescued import WHOLE_RECORD, rescued_fields
from event_platform.lake.files import DataFile, as_stored, scan_files
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.backfill.verdicts import Verdict
from event_platform.pipeline.typing.tasks import EventReader, columns_to_type, scan_names

#: Rows that are compared at a time: usually, the first ones show a difference.
_ROWS_AT_ONCE = 16_384

#: Number of `_rescued` texts to examine before bodies.
_TEXTS = 1_000

#: In a text with one of these, a value may be written differently from the body.
_NOT_VERBATIM = (WHOLE_RECORD, r"\ud")

_ROWS_DIFFER = "rows differ from the events that they are made of"


@dataclass(frozen=True)
class Partition:
    """The files of a partition of an event table, and its source files in deduplicated_events."""

    table: Snapshot
    event_files: Sequence[DataFile]
    source_files: Sequence[DataFile]


class RowExaminer:
    """Compares rows of an event table with the rows that the present catalog would make of their events."""

    def __init__(self, lake: Lake, event_type: EventType, envelope: Envelope, difference: Difference) -> None:
        """Compile the schema."""
        self._lake, self._event_type, self._envelope, self._difference = lake, event_type, envelope, difference
        self._reader = EventReader(event_type, envelope)
        consumed = envelope.consumed - {column.field for column in event_type.columns}
        self._rescuer = Rescuer(event_type.columns, consumed)

    def examine(self, partition: Partition) -> Verdict:
        """Return whether the rows would differ.

        These are examined in order, up to the first row that differs: names, the statistics in the log, the texts of
        `_rescued`, and the bodies with a key that the catalog reads differently. With a wider type, all rows differ.
        """
        if reason := self._in_names(partition):
            return Verdict(reason, moves_events=True)
        if retyped := partition.table.retyped:
            return Verdict(f"a wider type: {', '.join(map(str, retyped))}" if partition.event_files else "")
        looks = (self._in_statistics, self._in_rescued, self._in_bodies)
        return Verdict(next((reason for look in looks if (reason := look(partition))), ""))

    def _in_statistics(self, partition: Partition) -> str | None:
        """Describe a column that was removed from the catalog and has values. Nested columns have no statistics."""
        for name in self._difference.dropped_columns:
            if any(file.nulls.get(name) is not None and file.nulls[name] < file.rows for file in partition.event_files):
                return f"{name} has values, and the catalog has it no more"
        return None

    def _in_names(self, partition: Partition) -> str | None:
        names = self._difference.names
        if not names:
            return None
        example = scan_names(self._lake, partition.source_files, names).select("event_name").head(1).collect()
        if not example.height:
            return None
        name = example.item()
        return f"events of {name} belong to it {'now' if name in self._event_type.names else 'no more'}"

    def _in_rescued(self, partition: Partition) -> str | None:
        """Describe values in `_rescued` that fit a column."""
        files = [file for file in partition.event_files if file.nulls.get(RESCUED_COLUMN) != file.rows]
        if not (files and self._difference.fields):
            return None
        text = pl.col(RESCUED_COLUMN)
        has_field = text.str.contains_any([*map(_json_key, self._difference.fields)])
        is_verbatim = ~text.str.contains_any(list(_NOT_VERBATIM))
        texts = scan_files(partition.table.table, files).select(text).filter(has_field & is_verbatim).head(_TEXTS)
        fields = (field for value in texts.collect().to_series() for field in self._fitting_fields(value))
        field = next(fields, None)
        return None if field is None else f"{field} has values in _rescued that fit its column"

    def _fitting_fields(self, text: str) -> Iterator[str]:
        """Yield the differing fields of a `_rescued` text whose value would move to a column, at least in part."""
        for field, raw in rescued_fields(text).items():
            body = msgspec.json.encode({field: raw}).decode()
            if field in self._difference.fields and self._rescuer.split(body)[1] != body:
                yield field

    def _in_bodies(self, partition: Partition) -> str | None:
        """Read the events whose rows may differ, and compare these rows."""
        may_differ = self._may_differ
        if not partition.event_files or may_differ is None:
            return None
        schema = self._schema_of(partition.table)
        scan = scan_files(partition.table.table, partition.event_files, partition.table.schema)
        stored_rows = scan.select(schema.names()).collect()
        for events in self._events(partition, may_differ):
            rows = as_stored(self._reader.read(events), schema).sort("event_uuid")
            old_rows = stored_rows.join(rows.select("event_uuid"), on="event_uuid", how="semi").sort("event_uuid")
            if not old_rows.equals(rows):
                return _describe(old_rows, rows)
        return None

    @property
    def _may_differ(self) -> pl.Expr | None:
        """Whether a body may be read differently; None if no body may."""
        if self._difference.is_whole:
            return pl.lit(value=True)
        keys = self._difference.keys
        # A key may be written with escapes.
        escapes = [r"\u", *([r"\/"] if any("/" in key for key in keys) else [])]
        return pl.col("body").str.contains_any([*map(_json_key, keys), *escapes]) if keys else None

    def _schema_of(self, table: Snapshot) -> pl.Schema:
        if self._difference.is_whole:
            names = [name for name in table.schema if name not in EVENT_COLUMNS]
        else:
            names = [*self._difference.columns, RESCUED_COLUMN]
        return pl.Schema({"event_uuid": pl.String(), **{name: table.schema[name] for name in names}})

    def _events(self, partition: Partition, may_differ: pl.Expr) -> Iterator[pl.DataFrame]:
        for file in partition.source_files:
            events = scan_names(self._lake, [file], self._event_type.names).filter(may_differ)
            selected = events.select(columns_to_type(self._envelope)).collect()
            yield from selected.iter_slices(_ROWS_AT_ONCE)


def _json_key(key: str) -> str:
    return f'"{key}"'


def _describe(old_rows: pl.DataFrame, new_rows: pl.DataFrame) -> str:
    """Describe the columns that differ."""
    if old_rows.height != new_rows.height:
        return _ROWS_DIFFER
    names = [name for name in new_rows.columns if not old_rows[name].equals(new_rows[name])]
    columns = [name for name in names if name != RESCUED_COLUMN] or names
    return f"{', '.join(columns)} would have other values"
