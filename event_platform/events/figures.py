"""Figures: counts of the rows of a file that are made when it is written, and add up to those of a table.

What is counted is said here and by whoever defines a table; where counts are kept is not.
"""

import json
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.columns import Kind, typed
from event_platform.events.constraints import count_broken_constraints
from event_platform.events.drift import Drift, Outcome, count_drift
from event_platform.events.event import RESCUED_COLUMN

#: Bits of a hash that are summed, so that sums of many millions of them stay exact.
_BITS = 38

#: Bits of a key. Of 24 million different uuids, two have the same key in one of 250 days; fewer bits are smaller files.
KEY_BITS = 56

#: A hash of a uuid that is compared instead of it.
UUID_KEY = pl.col("event_uuid").hash() % (1 << KEY_BITS)

#: A part of the hash of a uuid. Its sums are equal where the uuids are, in whatever order and files.
UUID_HASH = pl.col("event_uuid").hash() % (1 << _BITS)

#: Rows of a file that are sampled, evenly spaced.
_SAMPLE_ROWS = 512

#: Kinds of columns that are sampled, and of what number of values, and share of the rows, each value is counted.
_SAMPLED = (Kind.STRING, Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN, Kind.DATE)
_FEW_VALUES, _FEW_SHARE = 20, 1 / 8
_TEXT_LENGTH = 60

#: What the figures of an event table are counted by.
_OF_ALL = pl.Schema()
_BY_PATH = pl.Schema({"outcome": pl.String, "path": pl.String})
_BY_VALUE = pl.Schema({"column": pl.String, "value": pl.String})

#: Characters of a row that is kept as an example; a longer one is left out.
_LONGEST_EXAMPLE = 4_000

#: What hashes depend on: those of another release of polars may be others.
HASHES = f"{pl.__version__}-{platform.machine()}"


@dataclass(frozen=True)
class Figure:
    """What is counted of the rows of a file.

    A name stands for one meaning for ever: files keep what they were written with. `by` are the columns that rows are
    counted by; each other column of what `count` returns is a number, which is added to that of other rows, and of
    other files. Of those in `largest`, the largest one is kept instead. Where `counted` names a column, nothing is
    counted of a file in which that is null everywhere. One of which `is_sampled` is counted when a file is written, or
    not at all. One that `is_noted` is known to whoever makes the rows, and not seen in them: it is sampled as well.
    """

    name: str
    by: pl.Schema
    count: Callable[[pl.LazyFrame], pl.LazyFrame]
    largest: tuple[str, ...] = ()
    counted: str | None = None
    is_sampled: bool = False
    is_noted: bool = False

    def add_up(self, counts: pl.DataFrame) -> pl.DataFrame:
        """Return the counts of several frames or files as those of one."""
        keys = self.by.names()
        added = [name for name in counts.columns if name not in {*keys, *self.largest}]
        aggregates = [pl.col(added).sum(), pl.col(self.largest).max()]
        return counts.group_by(keys).agg(aggregates) if keys else counts.select(aggregates)

    def to_json(self, counts: pl.DataFrame) -> dict[str, list[Any]]:
        """Return counts as JSON values by column: texts and integers (dates as days since 1970)."""
        return counts.with_columns(pl.col(pl.Date).cast(pl.Int64)).to_dict(as_series=False)

    def from_json(self, values: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
        """Return counts from their JSON values. Raises TypeError, ValueError or polars' errors for others."""
        stored = {name: pl.String if self.by.get(name) == pl.String else pl.Int64 for name in values}
        # By row: to make a series of each column takes three times as long.
        counts = pl.DataFrame(list(zip(*values.values(), strict=True)), stored, orient="row")
        return counts.cast({name: dtype for name, dtype in self.by.items() if dtype != pl.String})


def _count_objects(rows: pl.LazyFrame) -> pl.LazyFrame:
    offset = pl.col("source_offset")
    return rows.group_by(OBJECTS.by.names()).agg(
        landed=pl.len().cast(pl.Int64),
        sound=pl.col("corruption_reason").is_null().sum().cast(pl.Int64),
        offsets=offset.sum(),
        last_offset=offset.max(),
    )


def _count_names(rows: pl.LazyFrame) -> pl.LazyFrame:
    hour = pl.col("created_datetime").dt.hour()
    return rows.group_by("event_name", hour=hour).agg(rows=pl.len().cast(pl.Int64), uuids=_uuids())


def _count_arrivals(rows: pl.LazyFrame) -> pl.LazyFrame:
    hour = pl.col("created_datetime").dt.hour()
    return rows.group_by("arrival_date", "source_object", hour=hour).agg(rows=pl.len().cast(pl.Int64))


def _count_late(rows: pl.LazyFrame) -> pl.LazyFrame:
    late = rows.filter(pl.col("arrival_date") > pl.col("created_date"))
    return late.group_by("event_name").agg(rows=pl.len().cast(pl.Int64))


def _count_by(columns: Sequence[str], rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.group_by(columns).agg(rows=pl.len().cast(pl.Int64))


def _take_example(rows: pl.LazyFrame) -> pl.LazyFrame:
    texts = [json.dumps(row, ensure_ascii=False, default=str) for row in rows.head(1).collect().to_dicts()]
    kept = [text for text in texts if len(text) <= _LONGEST_EXAMPLE]
    return pl.LazyFrame({"row": kept, "rows": [1] * len(kept)}, schema={"row": pl.String, "rows": pl.Int64})


def _uuids() -> pl.Expr:
    return UUID_HASH.sum().cast(pl.Int64)


#: The records of each object in a file of raw_events, sound and corrupt, by the day that they were created on.
OBJECTS = Figure(
    "objects",
    pl.Schema({"source_object": pl.String, "source_size": pl.Int64, "source_etag": pl.String, "created_date": pl.Date}),
    _count_objects,
    largest=("last_offset",),
)

#: The events of each name and hour in a file of deduplicated_events, and the sum of their uuids' hashes.
NAMES = Figure(f"names-{HASHES}", pl.Schema({"event_name": pl.String, "hour": pl.Int8}), _count_names)

#: The events of each object and hour in a file of deduplicated_events.
ARRIVALS = Figure(
    "arrivals", pl.Schema({"arrival_date": pl.Date, "source_object": pl.String, "hour": pl.Int8}), _count_arrivals
)

#: The events of each name in a file of deduplicated_events that arrived on a later day.
LATE = Figure("late", pl.Schema({"event_name": pl.String}), _count_late)

#: The records of each reason in a file of corrupt_events.
REASONS = Figure("reasons", pl.Schema({"corruption_reason": pl.String}), partial(_count_by, ["corruption_reason"]))

#: The records of each kind and event name in a file of duplicate_events.
KINDS = Figure(
    "kinds", pl.Schema({"kind": pl.String, "event_name": pl.String}), partial(_count_by, ["kind", "event_name"])
)

#: The events of each name in a file of unregistered_events.
UNREGISTERED_NAMES = Figure("unregistered", pl.Schema({"event_name": pl.String}), partial(_count_by, ["event_name"]))

#: The first row of a file of an event table, as JSON; none where it is long.
EXAMPLE = Figure("example", pl.Schema({"row": pl.String}), _take_example, is_sampled=True)


def _count_nothing(_rows: pl.LazyFrame) -> pl.LazyFrame:
    return pl.LazyFrame(schema={**FAILED_DERIVATIONS.by, "rows": pl.Int64})


#: The rows of a file for which a derived column could not be made, by column and error.
FAILED_DERIVATIONS = Figure(
    "failed_derivations",
    pl.Schema({"column": pl.String, "error": pl.String}),
    _count_nothing,
    is_sampled=True,
    is_noted=True,
)


def event_figure(event_type: EventType) -> Figure:
    """Return what is counted of a file of an event table.

    `rows`, `uuids` (the sum of their hashes), and the rows that break each constraint. It has another name where the
    schema says something else.
    """
    name = f"events-{event_type.constraints_digest:08x}-{HASHES}"
    return Figure(name, _OF_ALL, partial(_count_events, event_type))


def _count_events(event_type: EventType, rows: pl.LazyFrame) -> pl.LazyFrame:
    return count_broken_constraints(event_type, rows, {"rows": pl.len().cast(pl.Int64), "uuids": _uuids()})


def drift_figure(event_type: EventType) -> Figure:
    """Return what is counted of the `_rescued` texts in a file of an event table.

    `texts` that have a field, by its outcome and its path of keys (as JSON). It has another name where the schema knows
    other fields.
    """
    name = f"drift-{event_type.drift_digest:08x}"
    return Figure(name, _BY_PATH, partial(_count_drift, event_type), counted=RESCUED_COLUMN)


def _count_drift(event_type: EventType, rows: pl.LazyFrame) -> pl.LazyFrame:
    texts = rows.select(RESCUED_COLUMN).drop_nulls().collect(engine="streaming").to_series()
    counts = count_drift(texts, event_type.columns)
    return pl.LazyFrame(
        [(outcome, msgspec.json.encode(path).decode(), number) for (outcome, path), number in counts.items()],
        schema={"outcome": pl.String, "path": pl.String, "texts": pl.Int64},
        orient="row",
    )


def to_drift(counts: pl.DataFrame) -> Drift:
    """Return the sum of the counts of a `drift_figure`."""
    drift = Drift()
    for outcome, path, number in counts.select("outcome", "path", "texts").iter_rows():
        drift[Outcome(outcome), msgspec.json.decode(path, type=tuple[str, ...])] += number
    return drift


def sample_figure(event_type: EventType) -> Figure:
    """Return what is counted of a sample of a file of an event table.

    `number`: of a column without a value, the distinct values; of a value, its rows, for columns with few of them;
    without a column, the rows of the sample.
    """
    names = [column.name for column in typed(event_type.stored) if column.kind in _SAMPLED]
    return Figure("sample", _BY_VALUE, partial(_count_sample, names), is_sampled=True)


def _count_sample(names: Sequence[str], rows: pl.LazyFrame) -> pl.LazyFrame:
    frame = rows.select(names).collect()
    step = max(1, -(-frame.height // _SAMPLE_ROWS))
    counts = Counter[tuple[str | None, str | None]]({(None, None): -(-frame.height // step)} if names else {})
    for column in frame:
        sampled = column.gather_every(step) if step > 1 else column
        values = sampled.drop_nulls() if sampled.null_count() else sampled
        distinct = values.n_unique()
        if distinct:
            counts[column.name, None] = distinct
        if distinct <= min(_FEW_VALUES, len(values) * _FEW_SHARE):
            for value, number in _texts(values):
                counts[column.name, value] += number
    found = [(*key, number) for key, number in counts.items()]
    return pl.LazyFrame(found, schema={"column": pl.String, "value": pl.String, "number": pl.Int64}, orient="row")


def _texts(values: pl.Series) -> Iterator[tuple[str, int]]:
    counts = values.alias("value").value_counts(name="number")  # whatever the column is called
    texts = counts.get_column("value").cast(pl.String)
    return zip((text[:_TEXT_LENGTH] for text in texts), counts.get_column("number"), strict=True)
