"""Values as JSON has them → values as a table has them; and which of them may not be what was written."""

from datetime import UTC, date, datetime

import polars as pl

from event_platform.events.columns import Column, Kind, typed
from event_platform.events.rescue import DATE, RFC3339
from event_platform.events.wire import EXACT_INTEGERS

#: What a timestamp can be shown as, once it is in UTC.
_YEARS_1_TO_9999 = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def conformed(value: pl.Expr, column: Column) -> pl.Expr:
    """Turn texts into the timestamps and dates that they are (null for those that are none), however deep.

    Fields of objects get the names of their columns.
    """
    if column.kind in (Kind.DATE_TIME, Kind.DATE):
        return _moment(value, column.kind)
    if column.item is not None:
        return value.list.eval(conformed(pl.element(), column.item)) if _differs(column.item) else value
    if column.kind is Kind.OBJECT and _differs(column):
        fields = typed(column.fields)
        return _named(value, column).struct.with_fields(
            [conformed(pl.field(field.name), field) for field in fields if _differs(field)]
        )
    return value


def suspect(value: pl.Expr, column: Column) -> pl.Expr | None:
    """Say of each value whether its column may hold something else than was written; None where that cannot be.

    Texts that are no timestamp, and numbers so large that they may have been an integer that a float cannot hold.
    """
    if column.kind in (Kind.DATE_TIME, Kind.DATE):
        return value.is_not_null() & _moment(value, column.kind).is_null()
    if column.kind is Kind.NUMBER:
        return value.abs() >= EXACT_INTEGERS.stop
    if column.item is not None:
        item = suspect(pl.element(), column.item)
        return None if item is None else value.list.eval(item).list.any()
    named = _named(value, column) if column.kind is Kind.OBJECT else value
    found = [suspect(named.struct.field(field.name), field) for field in typed(column.fields)]
    suspects = [each for each in found if each is not None]
    return pl.any_horizontal(suspects) if suspects else None


def _differs(column: Column) -> bool:
    """Say whether a value is another one in the table than in JSON."""
    return (
        column.kind in (Kind.DATE_TIME, Kind.DATE)
        or (column.item is not None and _differs(column.item))
        or any(field.name != field.field or _differs(field) for field in typed(column.fields))
    )


def _named(value: pl.Expr, column: Column) -> pl.Expr:
    return value.struct.rename_fields([field.name for field in typed(column.fields)])


def _moment(text: pl.Expr, kind: Kind) -> pl.Expr:
    if kind is Kind.DATE:
        day = pl.when(text.str.contains(DATE.pattern)).then(text).str.to_date("%Y-%m-%d", strict=False)
        return pl.when(day >= date.min).then(day)
    shaped = pl.when(text.str.contains(RFC3339.pattern)).then(text)
    moment = shaped.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    return pl.when(moment.is_between(*_YEARS_1_TO_9999)).then(moment)
