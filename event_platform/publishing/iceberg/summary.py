"""The summary of a snapshot names the Delta table, and the version whose files the snapshot has."""

from dataclasses import dataclass

from pyiceberg.table.snapshots import Snapshot

from event_platform.lake.field_ids import field_ids
from event_platform.publishing.iceberg.delta import DeltaVersion

#: Keys in the summary of a snapshot: the Delta table and version that it has the files of, when that was committed, and
#: whether its log had the field ids.
_TABLE_ID, _VERSION, _TIMESTAMP, _HAS_IDS = "delta-table-id", "delta-version", "delta-timestamp", "delta-field-ids"


@dataclass(frozen=True)
class PublishedVersion:
    """The Delta table and version in the summary of a snapshot."""

    table_id: str
    version: int
    timestamp: int  # of the commit in Delta's log, in Unix milliseconds; 0 if unknown
    has_ids: bool


def read_summary(snapshot: Snapshot | None) -> PublishedVersion | None:
    """Return the Delta version of a snapshot; None without a snapshot, or if the platform did not commit it."""
    summary = None if snapshot is None else snapshot.summary
    if summary is None or summary[_TABLE_ID] is None:
        return None
    version, timestamp = (int(summary[name] or 0) for name in (_VERSION, _TIMESTAMP))
    return PublishedVersion(str(summary[_TABLE_ID]), version, timestamp, summary[_HAS_IDS] == "true")


def summary_of(delta: DeltaVersion) -> dict[str, str]:
    """Return the entries of a snapshot's summary for a Delta version."""
    return {
        _TABLE_ID: delta.table_id,
        _VERSION: str(delta.version),
        _TIMESTAMP: str(delta.timestamp),
        _HAS_IDS: str(bool(field_ids(delta.delta.schema()))).lower(),
    }
