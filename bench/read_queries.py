"""Queries of analysts, each as a polars expression and as SQL with the same result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from event_platform.lake.lake import Lake

#: The hour that is asked for is the busiest one of the sample.
_HOUR = 19


@dataclass(frozen=True)
class Query:
    """A query of each of the `tables`; `dates` are its partitions."""

    key: str
    label: str
    tables: Sequence[str]
    dates: Sequence[date]
    shape: Callable[[pl.LazyFrame], pl.LazyFrame]
    sql: str  # `{days}` stands for the condition on the dates
    column: str = "created_date"  # that the tables are partitioned by

    def in_polars(self, scan: Callable[[str, Sequence[date], str], pl.LazyFrame]) -> pl.LazyFrame:
        """Return the query, over what `scan` makes of a table, dates and the partitions' column."""
        return pl.concat([self.shape(scan(table, self.dates, self.column)) for table in self.tables])

    def in_sql(self) -> str:
        """Return the query over a relation `events`."""
        first, last = self.dates[0], self.dates[-1]
        return self.sql.format(days=f"{self.column} between date '{first}' and date '{last}'")


def over_days(largest: str, every: Sequence[str], dates: Sequence[date]) -> list[Query]:
    """Return the queries about several days (of the first table), and about all tables."""
    half = dates[len(dates) // 4 :][: max(1, len(dates) // 2)]
    users = pl.col("user_id").n_unique()
    span = f"{len(half)} of {len(dates)} days"
    return [
        Query(
            "count",
            f"a type, {span}: events by day",
            [largest],
            half,
            lambda rows: rows.group_by("created_date").agg(pl.len()),
            "select created_date, count(*) from events where {days} group by 1",
        ),
        Query(
            "users",
            f"a type, {span}: users by day",
            [largest],
            half,
            lambda rows: rows.group_by("created_date").agg(users),
            "select created_date, count(distinct user_id) from events where {days} group by 1",
        ),
        Query(
            "types",
            f"all {len(every)} types, a day: events, users",
            every,
            half[:1],
            lambda rows: rows.select(pl.len(), users),
            "select count(*), count(distinct user_id) from events where {days}",
        ),
    ]


def in_a_day(table: str, name: str, event_uuid: str, day: date) -> list[Query]:
    """Return the queries about one day, of a type with its table and name, and one of its events."""
    start = datetime(day.year, day.month, day.day, _HOUR, tzinfo=UTC)
    end = start + timedelta(hours=1)
    created, named = pl.col("created_datetime"), pl.col("event_name") == name
    hour = f"created_datetime >= timestamptz '{start}' and created_datetime < timestamptz '{end}'"
    return [
        Query("day", "a type, a day: all columns", [table], [day], _all, "select * from events where {days}"),
        Query(
            "uuid",
            "a type, a day: one event by its uuid",
            [table],
            [day],
            lambda rows: rows.filter(pl.col("event_uuid") == event_uuid),
            f"select * from events where {{days}} and event_uuid = '{event_uuid}'",  # noqa: S608 - of our own sample
        ),
        Query(
            "hour",
            "a type, an hour: all columns",
            [table],
            [day],
            lambda rows: rows.filter((created >= start) & (created < end)),
            f"select * from events where {{days}} and {hour}",  # noqa: S608
        ),
        Query(
            "name",
            "deduplicated_events, a day: one name",
            ["deduplicated_events"],
            [day],
            lambda rows: rows.filter(named),
            f"select * from events where {{days}} and event_name = '{name}'",  # noqa: S608
        ),
        Query(
            "landed",
            "raw_events, a day: one name",
            ["raw_events"],
            [day],
            lambda rows: rows.filter(named),
            f"select * from events where {{days}} and event_name = '{name}'",  # noqa: S608
            "arrival_date",
        ),
    ]


def event_tables(lake: Lake) -> list[str]:
    """Return the names of the event tables that hold anything, those with the most rows first."""
    rows = {name: sum(lake.table(name).snapshot().rows_by_date().values()) for name in _names(lake)}
    return sorted((name for name, count in rows.items() if count), key=lambda name: (-rows[name], name))


def some_event(lake: Lake, table: str, day: date) -> tuple[str, str]:
    """Return name and uuid of an event of a table and day: the middle one by its uuid."""
    rows = lake.scan(table, [day], ["event_name", "event_uuid"]).sort("event_uuid").collect()
    name, event_uuid = rows.row(rows.height // 2)
    return name, event_uuid


def _names(lake: Lake) -> list[str]:
    return [f"events/{name}" for name in lake.storage.folders("events")]


def _all(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows
