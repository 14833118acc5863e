"""Samples of a lake and its landing zone: totals, balances, tables and due dates.

They are read from logs, statistics and figures of files, each of which a process reads once: a scrape costs as much as
the changes since the last one.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta

import polars as pl

from event_platform.environment import Environment
from event_platform.events.catalog import Catalog
from event_platform.events.corruption import CorruptionReason
from event_platform.events.event import RESCUED_COLUMN, DuplicateKind
from event_platform.events.figures import Figure
from event_platform.lake.balance import (
    arrival_balances,
    filtered_by_arrival_date,
    sound_by_created_date,
    typing_balances,
)
from event_platform.lake.file_figures import read_figure
from event_platform.lake.lake import Lake
from event_platform.lake.ledger import deliveries
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import Table
from event_platform.landing.landing import Landing
from event_platform.metrics.gauges import Gauge, Sample
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.due_arrivals import due_arrival_dates
from event_platform.pipeline.due_dates import OVERDUE
from event_platform.sample.own_assets import shipped_assets

_CREATED = "created_datetime"


def lake_samples(lake: Lake, catalog: Catalog, environment: Environment) -> Iterator[Sample]:
    """Yield the samples of a lake. Raises the errors of reading its tables."""
    yield from _arrivals(lake)
    yield from _deduplication(lake)
    yield from _typing(lake, catalog)
    for table in lake.tables(catalog.event_types):
        yield from _table(table)
    if environment.redeliveries_queue:
        yield Sample(Gauge.FILTERED, sum(filtered_by_arrival_date(lake).values()))
        yield from _table(lake.filtered_events)
    yield from _due(lake, catalog, environment)


def landing_samples(lake: Lake, landing: Landing, first_date: date, today: date) -> Iterator[Sample]:
    """Yield the samples of landing: of today and yesterday, since a listing of all days costs more with each day."""
    days = {day for day in (today - timedelta(days=1), today) if day >= first_date}
    delivery = deliveries(lake.raw_events.snapshot(), landing, days)
    yield Sample(Gauge.WAITING, len(delivery.due))
    yield Sample(Gauge.LEFT_OUT, len(delivery.omissions.faults))


def _arrivals(lake: Lake) -> Iterator[Sample]:
    days = arrival_balances(lake)
    yield Sample(Gauge.LANDED, sum(day.landed for day in days))
    yield Sample(Gauge.SOUND, sum(day.sound for day in days))
    reasons = _counts(lake.corrupt_events, "corruption_reason", CorruptionReason)
    yield from (Sample(Gauge.CORRUPT, rows, (reason,)) for reason, rows in reasons.items())
    differences = [day.landed - day.sound - day.corrupt for day in days]
    yield from _balance("raw", differences, is_balanced=all(day.balanced for day in days))
    yield Sample(Gauge.BROKEN_OBJECTS, sum(day.broken_objects for day in days))


def _deduplication(lake: Lake) -> Iterator[Sample]:
    sound = sound_by_created_date(lake)
    unique, duplicates = (
        table.snapshot().rows_by_date() for table in (lake.deduplicated_events, lake.duplicate_events)
    )
    yield Sample(Gauge.DEDUPLICATED, sum(unique.values()))
    kinds = _counts(lake.duplicate_events, "kind", DuplicateKind)
    yield from (Sample(Gauge.DUPLICATES, rows, (kind,)) for kind, rows in kinds.items())
    days = {*sound, *unique, *duplicates}
    yield from _balance(
        "deduplicated", [sound.get(day, 0) - unique.get(day, 0) - duplicates.get(day, 0) for day in days]
    )


def _typing(lake: Lake, catalog: Catalog) -> Iterator[Sample]:
    days = typing_balances(lake, catalog)
    yield Sample(Gauge.TYPED, sum(day.typed for day in days))
    yield Sample(Gauge.UNREGISTERED, sum(day.unregistered for day in days))
    yield from _balance("typed", [day.deduplicated - day.typed - day.unregistered for day in days])


def _balance(layer: str, differences: Collection[int], *, is_balanced: bool = True) -> Iterator[Sample]:
    yield Sample(Gauge.BALANCED, is_balanced and not any(differences), (layer,))
    yield Sample(Gauge.DIFFERENCE, sum(map(abs, differences)), (layer,))


def _counts(table: Table, column: str, known: type[CorruptionReason] | type[DuplicateKind]) -> dict[str, int]:
    """Return the rows of a table by a column with few values, restricted to `known` values."""
    figure = Figure(
        f"by-{column}",
        pl.Schema({column: pl.String}),
        lambda rows: rows.group_by(column).agg(rows=pl.len().cast(pl.Int64)),
    )
    counts = read_figure(table, table.snapshot().files(), figure).group_by(column).agg(pl.col("rows").sum())
    return dict.fromkeys(known, 0) | {value: rows for value, rows in counts.iter_rows() if value in set(known)}


def _table(table: Table) -> Iterator[Sample]:
    """Yield the samples of a table; for one that does not exist yet, only its size."""
    snapshot, labels = table.snapshot(), (table.name,)
    yield Sample(Gauge.ROWS, sum(snapshot.rows_by_date().values()), labels)
    yield Sample(Gauge.FILES, snapshot.file_count, labels)
    yield Sample(Gauge.BYTES, sum(snapshot.stored_sizes.values()), labels)
    if RESCUED_COLUMN in table.schema:
        yield Sample(Gauge.RESCUED, snapshot.rows_with(RESCUED_COLUMN), labels)
    if (committed := _last_commit(snapshot)) is not None:
        yield Sample(Gauge.COMMITTED, committed, labels)
    newest = snapshot.largest(_CREATED) if _CREATED in table.schema else None
    if isinstance(newest, datetime):
        yield Sample(Gauge.NEWEST, newest.timestamp(), labels)


def _last_commit(snapshot: Snapshot) -> float | None:
    """Return the Unix time of the last commit; None if it is unknown or there is no commit."""
    infos = snapshot.commits_since(snapshot.version - 1)
    return next((info["timestamp"] / 1000 for info in infos if "timestamp" in info), None)


def _due(lake: Lake, catalog: Catalog, environment: Environment) -> Iterator[Sample]:
    due = due_created_dates(lake, catalog, own_assets=shipped_assets(catalog, environment.start_date))
    days = {
        "corrupt_events": len(due_arrival_dates(lake)),
        "platform": len(due.days),
        "event_tables": sum(map(len, due.backfills.due.values())),
        "quality_report": len(due.reports),
        "own": sum(map(len, due.own_tables.values())),
    }
    yield from (Sample(Gauge.DUE, count, (scope,)) for scope, count in days.items())
    yield Sample(Gauge.OVERDUE, due.is_overdue(datetime.now(UTC) - OVERDUE))
