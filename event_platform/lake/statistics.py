"""Statistics of Parquet files in the form of Delta's log, with which readers skip files."""

import math
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import polars as pl

#: Columns with minimum and maximum in the log: all columns of a scalar type. Without them, deltalake would tell Arrow
#: that the values of a column are beyond null, and a filter on it would find nothing (`DeltaTable.to_pyarrow_dataset`).
_BOUNDED = (pl.Int64, pl.Float64, pl.Decimal, pl.Date, pl.Datetime, pl.Boolean, pl.String)

#: Escapes only the necessary characters: deltalake misreads an escaped surrogate pair.
_JSON = msgspec.json.Encoder(decimal_format="number")

#: Texts with exact bounds: they give the order of arrival, or whole files have one value of them.
_EXACT_TEXTS = ("event_name", "source_object")

#: Maximum length of other bounds, and the suffix of a longer maximum: no text with the same beginning is greater.
_BOUND_LENGTH, _LAST = 32, chr(sys.maxunicode)


class Statistics:
    """Rows, nulls, minima and maxima of a file as Delta wants them; bounds of most long texts are their beginnings."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self._rows = 0
        self._nulls: Counter[str] = Counter()
        self._minima: dict[str, Any] = {}
        self._maxima: dict[str, Any] = {}
        self._unbounded: set[str] = set()

    def add(self, frame: pl.DataFrame) -> None:
        """Count rows of the file."""
        bounded = [name for name, dtype in frame.schema.items() if dtype in _BOUNDED]
        self._rows += frame.height
        self._nulls.update({c.name: c.null_count() for c in frame.get_columns() if not c.dtype.is_nested()})
        for bounds, pick in ((self._minima, min), (self._maxima, max)):
            extremes = frame.select(getattr(pl.col(bounded), pick.__name__)()).row(0, named=True) if bounded else {}
            for name, value in extremes.items():
                if isinstance(value, float) and not math.isfinite(value):  # not representable in JSON
                    self._unbounded.add(name)
                elif value is not None:
                    bounds[name] = pick(bounds.get(name, value), value)

    def as_json(self) -> str:
        """Return them in the form of the log."""
        return _JSON.encode(
            {
                "numRecords": self._rows,
                "minValues": self._bounds_as_json(self._minima, ""),
                "maxValues": self._bounds_as_json(self._maxima, _LAST),
                "nullCount": dict(self._nulls),
            }
        ).decode()

    def _bounds_as_json(self, bounds: Mapping[str, Any], last: str) -> dict[str, Any]:
        return {
            name: _as_json(value if name in _EXACT_TEXTS else _short(value, last))
            for name, value in bounds.items()
            if name not in self._unbounded
        }


def _short(bound: Any, last: str) -> Any:
    """Return a bound; a long text is cut, with `last` appended unless that would make it smaller than the text."""
    if not isinstance(bound, str) or len(bound) <= _BOUND_LENGTH or bound[_BOUND_LENGTH] == last:
        return bound
    return bound[:_BOUND_LENGTH] + last


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        # strftime would write year 1 (the zero time of Go, which is not rare) without leading zeros.
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
