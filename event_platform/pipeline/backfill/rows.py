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

#: Rows that are read again at a time: the first ones mostly tell.
_ROWS_AT_ONCE = 16_384

#: Texts of `_rescued` that are looked at before bodies are.
_TEXTS = 1_000

#: In such a text, a value may not be written as the body has it.
_NOT_VERBATIM = (WHOLE_RECORD, r"\ud")

_ROWS_DIFFER = "rows differ from the events that they are made of"


@dataclass(frozen=True)
class Partition:
    """The files of a partition of an event table, and its source files in deduplicated_events."""

    table: Snapshot
    typed: Sequence[DataFile]
    deduplicated: Sequence[DataFile]


class RowExaminer:
    """Compares rows of partitions of one event table with the rows that the catalog would now make of their events."""

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
            return Verdict(f"a wider type: {', '.join(map(str, retyped))}" if partition.typed else "")
        looks = (self._in_statistics, self._in_rescued, self._in_bodies)
        return Verdict(next((reason for look in looks if (reason := look(partition))), ""))

    def _in_statistics(self, partition: Partition) -> str | None:
        """Describe a column with values that left the catalog. Nested columns have no statistics."""
        for name in self._difference.dropped_columns:
            if any(file.nulls.get(name) is not None and file.nulls[name] < file.rows for file in partition.typed):
                return f"{name} has values, and the catalog has it no more"
        return None

    def _in_names(self, partition: Partition) -> str | None:
        names = self._difference.names
        if not names:
            return None
        found = scan_names(self._lake, partition.deduplicated, names).select("event_name").head(1).collect()
        if not found.height:
            return None
        name = found.item()
        return f"events of {name} belong to it {'now' if name in self._event_type.names else 'no more'}"

    def _in_rescued(self, partition: Partition) -> str | None:
        """Describe values in `_rescued` that fit a column."""
        files = [file for file in partition.typed if file.nulls.get(RESCUED_COLUMN) != file.rows]
        if not (files and self._difference.fields):
            return None
        text = pl.col(RESCUED_COLUMN)
        looked_at = text.str.contains_any([*map(_written, self._difference.fields)])
        verbatim = ~text.str.contains_any(list(_NOT_VERBATIM))
        texts = scan_files(partition.table.table, files).select(text).filter(looked_at & verbatim).head(_TEXTS)
        fitting = (field for each in texts.collect().to_series() for field in self._fitting(each))
        field = next(fitting, None)
        return None if field is None else f"{field} has values in _rescued that fit its column"

    def _fitting(self, text: str) -> Iterator[str]:
        """Yield the differing fields of a `_rescued` text that would leave it at least in part."""
        for field, raw in rescued_fields(text).items():
            body = msgspec.json.encode({field: raw}).decode()
            if field in self._difference.fields and self._rescuer.split(body)[1] != body:
                yield field

    def _in_bodies(self, partition: Partition) -> str | None:
        """Read the events that may differ again, and compare."""
        is_concerned = self._is_concerned
        if not partition.typed or is_concerned is None:
            return None
        schema = self._schema_of(partition.table)
        stored = scan_files(partition.table.table, partition.typed, partition.table.schema)
        before = stored.select(schema.names()).collect()
        for events in self._events(partition, is_concerned):
            rows = as_stored(self._reader.read(events), schema).sort("event_uuid")
            known = before.join(rows.select("event_uuid"), on="event_uuid", how="semi").sort("event_uuid")
            if not known.equals(rows):
                return _describe(known, rows)
        return None

    @property
    def _is_concerned(self) -> pl.Expr | None:
        """Whether a body may be read differently; None if no body may."""
        if self._difference.is_whole:
            return pl.lit(value=True)
        keys = self._difference.keys
        # A key may be written with escapes.
        escapes = [r"\u", *([r"\/"] if any("/" in key for key in keys) else [])]
        return pl.col("body").str.contains_any([*map(_written, keys), *escapes]) if keys else None

    def _schema_of(self, table: Snapshot) -> pl.Schema:
        if self._difference.is_whole:
            names = [name for name in table.schema if name not in EVENT_COLUMNS]
        else:
            names = [*self._difference.columns, RESCUED_COLUMN]
        return pl.Schema({"event_uuid": pl.String(), **{name: table.schema[name] for name in names}})

    def _events(self, partition: Partition, is_concerned: pl.Expr) -> Iterator[pl.DataFrame]:
        for file in partition.deduplicated:
            events = scan_names(self._lake, [file], self._event_type.names).filter(is_concerned)
            found = events.select(columns_to_type(self._envelope)).collect()
            yield from found.iter_slices(_ROWS_AT_ONCE)


def _written(key: str) -> str:
    return f'"{key}"'


def _describe(before: pl.DataFrame, after: pl.DataFrame) -> str:
    """Describe the columns that differ."""
    if before.height != after.height:
        return _ROWS_DIFFER
    names = [name for name in after.columns if not before[name].equals(after[name])]
    columns = [name for name in names if name != RESCUED_COLUMN] or names
    return f"{', '.join(columns)} would have other values"
