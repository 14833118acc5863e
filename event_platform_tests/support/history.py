"""A made-up history of a lake: days with a pattern of weekdays, and incidents, as the quality report keeps it."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from event_platform.checks.faults import Fault
from event_platform.checks.result import Finding, Result, Severity
from event_platform.checks.volume import NAME as VOLUME
from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Constraints, Kind

SCHEMA = pl.Schema(
    {
        "created_date": pl.Date,
        "figure": pl.String,
        "event_name": pl.String,
        "label": pl.String,
        "value": pl.Int64,
    }
)
LAST = date(2025, 6, 30)

_COLUMNS = (
    Column("user_id", "user_id", Kind.STRING, "Who did it", Constraints(required=True, pattern="^usr_")),
    Column("platform", "platform", Kind.STRING, "What it was done on", Constraints(enum=("ios", "android", "web"))),
    Column("amount", "amount", Kind.DECIMAL, "What was paid", Constraints(minimum=0, maximum=10_000), digits=(10, 2)),
    Column("level", "level", Kind.INTEGER, "Level of the course", Constraints(minimum=1)),
    Column(
        "device",
        "device",
        Kind.OBJECT,
        "The device",
        fields=(Column("os", "os", Kind.STRING, "Operating system"), Column("model", "model", Kind.STRING)),
    ),
    Column("experiment", "experiment", Kind.UNTYPED, "Anything"),
)
_AREAS = ("lesson", "payment", "account", "course", "exercise", "streak", "word", "league", "shop", "friend")
_ACTIONS = ("started", "completed", "failed", "viewed", "created", "deleted", "updated", "opened", "shared", "rated")
_WEEKDAYS = (1.0, 1.02, 1.05, 1.0, 0.9, 0.6, 0.65)

#: What a check that passed found.
_PASSED = Result(passed=True, description="all is well")


@dataclass(frozen=True)
class MadeUp:
    """What the pages are drawn from."""

    history: pl.DataFrame
    findings: Mapping[date, Sequence[Finding]]
    event_types: Sequence[EventType]
    today: date


def make_history(days: int = 60, types: int = 6, seed: int = 1) -> MadeUp:
    """Return a history that ends with LAST, with the same figures each time."""
    dates = [LAST - timedelta(days=number) for number in reversed(range(days))]
    event_types = [_event_type(number) for number in range(types)]
    chance = random.Random(seed)  # noqa: S311 - figures, not secrets
    rows = [row for day in dates for row in _day(day, event_types, chance)]
    findings = {day: list(_findings(day, event_types)) for day in dates}
    return MadeUp(pl.DataFrame(rows, schema=SCHEMA, orient="row"), findings, event_types, LAST)


def _event_type(number: int) -> EventType:
    area, action = _AREAS[number % len(_AREAS)], _ACTIONS[number // len(_AREAS) % len(_ACTIONS)]
    name = f"{area}:{action}" + (f":{number}" if number >= len(_AREAS) * len(_ACTIONS) else "")
    return EventType(
        name,
        name.replace(":", "_"),
        _COLUMNS,
        f"When {area} was {action}, once for each time.",
        owner=f"team:{area}s",
        group=area,
    )


def _ago(day: date) -> int:
    return (LAST - day).days


def _day(day: date, event_types: Sequence[EventType], chance: random.Random) -> Iterator[tuple[Any, ...]]:
    sums = Counter[str]()
    for number, each in enumerate(event_types):
        for figure, label, value in _type_day(day, number, chance):
            sums[figure] += value
            yield day, figure, each.name, label, value
    rows = _whole_day(day, sums["events"], sums["duplicates"], chance)
    yield from ((day, figure, None, label, value) for figure, label, value in rows)


def _type_day(day: date, number: int, chance: random.Random) -> Iterator[tuple[str, str | None, int]]:
    volume = _volume(day, number) * chance.gauss(1, 0.04)
    stopped = number == 3 and _ago(day) < 2  # a producer that sends nothing any more
    doubled = number == 4 and _ago(day) == 1
    events = 0 if stopped else int(volume * (2.3 if doubled else 1))
    if not events:
        return
    yield "events", None, events
    yield "late", None, events // 50
    yield "duplicates", "redelivery", events // (4 if number == 1 and _ago(day) == 20 else 200)
    if number == 2 and _ago(day) < 11:  # a release with a new field, and an amount as text
        yield "unknown_field", "promo_code", events // 30
        yield "rescued_field", "amount", events // 90
    if number == 0 and _ago(day) < 5:
        yield "broken_rule", "maximum: amount", events // 400
    yield "null", "amount", events // (2 if number == 5 and _ago(day) < 4 else 9)
    yield "null", "level", events // 40
    yield "sampled", None, 2_000
    ios = 1_300 if _ago(day) < 3 and number == 1 else 800
    for column, values in (
        ("platform", {"ios": ios, "android": 1_600 - ios, "web": 400}),
        ("level", {"1": 1_200, "2": 800}),
    ):
        yield "distinct", column, len(values)
        for value, rows in values.items():
            yield "value", f"{column}={value}", rows


def _volume(day: date, number: int) -> float:
    """Return the events of a type that are expected of a day."""
    return _WEEKDAYS[day.weekday()] * 200_000 / (number + 2)


def _whole_day(day: date, typed: int, duplicates: int, chance: random.Random) -> Iterator[tuple[str, str | None, int]]:
    unregistered = 3_000 if _ago(day) == 8 else 0
    events = typed + unregistered
    corrupt = int(events * (0.06 if _ago(day) == 25 else 0.0004))
    if unregistered:
        yield "events", None, unregistered
        yield "unregistered", None, unregistered
    yield "corrupt", "not_json", corrupt
    yield "landed", None, events + corrupt + duplicates
    yield "sound", None, events + duplicates
    yield "created", None, events + duplicates
    for hour in range(24):
        if not (_ago(day) == 6 and hour in (3, 4, 5)):
            yield "objects", f"{hour:02d}", 60 + chance.randrange(5)
    for hours, share in ((0, 0.7), (1, 0.2), (2, 0.04), (7, 0.04), (30, 0.02)):
        yield "lag", str(hours), int(events * share)
    yield "bytes", None, events * 310
    yield "rows", None, events * 3


def _findings(day: date, event_types: Sequence[EventType]) -> Iterator[Finding]:
    found = {
        (f"events/{each.key}", VOLUME): _compared(_volume(day, number)) for number, each in enumerate(event_types)
    } | dict(_incidents(day, event_types))
    for asset, check in _checks(event_types):
        yield Finding(asset, check, day, found.get((asset, check), _PASSED))


def _compared(expected: float) -> Result:
    return Result(passed=True, description="as expected", metadata=_interval(expected))


def _interval(expected: float) -> dict[str, float]:
    return {"low": 0.75 * expected, "high": 1.3 * expected}


def _checks(event_types: Sequence[EventType]) -> Iterator[tuple[str, str]]:
    yield from (("raw_events", "corruption_rate"), ("raw_events", "arrival_gaps"))
    yield from (("deduplicated_events", "duplicate_rate"), ("unregistered_events", "unregistered_names"))
    for each in event_types:
        yield from ((f"events/{each.key}", check) for check in ("schema_conformance", VOLUME))


def _incidents(day: date, event_types: Sequence[EventType]) -> Iterator[tuple[tuple[str, str], Result]]:
    """Yield what failed on a day, in the tables that there are."""
    ago, keys = _ago(day), [f"events/{each.key}" for each in event_types]
    for asset, check, first, last, result in _INCIDENTS:
        table = keys[asset] if isinstance(asset, int) and asset < len(keys) else asset
        if first >= ago >= last and isinstance(table, str):
            interval = _interval(_volume(day, asset)) if isinstance(asset, int) and check == VOLUME else {}
            yield (table, check), replace(result, metadata=interval)


def _failed(description: str, fault: Fault, count: int, severity: Severity = Severity.WARN) -> Result:
    return Result(passed=False, description=description, severity=severity, faults={fault: count})


_GAP = "1,302 objects in 21 hours; none in hours 03, 04, 05, although objects arrived before and after"
_CORRUPT = "6.000% of 712,004 records are corrupt: not_json 42,720"
_REDELIVERED = "4.120% of 640,331 records are redeliveries; 0 conflicts"
_DRIFT = "1,640 x unknown field: promo_code; 546 x rescued: amount"
_UNREGISTERED = "3,000 events of 1 name that the catalog lacks"
_FEW, _MANY = "0 events, 0% of the 40,112 expected", "76,203 events, 231% of the 33,011 expected"

#: Table or number of the event type, check, first and last day (days before LAST), result.
_INCIDENTS: Sequence[tuple[str | int, str, int, int, Result]] = (
    ("raw_events", "corruption_rate", 25, 25, _failed(_CORRUPT, Fault.MALFORMED_RECORDS, 42_720, Severity.ERROR)),
    ("deduplicated_events", "duplicate_rate", 20, 20, _failed(_REDELIVERED, Fault.REDELIVERIES, 26_381)),
    ("unregistered_events", "unregistered_names", 8, 8, _failed(_UNREGISTERED, Fault.UNREGISTERED_NAMES, 3_000)),
    ("raw_events", "arrival_gaps", 6, 6, _failed(_GAP, Fault.ARRIVAL_GAP, 3)),
    (2, "schema_conformance", 10, 0, _failed(_DRIFT, Fault.UNKNOWN_FIELDS, 2_186)),
    (0, "schema_conformance", 4, 0, _failed("250 x maximum: amount", Fault.BROKEN_RULES, 250)),
    (3, VOLUME, 1, 0, _failed(_FEW, Fault.TOO_FEW_EVENTS, 40_112)),
    (4, VOLUME, 1, 1, _failed(_MANY, Fault.TOO_MANY_EVENTS, 43_192)),
)
