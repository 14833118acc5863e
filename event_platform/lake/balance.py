"""The promise, as figures: for every day, what came in and where it is now."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import polars as pl

from event_platform.events.catalog import Catalog
from event_platform.events.event import DuplicateKind
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.lake import RAW_SCHEMA, Lake
from event_platform.lake.tables import Table
from event_platform.storage.threads import map_threads


@dataclass(frozen=True)
class ArrivalBalance:
    """What landed on one arrival date."""

    arrival_date: date
    landed: int  # records in raw_events
    sound: int  # of these, without a corruption_reason
    corrupt: int  # rows of corrupt_events
    broken_objects: int  # objects whose record numbers do not run from 0 without a gap

    @property
    def balanced(self) -> bool:
        """Landed = sound + corrupt, and no object has lost or repeated a record."""
        return self.landed == self.sound + self.corrupt and not self.broken_objects


@dataclass(frozen=True)
class DeduplicationBalance:
    """What became of the sound records of one created_date."""

    created_date: date
    sound: int  # in raw_events
    deduplicated: int
    redelivery: int
    conflict: int

    @property
    def balanced(self) -> bool:
        """Sound = deduplicated + duplicates."""
        return self.sound == self.deduplicated + self.redelivery + self.conflict


@dataclass(frozen=True)
class TypingBalance:
    """Where the deduplicated events of one created_date are."""

    created_date: date
    deduplicated: int
    unregistered: int
    typed: int  # over all event tables, those of retired types too

    @property
    def balanced(self) -> bool:
        """Deduplicated = Σ events/… + unregistered."""
        return self.deduplicated == self.typed + self.unregistered


def arrival_balances(lake: Lake, dates: Collection[date] | None = None) -> list[ArrivalBalance]:
    """Count the arrival dates given; without them, those that hold anything."""
    raw = lake.raw_events.snapshot().files(dates)
    objects = (
        _scan_raw(lake, raw)
        .group_by("arrival_date", "source_object")
        .agg(
            landed=pl.len(),
            sound=pl.col("corruption_reason").is_null().sum(),
            last=pl.col("source_offset").max(),
            numbers=pl.col("source_offset").sum(),
        )
        .with_columns(
            # Numbers 0 … n-1 have the maximum n-1 and this sum; a loss or a repetition changes one of them.
            broken=(pl.col("last") != pl.col("landed") - 1)
            | (pl.col("numbers") != pl.col("landed").cast(pl.Int64) * (pl.col("landed").cast(pl.Int64) - 1) // 2)
        )
    )
    days = (
        objects.group_by("arrival_date")
        .agg(pl.col("landed", "sound", "broken").sum())
        .collect(engine="streaming")
        .rows_by_key("arrival_date", unique=True)
    )
    corrupt = _rows(lake.corrupt_events, dates)
    return [
        ArrivalBalance(day, landed, sound, corrupt.get(day, 0), broken)
        for day in sorted({*days, *corrupt, *(dates or ())})
        for landed, sound, broken in [days.get(day, (0, 0, 0))]
    ]


def deduplication_balances(lake: Lake, dates: Collection[date] | None = None) -> list[DeduplicationBalance]:
    """Count the created dates given; without them, those that hold anything."""
    sound = _sound_by_created_date(lake, dates)
    deduplicated = _rows(lake.deduplicated_events, dates)
    counted = (
        lake.duplicate_events.snapshot()
        .scan(dates)
        .group_by("created_date", "kind")
        .agg(pl.len())
        .collect(engine="streaming")
    )
    kinds = {(day, kind): rows for day, kind, rows in counted.iter_rows()}
    return [
        DeduplicationBalance(
            created_date=day,
            sound=sound.get(day, 0),
            deduplicated=deduplicated.get(day, 0),
            redelivery=kinds.get((day, DuplicateKind.REDELIVERY.value), 0),
            conflict=kinds.get((day, DuplicateKind.CONFLICT.value), 0),
        )
        for day in sorted({*sound, *deduplicated, *(day for day, _ in kinds), *(dates or ())})
    ]


def typing_balances(lake: Lake, catalog: Catalog, dates: Collection[date] | None = None) -> list[TypingBalance]:
    """Count the created dates given; without them, those that hold anything."""
    return _typing_balances(lake, _rows_of_event_tables(lake, catalog, dates), dates)


def _typing_balances(
    lake: Lake, event_tables: Mapping[str, dict[date, int]], dates: Collection[date] | None = None
) -> list[TypingBalance]:
    deduplicated = _rows(lake.deduplicated_events, dates)
    unregistered = _rows(lake.unregistered_events, dates)
    typed: Counter[date] = Counter()
    for rows in event_tables.values():
        typed.update(rows)
    return [
        TypingBalance(day, deduplicated.get(day, 0), unregistered.get(day, 0), typed[day])
        for day in sorted({*deduplicated, *unregistered, *typed, *(dates or ())})
    ]


def ledger(lake: Lake, catalog: Catalog) -> dict[str, Any]:
    """Return everything that is in the lake as one JSON-ready object, days included."""
    arrivals, deduplications = arrival_balances(lake), deduplication_balances(lake)
    event_tables = _rows_of_event_tables(lake, catalog, None)
    typings = _typing_balances(lake, event_tables)
    reasons = (
        lake.corrupt_events.snapshot().scan().group_by("corruption_reason").agg(pl.len()).sort("corruption_reason")
    )
    known = {lake.event_table(event_type).name for event_type in catalog.event_types}
    sound = sum(day.sound for day in arrivals)
    uneven = [day.created_date for day in deduplications if not day.balanced]
    uneven += [day.created_date for day in typings if not day.balanced]
    unbalanced = {
        "arrival_dates": [day.arrival_date.isoformat() for day in arrivals if not day.balanced],
        "created_dates": [day.isoformat() for day in sorted({*uneven})],
    }
    return {
        "landed": sum(day.landed for day in arrivals),
        "sound": sound,
        "corrupt": sum(day.corrupt for day in arrivals),
        "corrupt_by_reason": dict(reasons.collect().iter_rows()),
        "deduplicated": sum(day.deduplicated for day in deduplications),
        "duplicates": {
            "redelivery": sum(day.redelivery for day in deduplications),
            "conflict": sum(day.conflict for day in deduplications),
        },
        "unregistered": sum(day.unregistered for day in typings),
        "typed": sum(day.typed for day in typings),
        "event_tables": sum(map(bool, event_tables.values())),
        "retired_tables": {name: sum(rows.values()) for name, rows in event_tables.items() if name not in known},
        "balanced": sound == sum(day.sound for day in deduplications) and not any(unbalanced.values()),
        "unbalanced": unbalanced,
        "by_arrival_date": [_as_json(asdict(day)) for day in arrivals],
        "by_created_date": _by_created_date(deduplications, typings),
    }


def _by_created_date(deduplications: list[DeduplicationBalance], typings: list[TypingBalance]) -> list[dict[str, Any]]:
    columns = ["sound", "deduplicated", "redelivery", "conflict", "unregistered", "typed"]
    days: dict[date, dict[str, Any]] = {}
    for counts in (*map(asdict, deduplications), *map(asdict, typings)):
        days.setdefault(counts["created_date"], dict.fromkeys(columns, 0)).update(counts)
    return [_as_json({"created_date": day, **days[day]}) for day in sorted(days)]


def _sound_by_created_date(lake: Lake, dates: Collection[date] | None) -> dict[date, int]:
    files = lake.raw_events.snapshot().files()
    if dates is not None:
        first, last = min(dates), max(dates)
        files = [file for file in files if may_hold(file, first, last)]
    counts = (
        _scan_raw(lake, files)
        .filter(pl.col("corruption_reason").is_null())
        .group_by("created_date")
        .agg(pl.len())
        .collect(engine="streaming")
    )
    return {day: rows for day, rows in counts.iter_rows() if dates is None or day in dates}


def may_hold(file: DataFile, first: date, last: date) -> bool:
    """Say whether a file of raw_events may hold sound records of the created_dates from `first` to `last`."""
    low, high = file.minimum.get("created_date"), file.maximum.get("created_date")
    return low is not None and high is not None and low <= last and first <= high


def _scan_raw(lake: Lake, files: list[DataFile]) -> pl.LazyFrame:
    return scan_files(files, RAW_SCHEMA, "arrival_date", lake.storage)


def _rows(table: Table, dates: Collection[date] | None) -> dict[date, int]:
    return {day: rows for day, rows in table.snapshot().rows_by_date().items() if dates is None or day in dates}


def _rows_of_event_tables(lake: Lake, catalog: Catalog, dates: Collection[date] | None) -> dict[str, dict[date, int]]:
    """Return the rows of each event table by its name, those of retired types last."""
    tables = [*map(lake.event_table, catalog.event_types), *lake.retired_tables(catalog.event_types)]
    rows = map_threads(lambda table: _rows(table, dates), tables)
    return {table.name: found for table, found in zip(tables, rows, strict=True)}


def _as_json(day: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in day.items()}
