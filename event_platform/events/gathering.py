"""Decoded values, gathered column by column → the columns of a frame, and which rows hold a value that does not fit."""

from datetime import UTC, date, datetime
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import polars as pl

from event_platform.events.columns import Column, Kind, typed
from event_platform.events.rescue import DATE, EXACT_INTEGERS, INT64, RFC3339

#: What a timestamp can be shown as, once it is in UTC.
_YEARS_1_TO_9999 = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Built(NamedTuple):
    """A column; the rows whose value does not fit it; and how many keys each row's value was written with."""

    series: pl.Series
    misfits: set[int]
    keys: pl.Series


class Gathered(Protocol):
    """The values of one column so far."""

    def extend(self, values: list[Any]) -> None:
        """Add the decoded values of some rows; None where there is none."""

    def build(self) -> Built:
        """Return the column of all that was added."""


def slot(number: int) -> str:
    """Return the attribute that holds a column's value in a decoded row: never a name from a schema, as `__init__`."""
    return f"f{number}"


def gather(column: Column) -> Gathered:
    """Begin to gather a column."""
    if column.kind is Kind.OBJECT:
        return _Objects(column)
    if column.item is not None:
        return _Arrays(column.item)
    return _Scalars(column)


class _Scalars:
    def __init__(self, column: Column) -> None:
        self._column = column
        self._values: list[Any] = []
        self.extend = self._values.extend

    def build(self) -> Built:
        series, misfits = self._fitted()
        return Built(series, misfits, series.is_not_null().cast(pl.UInt32))

    def _fitted(self) -> tuple[pl.Series, set[int]]:
        match self._column.kind:
            case Kind.INTEGER:
                return _integers(self._values)
            case Kind.NUMBER:
                return _numbers(self._values)
            case Kind.DATE_TIME | Kind.DATE:
                return _moments(pl.Series(self._values, dtype=pl.String), self._column.kind)
            case _:
                return pl.Series(self._values, dtype=self._column.dtype), set()


class _Objects:
    """Which objects are there, and the values of each of their fields."""

    def __init__(self, column: Column) -> None:
        self._present: list[bool] = []
        self._fields = [
            (field.name, attrgetter(slot(number)), gather(field)) for number, field in enumerate(typed(column.fields))
        ]

    def extend(self, values: list[Any]) -> None:
        present = [value is not None for value in values]
        self._present.extend(present)
        if not any(present):
            for *_, below in self._fields:
                below.extend(values)
            return
        if not all(present):
            empty = type(values[present.index(True)])()
            values = [empty if value is None else value for value in values]
        for _, getter, below in self._fields:
            below.extend(list(map(getter, values)))

    def build(self) -> Built:
        present = pl.Series(self._present, dtype=pl.Boolean)
        fields, misfits, keys = [], set(), present.cast(pl.UInt32)
        for name, _, below in self._fields:
            built = below.build()
            fields.append(built.series.alias(name))
            misfits |= built.misfits
            keys += built.keys
        struct = pl.DataFrame(fields).to_struct()
        if not present.all():
            struct = pl.select(pl.when(present).then(struct)).to_series()
        return Built(struct, misfits, keys)


class _Arrays:
    """How long each array is, and the items of all of them in a row."""

    def __init__(self, item: Column) -> None:
        self._lengths: list[int | None] = []
        self._items = gather(item)

    def extend(self, values: list[Any]) -> None:
        self._lengths.extend([None if value is None else len(value) for value in values])
        self._items.extend(list(chain.from_iterable(value for value in values if value)))

    def build(self) -> Built:
        # From flat values and lengths: polars takes 13 µs a row to make the same column from nested lists.
        items = self._items.build()
        lengths = pl.Series(self._lengths, dtype=pl.UInt32)
        rows = pl.int_range(len(lengths), dtype=pl.UInt32, eager=True)
        owner = pl.select(rows.repeat_by(lengths.fill_null(0)).explode()).to_series()
        owner = owner.drop_nulls()  # an empty list explodes to a null
        inside = items.keys - items.series.is_not_null()  # items themselves have no key
        lists = (
            pl.DataFrame({"row": owner, "items": items.series, "keys": inside})
            .group_by("row", maintain_order=True)
            .agg("items", pl.col("keys").sum())
        )
        column = (
            pl.DataFrame({"row": rows, "length": lengths})
            .join(lists, on="row", how="left", maintain_order="left")
            .select(
                pl.when(pl.col("length") > 0)
                .then("items")
                .when(pl.col("length") == 0)
                .then(pl.lit([], pl.List(items.series.dtype))),
                keys=pl.col("length").is_not_null().cast(pl.UInt32) + pl.col("keys").fill_null(0),
            )
        )
        return Built(column["items"], {owner[position] for position in items.misfits}, column["keys"])


def _integers(values: list[int | None]) -> tuple[pl.Series, set[int]]:
    try:
        return pl.Series(values, dtype=pl.Int64), set()
    except (TypeError, OverflowError):
        misfits = {i for i, value in enumerate(values) if value is not None and value not in INT64}
        return pl.Series([None if i in misfits else v for i, v in enumerate(values)], dtype=pl.Int64), misfits


def _numbers(values: list[float | None]) -> tuple[pl.Series, set[int]]:
    numbers = pl.Series(values, dtype=pl.Float64, strict=False)
    if numbers.null_count() == values.count(None) and not (numbers.abs() >= EXACT_INTEGERS.stop).any():
        return numbers, set()
    return numbers, {i for i, value in enumerate(values) if type(value) is int and value not in EXACT_INTEGERS}


def _moments(texts: pl.Series, kind: Kind) -> tuple[pl.Series, set[int]]:
    if kind is Kind.DATE:
        shaped = texts.set(~texts.str.contains(DATE.pattern), None)
        moments = shaped.str.to_date("%Y-%m-%d", strict=False)
        moments = moments.set(moments < date.min, None)
    else:
        shaped = texts.set(~texts.str.contains(RFC3339.pattern), None)
        moments = shaped.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        moments = moments.set(~moments.is_between(*_YEARS_1_TO_9999), None)
    return moments, set((moments.is_null() & texts.is_not_null()).arg_true())
