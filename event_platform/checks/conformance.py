"""How well the events of a type keep to their schema: rescued values, unknown fields, broken rules."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from event_platform.checks.days import together
from event_platform.checks.verdict import Verdict
from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, walk
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.rescue import WHOLE_RECORD, count_fields
from event_platform.lake.tables import Snapshot

NAME = "schema_conformance"

_SEPARATOR = ": "
_REQUIRED = "required"

#: Rows of several days that are looked at together.
_ROWS_AT_ONCE = 500_000


def verdicts(event_type: EventType, table: Snapshot, dates: Sequence[date]) -> list[tuple[date, Verdict]]:
    """Count what breaks a rule, or was rescued, in the rows of each date, and judge it."""
    return [
        (day, verdict(event_type, row))
        for some in together(table, dates, _ROWS_AT_ONCE)
        for day, row in _counted(event_type, table.scan(some), some)
    ]


def _counted(event_type: EventType, rows: pl.LazyFrame, dates: list[date]) -> Iterator[tuple[date, dict[str, Any]]]:
    """Yield the counts of each date; of one without rows, those of no rows."""
    if dates[1:]:
        counts = rows.group_by("created_date").agg(**_figures(event_type))
    else:  # a day may be large, and to group it takes twice the memory
        counts = rows.select(**_figures(event_type)).with_columns(created_date=pl.lit(dates[0]))
    frame = counts.collect(engine="streaming")
    found = {row["created_date"]: row for row in frame.to_dicts()}
    nothing: dict[str, Any] = {name: [] if isinstance(dtype, pl.List) else 0 for name, dtype in frame.schema.items()}
    yield from ((day, found.get(day, nothing)) for day in dates)


def _figures(event_type: EventType) -> dict[str, pl.Expr]:
    """Return the rows that break each rule (`<rule>: <column>`) and the `_rescued` texts, to be aggregated."""
    rules = {name: rule.sum() for name, rule in _broken_rules(event_type)}
    return {**rules, RESCUED_COLUMN: pl.col(RESCUED_COLUMN).drop_nulls().implode()}


def verdict(event_type: EventType, row: Mapping[str, Any]) -> Verdict:
    """Judge the counts of a day: rows that break each rule, and the `_rescued` texts."""
    known = {column.field: column.name for column in event_type.columns}
    fields = count_fields(row[RESCUED_COLUMN])
    twice = fields.pop(WHOLE_RECORD, 0)
    rescued = {field: count for field, count in sorted(fields.items()) if field in known}
    unknown = {field: count for field, count in sorted(fields.items()) if field not in known}
    # A value that was rescued is not missing, although its column is null.
    present = {f"{_REQUIRED}{_SEPARATOR}{known[field]}": count for field, count in rescued.items()}
    counts = {name: count - present.get(name, 0) for name, count in row.items() if _SEPARATOR in name}
    broken = {name: count for name, count in counts.items() if count > 0}
    found = [
        *(f"{count:,} x {name}" for name, count in broken.items()),
        *(f"{count:,} x rescued: {field}" for field, count in rescued.items()),
        *(f"{count:,} x unknown field: {field}" for field, count in unknown.items()),
        *([f"{twice:,} x a key written twice"] if twice else []),
    ]
    details = {"broken_rules": broken, "rescued_fields": rescued, "unknown_fields": unknown}
    return Verdict(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(found[:10]) or "every value has its place",
        metadata={
            "rules_broken": sum(broken.values()),
            "values_rescued": sum(rescued.values()),
            "values_unknown": sum(unknown.values()),
            "keys_written_twice": twice,
            **{name: counted for name, counted in details.items() if counted},
        },
    )


def _broken_rules(event_type: EventType) -> list[tuple[str, pl.Expr]]:
    return [
        (f"{rule}{_SEPARATOR}{'.'.join(path)}", broken)
        for path, column in walk(event_type.columns)
        for rule, broken in [*_required(path, column), *_rules_of(_value(path), column)]
    ]


def _value(path: tuple[str, ...]) -> pl.Expr:
    value = pl.col(path[0])
    for name in path[1:]:
        value = value.struct.field(name)
    return value


def _required(path: tuple[str, ...], column: Column) -> list[tuple[str, pl.Expr]]:
    if not column.rules.required:
        return []
    missing = _value(path).is_null()
    # A field is required of the objects that are there.
    return [(_REQUIRED, missing & _value(path[:-1]).is_not_null() if path[1:] else missing)]


def _rules_of(value: pl.Expr, column: Column) -> list[tuple[str, pl.Expr]]:
    rules = column.rules
    found: list[tuple[str, pl.Expr]] = []
    if rules.enum is not None and column.kind in {Kind.STRING, Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN}:
        allowed = pl.Series([each for each in rules.enum if each is not None], dtype=column.dtype)
        found.append(("enum", ~value.is_in(allowed.implode())))
    if column.kind in {Kind.INTEGER, Kind.NUMBER}:
        found.extend([("minimum", value < rules.minimum)] if rules.minimum is not None else [])
        found.extend([("maximum", value > rules.maximum)] if rules.maximum is not None else [])
    if rules.pattern is not None and column.kind is Kind.STRING:
        found.append(("pattern", ~value.str.contains(rules.pattern)))
    return found
