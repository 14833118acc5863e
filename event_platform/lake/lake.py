"""The tables of a lake, by name."""

from dataclasses import dataclass

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.columns import typed
from event_platform.events.event import EVENT_COLUMNS, SOURCE_COLUMNS
from event_platform.lake.storage import Storage
from event_platform.lake.tables import Table

_COMMENTS = {
    "arrival_date": "Day (UTC) on which the record landed",
    "source_object": "Landed object that the record is in, below the root of landing",
    "source_offset": "Number of the record in its object, from 0",
    "source_size": "Bytes of the landed object",
    "source_etag": "Changes when the landed object does",
    "body": "The record as it landed",
    "event_uuid": "Unique identifier of the event",
    "event_name": "What happened, in parts joined with colons",
    "created_at": "Unix time in seconds at which the event was created",
    "created_datetime": "created_at as a timestamp (UTC)",
    "created_date": "Day (UTC) on which the event was created",
    "event_type": "First part of the name",
    "event_subtype": "Second part of the name",
    "corruption_reason": "Why the record cannot be used; null for a sound one",
    "kind": "redelivery: the survivor's body again; conflict: another body under the same uuid",
    "survivor_arrival_date": "arrival_date of the record that arrived first",
    "survivor_source_object": "source_object of the record that arrived first",
    "survivor_source_offset": "source_offset of the record that arrived first",
    "_rescued": "JSON object of what found no place in a typed column, by field",
}

_OBJECT_COLUMNS = {"source_size": pl.Int64, "source_etag": pl.String}
_SURVIVOR_COLUMNS = {f"survivor_{name}": dtype for name, dtype in SOURCE_COLUMNS.items()}
_REASON = {"corruption_reason": pl.String}
_RECORD = {**SOURCE_COLUMNS, "body": pl.String, **EVENT_COLUMNS}

RAW_SCHEMA = pl.Schema({**SOURCE_COLUMNS, **_OBJECT_COLUMNS, "body": pl.String, **EVENT_COLUMNS, **_REASON})
CORRUPT_SCHEMA = pl.Schema({**_RECORD, **_REASON})
DEDUPLICATED_SCHEMA = pl.Schema(_RECORD)
DUPLICATE_SCHEMA = pl.Schema({**_RECORD, "kind": pl.String, **_SURVIVOR_COLUMNS})


@dataclass(frozen=True)
class Lake:
    """Every table of one environment."""

    storage: Storage

    @property
    def raw_events(self) -> Table:
        """Every record that landed, once, with its fate."""
        return self._table("raw_events", RAW_SCHEMA, "arrival_date")

    @property
    def corrupt_events(self) -> Table:
        """Dead letters: the records with a corruption_reason."""
        return self._table("corrupt_events", CORRUPT_SCHEMA, "arrival_date")

    @property
    def deduplicated_events(self) -> Table:
        """One row for each event_uuid."""
        return self._table("deduplicated_events", DEDUPLICATED_SCHEMA, "created_date")

    @property
    def duplicate_events(self) -> Table:
        """Dead letters: the records that another one came before."""
        return self._table("duplicate_events", DUPLICATE_SCHEMA, "created_date")

    @property
    def unregistered_events(self) -> Table:
        """Events whose name the catalog lacks."""
        return self._table("unregistered_events", DEDUPLICATED_SCHEMA, "created_date")

    def event_table(self, event_type: EventType) -> Table:
        """Return the typed events of one type. Its folder is the key: it comes from the catalog, never from data."""
        comments = {column.name: column.description for column in typed(event_type.columns)}
        return Table(
            name=f"events/{event_type.key}",
            schema=event_type.schema,
            partition_column="created_date",
            storage=self.storage,
            comments={**_COMMENTS, **comments},
            description=event_type.description,
        )

    def _table(self, name: str, schema: pl.Schema, partition_column: str) -> Table:
        comments = {column: _COMMENTS[column] for column in schema.names()}
        return Table(name, schema, partition_column, self.storage, comments)
