"""The registry of the platform's tables: everything that is defined of each, once.

Schemas, comments in logs and in Dagster, keys and descriptions are read from here. Tables of people's own assets are
not in it: their frames say what they look like.
"""

from dataclasses import replace

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.event import (
    EVENT_COLUMNS,
    MENDED,
    SOURCE_COLUMNS,
    UTC_DATETIME,
    ColumnSpec,
    columns_by_name,
)
from event_platform.events.figures import (
    ARRIVALS,
    EXAMPLE,
    FAILED_DERIVATIONS,
    KINDS,
    LATE,
    NAMES,
    OBJECTS,
    REASONS,
    UNREGISTERED_NAMES,
    drift_figure,
    event_figure,
    sample_figure,
)
from event_platform.lake.specs import TableSpec

#: The folder of the event tables.
EVENTS_FOLDER = "events"

_OBJECT_COLUMNS = columns_by_name(
    ColumnSpec("source_size", pl.Int64, nullable=False, comment="Bytes of the landed object"),
    ColumnSpec("source_etag", pl.String, nullable=False, comment="Changes when the landed object does"),
)
_BODY = ColumnSpec("body", pl.String, nullable=False, comment="The record as it landed, or as it was mended")
_REASON = ColumnSpec("corruption_reason", pl.String, comment="Why the record cannot be used; null for a sound one")
_KIND = ColumnSpec(
    "kind",
    pl.String,
    nullable=False,
    comment="redelivery: the survivor's body again; conflict: another body under the same uuid",
)
_SURVIVOR_COLUMNS = [
    ColumnSpec(f"survivor_{name}", column.type, nullable=False, comment=f"{name} of the record that arrived first")
    for name, column in SOURCE_COLUMNS.items()
]
_SOUND_RECORD = (*SOURCE_COLUMNS.values(), _BODY, *EVENT_COLUMNS.values(), MENDED)

#: Of a record that may be corrupt, everything but its source may be missing.
_ANY_RECORD = [replace(column, nullable=True) for column in (_BODY, *EVENT_COLUMNS.values())]

#: What tells rows apart: their place in landing where each record has a row, the uuid where each event has one.
_PLACE_KEY = tuple(SOURCE_COLUMNS)
_EVENT_KEY = ("created_date", "event_uuid")

RAW_EVENTS = TableSpec(
    "raw_events",
    (*SOURCE_COLUMNS.values(), *_OBJECT_COLUMNS.values(), *_ANY_RECORD, _REASON, MENDED),
    partition_column="arrival_date",
    primary_key=_PLACE_KEY,
    description="Every record that landed, once, sound or corrupt, with what is known of it. The table is its own "
    "ledger: an object whose rows are in it is not read again, and one that changed replaces its rows.",
    figures=(OBJECTS,),
    keyed=pl.col("corruption_reason").is_null(),
)
CORRUPT_EVENTS = TableSpec(
    "corrupt_events",
    (*SOURCE_COLUMNS.values(), *_ANY_RECORD, replace(_REASON, nullable=False)),
    partition_column="arrival_date",
    primary_key=_PLACE_KEY,
    description="Dead letters: the records that cannot be used, each with its corruption_reason.",
    figures=(REASONS,),
)
DEDUPLICATED_EVENTS = TableSpec(
    "deduplicated_events",
    _SOUND_RECORD,
    partition_column="created_date",
    primary_key=_EVENT_KEY,
    description="One row for each event_uuid: the record that arrived first, as it landed or was mended.",
    figures=(NAMES, ARRIVALS, LATE),
    keyed=pl.col("event_uuid").is_not_null(),
)
DUPLICATE_EVENTS = TableSpec(
    "duplicate_events",
    (*_SOUND_RECORD, _KIND, *_SURVIVOR_COLUMNS),
    partition_column="created_date",
    primary_key=_PLACE_KEY,
    description="Dead letters: the records that another one of the same event_uuid came before, with its place "
    "and their kind: redelivery (the same body) or conflict (another one: a producer's bug).",
    figures=(KINDS,),
)
UNREGISTERED_EVENTS = TableSpec(
    "unregistered_events",
    _SOUND_RECORD,
    partition_column="created_date",
    primary_key=_EVENT_KEY,
    description="Events whose name the catalog lacks, with their body. Add a schema, and they move to a "
    "table of their own.",
    figures=(UNREGISTERED_NAMES,),
)
QUALITY_REPORT = TableSpec(
    "quality_report",
    (
        EVENT_COLUMNS["created_date"],
        ColumnSpec(
            "figure",
            pl.String,
            nullable=False,
            comment="What was counted, such as events, duplicates, corrupt or unknown_field: see the documentation",
        ),
        replace(EVENT_COLUMNS["event_name"], nullable=True),
        ColumnSpec(
            "label",
            pl.String,
            comment="What of it: an hour, a kind, a reason, a rule, a field; null for the whole of it, or for the rest",
        ),
        ColumnSpec("value", pl.Int64, nullable=False, comment="How many"),
    ),
    partition_column="created_date",
    primary_key=("created_date", "figure", "event_name", "label"),
    description="Figures of each created date, one a row: events by hour and type, lateness, duplicates by kind, "
    "schema drift by field, broken rules, nulls by column, unregistered names, rows and bytes; and what arrived on "
    "that day: records, objects by hour, corrupt records by reason. And a page of each day, below reports/quality.",
)

FILTERED_EVENTS = TableSpec(
    "filtered_events",
    (
        replace(SOURCE_COLUMNS["arrival_date"], comment="UTC date of the arrival in the stream; partition"),
        ColumnSpec("record", pl.String, nullable=False, comment="Stream record: shard and sequence number"),
        ColumnSpec("number", pl.Int64, nullable=False, comment="Number of the event in the stream record, from 0"),
        ColumnSpec("arrived_at", UTC_DATETIME, nullable=False, comment="Time at which the stream record arrived there"),
        replace(EVENT_COLUMNS["event_uuid"], nullable=False),
        ColumnSpec("survivor", pl.String, nullable=False, comment="Stream record in which the event passed before"),
        ColumnSpec("survivor_seen_at", UTC_DATETIME, nullable=False, comment="Time at which that record passed"),
        ColumnSpec("body", pl.String, nullable=False, comment="The event as it was sent"),
        ColumnSpec("taken_at", UTC_DATETIME, nullable=False, comment="Time at which it was taken from the queue"),
    ),
    partition_column="arrival_date",
    primary_key=("arrival_date", "record", "number"),
    description="Dead letters: the redelivered events that the filter of the stream dropped before they landed, each "
    "once, with the record of its survivor. There is such a table where EVENT_PLATFORM_REDELIVERIES_QUEUE is set.",
)

#: In the order of the flow; the event tables come after them. All lakes have these, and not all have FILTERED_EVENTS.
PLATFORM_TABLES = (
    RAW_EVENTS,
    CORRUPT_EVENTS,
    DEDUPLICATED_EVENTS,
    DUPLICATE_EVENTS,
    UNREGISTERED_EVENTS,
    QUALITY_REPORT,
)


def event_table_name(event_type: EventType) -> str:
    """Return the name of an event table. Its folder is the key: it comes from the catalog, never from data."""
    return f"{EVENTS_FOLDER}/{event_type.key}"


def event_table_spec(event_type: EventType) -> TableSpec:
    """Return the spec of an event table."""
    figures = (event_figure(event_type), drift_figure(event_type), sample_figure(event_type), EXAMPLE)
    return TableSpec(
        event_table_name(event_type),
        event_type.table_columns,
        partition_column="created_date",
        primary_key=_EVENT_KEY,
        description=event_type.description,
        variants=event_type.variants,
        widens=True,
        figures=(*figures, FAILED_DERIVATIONS) if event_type.derived else figures,
    )
