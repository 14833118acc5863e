"""Another program's typed events, compared with the platform's, event by event and value by value."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.event import RESCUED_COLUMN

_KEY = "event_uuid"
_THEIRS = "_theirs"


@dataclass
class Differences:
    """How another program's event tables differ from the platform's. Rows are matched by event_uuid."""

    rows: int = 0  # of the platform
    missing_rows: int = 0  # that the other lacks
    extra_rows: int = 0  # events that only the other has
    repeated_rows: int = 0  # of an event that it has already
    values: int = 0  # compared: of the columns that both have in the same shape, in rows that both have
    different_values: int = 0
    #: Columns (type.name) in which values differ, with how many do.
    where: Counter[str] = field(default_factory=Counter)
    missing_columns: int = 0  # in all event tables together, without _rescued
    reshaped_columns: int = 0  # a text in the place of an object or an array; not compared
    rescued_rows: int = 0  # with values that the platform keeps in _rescued, which the other does not have

    def as_json(self) -> dict[str, Any]:
        """Return the figures, and the columns with the most differences."""
        return {**vars(self), "where": dict(self.where.most_common(10))}


def compare(lake: Path, theirs: Path, form: str, event_types: Iterable[EventType]) -> Differences:
    """Compare all event tables of a lake with the folders `theirs`/<key>, each a Delta table or Parquet files."""
    found = Differences()
    for event_type in event_types:
        folder = lake / "events" / event_type.key
        if folder.is_dir():
            other = _other(theirs / event_type.key, form)
            _compare(event_type.key, pl.read_delta(str(folder)), other, found)
    return found


def _other(folder: Path, form: str) -> pl.DataFrame:
    if not folder.is_dir():
        return pl.DataFrame(schema={_KEY: pl.String})
    if form == "delta":
        return pl.read_delta(str(folder))
    return pl.read_parquet(folder / "**/*.parquet", hive_partitioning=True)


def _compare(name: str, ours: pl.DataFrame, theirs: pl.DataFrame, found: Differences) -> None:
    known = theirs.unique(_KEY)
    found.rows += ours.height
    found.missing_rows += ours.join(known, on=_KEY, how="anti").height
    found.extra_rows += known.join(ours, on=_KEY, how="anti").height
    found.repeated_rows += theirs.height - known.height
    if RESCUED_COLUMN not in theirs.columns:
        found.rescued_rows += ours.height - ours[RESCUED_COLUMN].null_count()
    columns = [column for column in ours.columns if column not in {_KEY, RESCUED_COLUMN}]
    both = [column for column in columns if column in theirs.columns]
    alike = [column for column in both if _is_nested(ours[column]) == _is_nested(theirs[column])]
    found.missing_columns += len(columns) - len(both)
    found.reshaped_columns += len(both) - len(alike)
    pairs = ours.join(known.select(_KEY, *alike), on=_KEY, suffix=_THEIRS)
    found.values += pairs.height * len(alike)
    for column in alike:
        other = pairs[column + _THEIRS].cast(pairs[column].dtype)
        different = int(pairs[column].ne_missing(other).sum())
        found.different_values += different
        found.where += Counter({f"{name}.{column}": different})


def _is_nested(series: pl.Series) -> bool:
    return series.dtype.is_nested()
