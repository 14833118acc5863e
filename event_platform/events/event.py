"""Kinds of duplicates, and the columns that every event has."""

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

UTC_DATETIME = pl.Datetime("us", "UTC")


class DuplicateKind(StrEnum):
    """How a duplicate differs from its survivor."""

    REDELIVERY = "redelivery"  # the same body: a retry by a producer, Kinesis or Firehose
    CONFLICT = "conflict"  # another body under the same uuid: a producer's bug


@dataclass(frozen=True)
class ColumnSpec:
    """A column of a table. The comment is stored in the Delta log; Dagster shows it, and whether nulls occur."""

    name: str
    type: pl.DataType | type[pl.DataType]
    nullable: bool = True
    comment: str = ""


def columns_by_name(*columns: ColumnSpec) -> dict[str, ColumnSpec]:
    """Return columns by their names, in the same order."""
    return {column.name: column for column in columns}


#: Where a record came from. Together (arrival_date, source_object, source_offset) is the order of arrival.
SOURCE_COLUMNS = columns_by_name(
    ColumnSpec("arrival_date", pl.Date, nullable=False, comment="Day (UTC) on which the record landed"),
    ColumnSpec(
        "source_object",
        pl.String,
        nullable=False,
        comment="Landed object that the record is in, below the root of landing",
    ),
    ColumnSpec("source_offset", pl.Int64, nullable=False, comment="Number of the record in its object, from 0"),
)

#: Columns of every event, whatever its type.
EVENT_COLUMNS = columns_by_name(
    ColumnSpec("event_uuid", pl.String, nullable=False, comment="Unique identifier of the event"),
    ColumnSpec("event_name", pl.String, nullable=False, comment="What happened, in parts joined with colons"),
    ColumnSpec("created_at", pl.Float64, nullable=False, comment="Unix time in seconds at which the event was created"),
    ColumnSpec("created_datetime", UTC_DATETIME, nullable=False, comment="created_at as a timestamp (UTC)"),
    ColumnSpec("created_date", pl.Date, nullable=False, comment="Day (UTC) on which the event was created"),
    ColumnSpec("event_type", pl.String, nullable=False, comment="First part of the name"),
    ColumnSpec("event_subtype", pl.String, comment="Second part of the name"),
)

#: One JSON object with the values that do not fit a typed column.
RESCUED = ColumnSpec("_rescued", pl.String, comment="JSON object of what found no place in a typed column, by field")
RESCUED_COLUMN = RESCUED.name

#: Which function of the catalog made the record sound.
MENDED = ColumnSpec(
    "mended_by",
    pl.String,
    comment="Function of catalog/mend that made this record of a dead letter, and its version; null as it landed",
)
MENDED_BY = MENDED.name

#: Lower-case names that payload columns cannot have. Most Delta readers ignore case.
RESERVED_COLUMNS = frozenset({*SOURCE_COLUMNS, *EVENT_COLUMNS, RESCUED_COLUMN, "body"})
