"""The totals of a lake: everything that is in it, as one JSON-ready object."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from event_platform.events.catalog import Catalog
from event_platform.events.figures import REASONS
from event_platform.lake.balance import (
    ArrivalBalance,
    DeduplicationBalance,
    TypingBalance,
    arrival_balances,
    count_by_day,
    deduplication_balances,
    event_table_rows,
    filtered_by_arrival_date,
    typing_balances_of,
)
from event_platform.lake.lake import Lake


def lake_totals(lake: Lake, catalog: Catalog, *, with_filtered: bool = False) -> dict[str, Any]:
    """Return everything that is in the lake as one JSON-ready object, days included.

    `with_filtered` events, it goes back to the stream: sent = landed + filtered. That is exact where the filter lost no
    answer; an event that it dropped, and that landed all the same, counts twice.
    """
    arrivals, deduplications = arrival_balances(lake), deduplication_balances(lake)
    filtered = filtered_by_arrival_date(lake) if with_filtered else None
    landed = sum(day.landed for day in arrivals)
    event_tables = event_table_rows(lake, catalog, None)
    typings = typing_balances_of(lake, event_tables)
    reasons = Counter[str]()
    for counts in count_by_day(lake.corrupt_events.snapshot(), None, REASONS).values():
        reasons.update(counts)
    known = {lake.event_table(event_type).name for event_type in catalog.event_types}
    sound = sum(day.sound for day in arrivals)
    uneven = [day.created_date for day in deduplications if not day.balanced]
    uneven += [day.created_date for day in typings if not day.balanced]
    unbalanced = {
        "arrival_dates": [day.arrival_date.isoformat() for day in arrivals if not day.balanced],
        "created_dates": [day.isoformat() for day in sorted({*uneven})],
    }
    return {
        **_of_stream(landed, None if filtered is None else sum(filtered.values())),
        "landed": landed,
        "sound": sound,
        "mended": sum(day.mended for day in arrivals),
        "corrupt": sum(day.corrupt for day in arrivals),
        "corrupt_by_reason": dict(sorted(reasons.items())),
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
        "by_arrival_date": _by_arrival_date(arrivals, filtered),
        "by_created_date": _by_created_date(deduplications, typings),
    }


def _of_stream(landed: int, filtered: int | None) -> dict[str, int]:
    return {} if filtered is None else {"sent": landed + filtered, "filtered": filtered}


def _by_arrival_date(arrivals: list[ArrivalBalance], filtered: Mapping[date, int] | None) -> list[dict[str, Any]]:
    days = {day: ArrivalBalance(day, 0, 0, 0, 0) for day in filtered or ()}
    days |= {day.arrival_date: day for day in arrivals}
    return [
        _as_json(asdict(days[day]) | _of_stream(days[day].landed, None if filtered is None else filtered.get(day, 0)))
        for day in sorted(days)
    ]


def _by_created_date(deduplications: list[DeduplicationBalance], typings: list[TypingBalance]) -> list[dict[str, Any]]:
    columns = ["sound", "deduplicated", "redelivery", "conflict", "unregistered", "typed"]
    days: dict[date, dict[str, Any]] = {}
    for counts in (*map(asdict, deduplications), *map(asdict, typings)):
        days.setdefault(counts["created_date"], dict.fromkeys(columns, 0)).update(counts)
    return [_as_json({"created_date": day, **days[day]}) for day in sorted(days)]


def _as_json(day: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in day.items()}
