"""Every metric: name, labels and meaning. The documentation is generated from this list.

All are gauges. They are read from tables, where a rebuild or an erasure lowers them; a counter would take that for a
restart from zero. Events have their Unix time as value, so that their age grows even if nothing works any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Metric:
    """A gauge. Values of its labels are names of the catalog and of the code, never of data."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()


class Gauge(Enum):
    """The metrics, in the order in which they are exposed."""

    UP = Metric("event_platform_up", "1 if a source could be read, 0 if not: then its metrics are absent", ("source",))
    SCRAPE = Metric("event_platform_scrape_duration_seconds", "How long it took to read a source", ("source",))

    LANDED = Metric("event_platform_landed_records", "Records in raw_events")
    FILTERED = Metric(
        "event_platform_filtered_events", "Events that the filter of the stream dropped; only where its queue is set"
    )
    SOUND = Metric("event_platform_sound_records", "Records in raw_events without a corruption reason")
    CORRUPT = Metric("event_platform_corrupt_records", "Records in corrupt_events", ("reason",))
    DEDUPLICATED = Metric("event_platform_deduplicated_events", "Events in deduplicated_events")
    DUPLICATES = Metric("event_platform_duplicate_records", "Records in duplicate_events", ("kind",))
    TYPED = Metric("event_platform_typed_events", "Events in event tables, those of retired types included")
    UNREGISTERED = Metric("event_platform_unregistered_events", "Events whose name is not in the catalog")

    BALANCED = Metric("event_platform_balanced", "1 if the totals of a layer balance on every day, else 0", ("layer",))
    DIFFERENCE = Metric(
        "event_platform_balance_difference_records", "Records by which the days of a layer do not balance", ("layer",)
    )
    BROKEN_OBJECTS = Metric(
        "event_platform_broken_objects", "Objects that have lost or repeated a record in raw_events"
    )

    ROWS = Metric("event_platform_table_rows", "Rows of a table", ("table",))
    FILES = Metric("event_platform_table_files", "Files of the current version of a table", ("table",))
    BYTES = Metric("event_platform_table_size_bytes", "Size of these files", ("table",))
    RESCUED = Metric("event_platform_table_rescued_rows", "Rows of an event table with rescued values", ("table",))
    COMMITTED = Metric(
        "event_platform_table_last_commit_timestamp_seconds", "Time of the last commit to a table", ("table",)
    )
    NEWEST = Metric(
        "event_platform_table_newest_event_timestamp_seconds", "created_at of the newest event of a table", ("table",)
    )

    DUE = Metric("event_platform_due_partitions", "Days of tables that are due", ("scope",))
    OVERDUE = Metric("event_platform_due_overdue", "1 if the records of a due day have waited for an hour")

    BEHIND = Metric(
        "event_platform_iceberg_versions_behind",
        "Versions of a table that are not published in the Iceberg catalog; only where one is set",
        ("table",),
    )

    WAITING = Metric("event_platform_waiting_objects", "Objects of today and yesterday (UTC) that wait to be loaded")
    LEFT_OUT = Metric("event_platform_left_out_objects", "Files and folders of these days that cannot be loaded")

    FAILED_CHECKS = Metric(
        "event_platform_failed_checks",
        "Days of the last week on which a check that is not blocking failed",
        ("severity", "asset", "check"),
    )

    RUNS = Metric("event_platform_runs", "Runs in Dagster's records that have not ended", ("status",))
    OLDEST_RUN = Metric("event_platform_oldest_run_timestamp_seconds", "Creation of the oldest run that has not ended")
    LAST_RUN = Metric(
        "event_platform_last_run_timestamp_seconds", "End of the newest run that ended with a status", ("status",)
    )
    LAST_RUN_DURATION = Metric("event_platform_last_run_duration_seconds", "How long that run took", ("status",))
    TICK = Metric(
        "event_platform_last_tick_timestamp_seconds", "Last tick of a sensor or schedule that is on", ("name",)
    )
    TICK_FAILED = Metric("event_platform_last_tick_failed", "1 if that tick failed", ("name",))


@dataclass(frozen=True)
class Sample:
    """A value of a gauge, with the values of its labels in their order."""

    gauge: Gauge
    value: float
    labels: tuple[str, ...] = ()


#: What a source of metrics returns.
Samples = Iterable[Sample]
