"""Whether the events of a type conform to their schema: rescued values, unknown fields, broken constraints.

Values that the schema expects to be rescued (an untyped property, a type in `x-mixed`) are counted but do not fail it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from event_platform.defs.checks.results import Result
from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed, walk
from event_platform.events.drift import Drift, Path, count_drift
from event_platform.events.event import RESCUED_COLUMN
from event_platform.lake.date_groups import group_dates
from event_platform.lake.snapshot import Snapshot

NAME = "schema_conformance"

_SEPARATOR, _DOT = ": ", "."
_REQUIRED = "required"

#: Rows of several days that are read together.
_ROWS_AT_ONCE = 500_000


def check_dates(event_type: EventType, table: Snapshot, dates: Sequence[date]) -> list[tuple[date, Result]]:
    """Count broken constraints and rescued values of each date, and return its result."""
    return [
        (day, check_day(event_type, row))
        for some in group_dates(table, dates, _ROWS_AT_ONCE)
        for day, row in counts(event_type, table.scan(some), some)
    ]


def counts(event_type: EventType, rows: pl.LazyFrame, dates: list[date]) -> Iterator[tuple[date, dict[str, Any]]]:
    """Yield for each date the figures of `check_day`: rows that break each constraint, and `_rescued` texts."""
    rows = _flat(rows, event_type)
    if dates[1:]:
        figures = rows.group_by("created_date").agg(**_figures(event_type))
    else:  # a day may be large, and grouping doubles the memory
        figures = rows.select(**_figures(event_type)).with_columns(created_date=pl.lit(dates[0]))
    frame = figures.collect(engine="streaming")
    found = {row["created_date"]: row for row in frame.to_dicts()}
    nothing: dict[str, Any] = {name: [] if isinstance(dtype, pl.List) else 0 for name, dtype in frame.schema.items()}
    yield from ((day, found.get(day, nothing)) for day in dates)


def _figures(event_type: EventType) -> dict[str, pl.Expr]:
    """Return aggregates: rows that break each constraint (`<constraint>: <column>`), and the `_rescued` texts."""
    rules = {name: rule.sum() for name, rule in _broken_rules(event_type)}
    return {**rules, RESCUED_COLUMN: pl.col(RESCUED_COLUMN).drop_nulls().implode()}


def check_day(event_type: EventType, row: Mapping[str, Any]) -> Result:
    """Return the result of a day from its counts (see `counts`)."""
    drift = count_drift(row[RESCUED_COLUMN], event_type.columns)
    # A rescued value is not missing, although its column is null.
    keys = {_REQUIRED + _SEPARATOR + _DOT.join(path): keys for keys, path in _paths(event_type.columns)}
    counts = {name: count - _rescued(drift, keys.get(name)) for name, count in row.items() if _SEPARATOR in name}
    broken = {name: count for name, count in counts.items() if count > 0}
    rescued, unknown, expected = map(_by_name, (drift.misfits, drift.unknown, drift.expected))
    found = [
        *(f"{count:,} x {name}" for name, count in broken.items()),
        *(f"{count:,} x rescued: {field}" for field, count in rescued.items()),
        *(f"{count:,} x unknown field: {field}" for field, count in unknown.items()),
        *([f"{drift.whole_records:,} x a key written twice"] if drift.whole_records else []),
    ]
    details = {
        "broken_rules": broken,
        "rescued_fields": rescued,
        "unknown_fields": unknown,
        "expected_fields": expected,
    }
    return Result(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(found[:10]) or "every value fits its column",
        metadata={
            "rules_broken": sum(broken.values()),
            "values_rescued": sum(rescued.values()),
            "values_unknown": sum(unknown.values()),
            "values_expected": sum(expected.values()),
            "keys_written_twice": drift.whole_records,
            **{name: counted for name, counted in details.items() if counted},
        },
    )


def _by_name(counts: Mapping[Path, int]) -> dict[str, int]:
    return {_DOT.join(path): count for path, count in sorted(counts.items())}


def _rescued(drift: Drift, keys: Path | None) -> int:
    return drift.misfits[keys] + drift.expected[keys] if keys is not None else 0


def _paths(columns: tuple[Column, ...], keys: Path = (), names: Path = ()) -> Iterator[tuple[Path, Path]]:
    """Yield the path of keys of each typed property, and the path of names of its column."""
    for column in typed(columns):
        own, name = (*keys, column.field), (*names, column.name)
        yield own, name
        yield from _paths(column.fields, own, name)


def _flat(rows: pl.LazyFrame, event_type: EventType) -> pl.LazyFrame:
    """Unnest objects into columns named by their paths, with a column for each object that tells where it is not null.

    Without this, reading one field of an object would read the whole object.
    """
    objects = [path for path, column in walk(event_type.columns) if column.kind is Kind.OBJECT]
    for depth in sorted({len(path) for path in objects}):
        names = [_DOT.join(path) for path in objects if len(path) == depth]
        there = [pl.col(name).is_not_null().alias(_there((name,))) for name in names]
        rows = rows.with_columns(there).unnest(names, separator=_DOT)
    return rows


def _broken_rules(event_type: EventType) -> list[tuple[str, pl.Expr]]:
    return [
        (f"{rule}{_SEPARATOR}{_DOT.join(path)}", broken)
        for path, column in walk(event_type.columns)
        for rule, broken in [*_required(path, column), *_rules_of(_value(path), column)]
    ]


def _value(path: Path) -> pl.Expr:
    return pl.col(_DOT.join(path))


def _required(path: Path, column: Column) -> list[tuple[str, pl.Expr]]:
    if not column.constraints.required:
        return []
    # A field is required only where its object is present.
    missing = ~pl.col(_there(path)) if column.kind is Kind.OBJECT else _value(path).is_null()
    return [(_REQUIRED, missing & pl.col(_there(path[:-1])) if path[1:] else missing)]


def _there(path: Path) -> str:
    """Return the name of the column that tells where an object is not null."""
    return _DOT.join(path) + _DOT


def _rules_of(value: pl.Expr, column: Column) -> list[tuple[str, pl.Expr]]:
    rules = column.constraints
    found: list[tuple[str, pl.Expr]] = []
    if rules.enum is not None and column.kind in {Kind.STRING, Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL, Kind.BOOLEAN}:
        allowed = [each for each in rules.enum if each is not None]
        found.append(("enum", ~value.is_in(pl.Series([allowed], dtype=pl.List(column.dtype)))))
    if column.kind in {Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL}:
        found.extend([("minimum", value < rules.minimum)] if rules.minimum is not None else [])
        found.extend([("maximum", value > rules.maximum)] if rules.maximum is not None else [])
    if rules.pattern is not None and column.kind is Kind.STRING:
        found.append(("pattern", ~value.str.contains(rules.pattern)))
    return found
