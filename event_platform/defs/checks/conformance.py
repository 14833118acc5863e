"""How well the events of a type keep to their schema: rescued values, unknown fields, broken rules.

What the schema expects to be rescued (a property without a type, a JSON type of `x-mixed`) is counted, and no fault.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from event_platform.defs.checks.verdict import Verdict
from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed, walk
from event_platform.events.drift import Drift, Path, drift_of
from event_platform.events.event import RESCUED_COLUMN
from event_platform.lake.date_groups import group_dates
from event_platform.lake.snapshot import Snapshot

NAME = "schema_conformance"

_SEPARATOR, _DOT = ": ", "."
_REQUIRED = "required"

#: Rows of several days that are looked at together.
_ROWS_AT_ONCE = 500_000


def verdicts(event_type: EventType, table: Snapshot, dates: Sequence[date]) -> list[tuple[date, Verdict]]:
    """Count what breaks a rule, or was rescued, in the rows of each date, and judge it."""
    return [
        (day, verdict(event_type, row))
        for some in group_dates(table, dates, _ROWS_AT_ONCE)
        for day, row in counts(event_type, table.scan(some), some)
    ]


def counts(event_type: EventType, rows: pl.LazyFrame, dates: list[date]) -> Iterator[tuple[date, dict[str, Any]]]:
    """Yield of each date how many rows break each rule, and the `_rescued` texts: what `verdict` judges."""
    rows = _flat(rows, event_type)
    if dates[1:]:
        figures = rows.group_by("created_date").agg(**_figures(event_type))
    else:  # a day may be large, and to group it takes twice the memory
        figures = rows.select(**_figures(event_type)).with_columns(created_date=pl.lit(dates[0]))
    frame = figures.collect(engine="streaming")
    found = {row["created_date"]: row for row in frame.to_dicts()}
    nothing: dict[str, Any] = {name: [] if isinstance(dtype, pl.List) else 0 for name, dtype in frame.schema.items()}
    yield from ((day, found.get(day, nothing)) for day in dates)


def _figures(event_type: EventType) -> dict[str, pl.Expr]:
    """Return the rows that break each rule (`<rule>: <column>`) and the `_rescued` texts, to be aggregated."""
    rules = {name: rule.sum() for name, rule in _broken_rules(event_type)}
    return {**rules, RESCUED_COLUMN: pl.col(RESCUED_COLUMN).drop_nulls().implode()}


def verdict(event_type: EventType, row: Mapping[str, Any]) -> Verdict:
    """Judge the counts of a day: rows that break each rule, and the `_rescued` texts."""
    drift = drift_of(row[RESCUED_COLUMN], event_type.columns)
    # A value that was rescued is not missing, although its column is null.
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
    return Verdict(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(found[:10]) or "every value has its place",
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
    """Yield the keys that lead to each typed property, and the names of its column."""
    for column in typed(columns):
        own, name = (*keys, column.field), (*names, column.name)
        yield own, name
        yield from _paths(column.fields, own, name)


def _flat(rows: pl.LazyFrame, event_type: EventType) -> pl.LazyFrame:
    """Make columns of the fields of objects, named by their paths, and one of each object that tells where it is.

    A field of an object that is looked at by itself is a query over the whole object.
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
    if not column.rules.required:
        return []
    # A field is required of the objects that are there.
    missing = ~pl.col(_there(path)) if column.kind is Kind.OBJECT else _value(path).is_null()
    return [(_REQUIRED, missing & pl.col(_there(path[:-1])) if path[1:] else missing)]


def _there(path: Path) -> str:
    """Return the column that tells where an object is."""
    return _DOT.join(path) + _DOT


def _rules_of(value: pl.Expr, column: Column) -> list[tuple[str, pl.Expr]]:
    rules = column.rules
    found: list[tuple[str, pl.Expr]] = []
    if rules.enum is not None and column.kind in {Kind.STRING, Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL, Kind.BOOLEAN}:
        allowed = pl.Series([each for each in rules.enum if each is not None], dtype=column.dtype)
        found.append(("enum", ~value.is_in(allowed.implode())))
    if column.kind in {Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL}:
        found.extend([("minimum", value < rules.minimum)] if rules.minimum is not None else [])
        found.extend([("maximum", value > rules.maximum)] if rules.maximum is not None else [])
    if rules.pattern is not None and column.kind is Kind.STRING:
        found.append(("pattern", ~value.str.contains(rules.pattern)))
    return found
