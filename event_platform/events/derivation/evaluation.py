"""Adds the derived columns to rows of an event type.

A failing rule gives null in the affected rows, and is counted; other rows are not affected. If an expression fails for
a block of rows, the block is halved until the failing rows are isolated, as long as they are few.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from event_platform.events.derivation.column import DerivedColumn, Expression, Function, Lookup
from event_platform.events.derivation.expression import evaluate, first_line
from event_platform.events.derivation.functions import load_function
from event_platform.events.derivation.references import KEY, VALUE, pairs_from
from event_platform.events.derivation.values import as_column_type
from event_platform.events.errors import raise_panics_as_errors
from event_platform.events.figures import FAILED_DERIVATIONS

#: Failing parts of a frame that are looked for, column by column. What is left of the frame then fails as a whole.
_MOST_PARTS = 64

_ERROR_LENGTH = 150


class _ResultError(Exception):
    """A rule returns the wrong type or number of values. No single row is at fault."""


class Deriver:
    """Derives the columns of one event type, and counts the failures by rows."""

    def __init__(self, derived: Sequence[DerivedColumn]) -> None:
        """Derive these columns. Each may use those before it."""
        self._groups = list(_groups(derived))
        self._failed = Counter[tuple[str, str]]()
        self._errors: dict[str, str] = {}

    def add(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows with their derived columns."""
        for group in self._groups:
            frame = frame.with_columns(self._derive(group, frame))
        return frame

    def failures(self) -> pl.DataFrame:
        """Return the counts of the figure FAILED_DERIVATIONS."""
        rows_failed = [(*key, rows) for key, rows in self._failed.items()]
        return pl.DataFrame(rows_failed, schema={**FAILED_DERIVATIONS.by, "rows": pl.Int64}, orient="row")

    def _derive(self, group: Sequence[DerivedColumn], frame: pl.DataFrame) -> list[pl.Series]:
        texts = {column.name: column.rule.text for column in group if isinstance(column.rule, Expression)}
        if len(texts) > 1:  # a single query is faster
            try:
                with raise_panics_as_errors():
                    values = evaluate(texts, _used(group, frame))
                    return [_checked(values[column.name], column, frame.height) for column in group]
            except Exception:  # noqa: BLE001, S110 - each by itself shows whose it is
                pass
        return [_Attempt(column, self._count).run(frame) for column in group]

    def _count(self, derived: DerivedColumn, rows: int, error: BaseException) -> None:
        kind = type(error).__name__.strip("_")
        may_say_value = derived.uses_personal and rows > 0 and not isinstance(error, _ResultError)
        text = kind if may_say_value else f"{kind}: {first_line(error)}"
        text = self._errors.setdefault(derived.name, text[:_ERROR_LENGTH])
        self._failed[derived.name, text] += rows


class _Attempt:
    """Evaluates one column for the rows of a frame."""

    def __init__(self, derived: DerivedColumn, count: Callable[[DerivedColumn, int, BaseException], None]) -> None:
        self._derived, self._count, self._failing = derived, count, 0
        self._error: BaseException | None = None  # the first one, of all rows

    def run(self, rows: pl.DataFrame) -> pl.Series:
        """Return the values of rows; null for rows that fail."""
        try:
            with raise_panics_as_errors():
                return _checked(_evaluate(self._derived, rows), self._derived, rows.height)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it must not stop the type
            self._error = self._error or error
            is_of_rows = rows.height > 1 and not isinstance(error, _ResultError)
            if is_of_rows and self._failing < _MOST_PARTS:
                half = rows.height // 2
                return self.run(rows[:half]).append(self.run(rows[half:]))
            self._failing += 1
            self._count(self._derived, rows.height, self._error)
            return pl.Series(self._derived.name, [None], self._derived.column.dtype).new_from_index(0, rows.height)


def _groups(derived: Sequence[DerivedColumn]) -> Iterator[list[DerivedColumn]]:
    """Yield columns to derive together: expressions that do not use each other, or one column of another rule."""
    group: list[DerivedColumn] = []
    for column in derived:
        names = {other.name for other in group}
        is_alike = isinstance(column.rule, Expression) and all(isinstance(other.rule, Expression) for other in group)
        if group and not (is_alike and names.isdisjoint(column.uses)):
            yield group
            group = []
        group = [*group, column]
    if group:
        yield group


def _used(group: Sequence[DerivedColumn], frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(sorted({name for column in group for name in column.uses}))


def _evaluate(derived: DerivedColumn, frame: pl.DataFrame) -> Any:
    rows, rule = _used([derived], frame), derived.rule
    if isinstance(rule, Expression):
        return evaluate({derived.name: rule.text}, rows)[derived.name]
    if isinstance(rule, Function):
        return _call(rule, frame.select(derived.uses))
    return _look_up(rule, rows)


def _call(function: Function, rows: pl.DataFrame) -> Any:
    try:
        called = load_function(function)
    except (Exception, SystemExit) as error:
        raise _ResultError(f"{function.module}.py: {type(error).__name__}: {first_line(error)}") from error
    values = called(rows)
    return rows.with_columns(values.alias(VALUE))[VALUE] if isinstance(values, pl.Expr) else values


def _look_up(lookup: Lookup, rows: pl.DataFrame) -> pl.Series:
    keys = rows.select(pl.col(lookup.by).alias(KEY))
    return keys.join(pairs_from(lookup.rows), on=KEY, how="left", maintain_order="left")[VALUE]


def _checked(values: Any, derived: DerivedColumn, height: int) -> pl.Series:
    """Return values in the type of the column. Raises _ResultError for another type or number of values."""
    if not isinstance(values, pl.Series):
        raise _ResultError(f"expected a series or an expression, got {type(values).__name__}")
    if len(values) != height:
        raise _ResultError(f"expected {height:,} values, one for each row, got {len(values):,}")
    try:
        return as_column_type(values, derived.column.dtype).alias(derived.name)
    except TypeError as error:
        raise _ResultError(str(error)) from error
