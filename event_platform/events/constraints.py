"""Counts and samples the rows of an event table that break a rule of their schema beyond the type."""

from collections.abc import Mapping

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, walk
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.rescued import rescued_fields

#: Separator between a constraint and its column's path, and between the parts of the path.
SEPARATOR, DOT = ": ", "."
REQUIRED = "required"

#: Number of rows in which a required value is null that are searched for samples.
_MISSING_LOOKED_AT = 200


def count_broken_constraints(
    event_type: EventType, rows: pl.LazyFrame, more: Mapping[str, pl.Expr] = {}
) -> pl.LazyFrame:
    """Return one row: the number of rows that break each constraint (`<constraint>: <column>`), and `more`."""
    counts = {name: broken.sum().cast(pl.Int64) for name, broken in _broken_constraints(event_type)}
    return _flat(rows, event_type).select(**more, **counts)


def sample_broken_constraint(event_type: EventType, rows: pl.LazyFrame, name: str, length: int) -> pl.DataFrame:
    """Return up to `length` rows that break a constraint, in the order of event_uuid: event_uuid, value (as text).

    Values that are in `_rescued` are not missing; for `required`, the first rows are looked at. Empty for a constraint
    that the schema does not have.
    """
    broken = dict(_broken_constraints(event_type)).get(name, pl.lit(value=False))
    constraint, _, column = name.partition(SEPARATOR)
    breaking = _flat(rows, event_type).filter(broken)
    if constraint != REQUIRED:
        value = pl.col(column).cast(pl.String)
        return breaking.select("event_uuid", value=value).sort("event_uuid").head(length).collect()
    first = breaking.select("event_uuid", RESCUED_COLUMN).sort("event_uuid").head(_MISSING_LOOKED_AT).collect()
    missing = first.filter(~_is_rescued(event_type, column))
    return missing.select("event_uuid", value=pl.lit(None, pl.String)).head(length)


def _is_rescued(event_type: EventType, column: str) -> pl.Expr:
    """Return whether `_rescued` has the property of a column, or something of it: its value is not missing."""
    keys = next(
        set(known_column.keys) for known_column in event_type.columns if known_column.name == column.partition(DOT)[0]
    )
    has_field = pl.col(RESCUED_COLUMN).map_elements(lambda text: bool(keys & rescued_fields(text).keys()), pl.Boolean)
    return has_field.fill_null(value=False)


def _flat(rows: pl.LazyFrame, event_type: EventType) -> pl.LazyFrame:
    """Unnest objects into columns named by their paths, and add a boolean column for each object: it is not null.

    Otherwise reading one field of an object would read the whole object.
    """
    objects = [path for path, column in walk(event_type.columns) if column.kind is Kind.OBJECT]
    for depth in sorted({len(path) for path in objects}):
        names = [DOT.join(path) for path in objects if len(path) == depth]
        there = [pl.col(name).is_not_null().alias(_presence_column((name,))) for name in names]
        rows = rows.with_columns(there).unnest(names, separator=DOT)
    return rows


def _broken_constraints(event_type: EventType) -> list[tuple[str, pl.Expr]]:
    return [
        (f"{constraint}{SEPARATOR}{DOT.join(path)}", broken)
        for path, column in walk(event_type.columns)
        for constraint, broken in [*_required(path, column), *_constraints_of(_value(path), column)]
    ]


def _value(path: tuple[str, ...]) -> pl.Expr:
    return pl.col(DOT.join(path))


def _required(path: tuple[str, ...], column: Column) -> list[tuple[str, pl.Expr]]:
    if not column.constraints.required:
        return []
    # A field is required only where its object is present.
    missing = ~pl.col(_presence_column(path)) if column.kind is Kind.OBJECT else _value(path).is_null()
    return [(REQUIRED, missing & pl.col(_presence_column(path[:-1])) if path[1:] else missing)]


def _presence_column(path: tuple[str, ...]) -> str:
    """Return the name of the boolean column that is true if an object is not null."""
    return DOT.join(path) + DOT


def _constraints_of(value: pl.Expr, column: Column) -> list[tuple[str, pl.Expr]]:
    constraints = column.constraints
    checks: list[tuple[str, pl.Expr]] = []
    comparable = {Kind.STRING, Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL, Kind.BOOLEAN}
    if constraints.enum is not None and column.kind in comparable:
        allowed = [member for member in constraints.enum if member is not None]
        checks.append(("enum", ~value.is_in(pl.Series([allowed], dtype=pl.List(column.dtype)))))
    if column.kind in {Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL}:
        checks.extend([("minimum", value < constraints.minimum)] if constraints.minimum is not None else [])
        checks.extend([("maximum", value > constraints.maximum)] if constraints.maximum is not None else [])
    if constraints.pattern is not None and column.kind is Kind.STRING:
        checks.append(("pattern", ~value.str.contains(constraints.pattern)))
    return checks
