"""Files of one created_date → its figures in quality_report."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.figures import ARRIVALS, KINDS, LATE, NAMES, UNREGISTERED_NAMES, Figure
from event_platform.lake.file_figures import read_figure
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import DataFile
from event_platform.lake.lake import Lake
from event_platform.lake.location import TableLocation
from event_platform.landing.dates import HOUR_IN_PATH
from event_platform.pipeline.reporting.rows import PARTITION, add_up, figure_rows, two_digits
from event_platform.quality.page import LATENESS

#: Maximum number of unregistered names; the rarer ones are summed in one row.
_MAX_NAMES = 500

#: Hours between creation and arrival from which on all events are one row.
_LONGEST_LAG = 168

_BEFORE, _SAME_HOUR, _NEXT_HOUR, _SAME_DAY, _HOURS, _MANY_HOURS, _DAYS, _MANY_DAYS = LATENESS


@dataclass(frozen=True)
class Sources:
    """The files about one created_date, and the rows that the driver has counted.

    Corrupt records have no created_date: those that arrived on that day are used.
    """

    created_date: date
    hours_are_utc: bool  # those in the paths of landing
    deduplicated: tuple[DataFile, ...]
    duplicates: tuple[DataFile, ...]
    corrupt: tuple[DataFile, ...]
    unregistered: tuple[DataFile, ...]
    footer_rows: pl.DataFrame  # see ROW_SCHEMA


@dataclass(frozen=True)
class CountedDay:
    """The figures of one created_date."""

    created_date: date
    figures: pl.DataFrame  # see ROW_SCHEMA
    add: AddAction | None  # None without figures


def count_day(lake: Lake, sources: Sources, names: Collection[str]) -> CountedDay:
    """Count one day, and write a file of its figures. `names` are the names in the catalog."""
    figures = pl.concat(
        [
            *_events(lake, sources, names),
            _duplicates(_count_figure(lake.duplicate_events, sources.duplicates, KINDS), names),
            *_unregistered(_count_figure(lake.unregistered_events, sources.unregistered, UNREGISTERED_NAMES)),
            sources.footer_rows,
        ]
    ).sort("figure", "event_name", "label")
    add = write_file(figures, lake.quality_report, sources.created_date) if figures.height else None
    return CountedDay(sources.created_date, figures, add)


def _catalog_name(names: Collection[str]) -> pl.Expr:
    """Return the name of an event; null if it is not in the catalog, because the number of such names is unlimited."""
    return pl.when(pl.col("event_name").is_in(list(names))).then("event_name")


def _events(lake: Lake, sources: Sources, names: Collection[str]) -> list[pl.DataFrame]:
    """Return the events of a day by name and hour, and by the hour of their arrival, as the figures of files say."""
    events = lake.deduplicated_events
    by_name, by_object = (_count_figure(events, sources.deduplicated, figure) for figure in (NAMES, ARRIVALS))
    late = _count_figure(events, tuple(filter(_may_be_late, sources.deduplicated)), LATE)
    by_hour = by_name.with_columns(event_name=_catalog_name(names), label=two_digits("hour"))
    arrivals = by_object.with_columns(
        arrival_hour=_hour_in_path() if sources.hours_are_utc else pl.lit(None, dtype=pl.String),
        created=pl.lit(sources.created_date),
    )
    return [
        figure_rows("events", add_up(by_hour, "event_name", "label")),
        figure_rows("arrivals", add_up(arrivals.with_columns(label=_arrival()), "label")),
        figure_rows("lateness", add_up(arrivals.with_columns(label=_lateness()), "label")),
        figure_rows("lag", add_up(arrivals.with_columns(label=_lag()).drop_nulls("label"), "label")),
        figure_rows("late", add_up(late.with_columns(event_name=_catalog_name(names)), "event_name")),
    ]


def _may_be_late(file: DataFile) -> bool:
    """Return whether a file may have events that arrived on a later day: most files have none."""
    last_arrival = file.maximum.get("arrival_date")
    return last_arrival is None or last_arrival > file.partition


def _count_figure(table: TableLocation, files: Sequence[DataFile], figure: Figure) -> pl.DataFrame:
    counts = read_figure(table, files, figure)
    return figure.add_up(counts.drop(PARTITION)).rename({"rows": "value"})


def _hour_in_path() -> pl.Expr:
    return pl.col("source_object").str.extract_groups(HOUR_IN_PATH).struct["hour"].str.zfill(2)


def _arrival() -> pl.Expr:
    hour = pl.format(" {}:00", "arrival_hour").fill_null("")
    return pl.format("{}{}", pl.col("arrival_date").dt.strftime("%Y-%m-%d"), hour)


def _days() -> pl.Expr:
    return (pl.col("arrival_date") - pl.col("created")).dt.total_days()


def _hours() -> pl.Expr:
    return _days() * 24 + pl.col("arrival_hour").cast(pl.Int64) - pl.col("hour")


def _lag() -> pl.Expr:
    """Return the hours between creation and arrival; null if only the days are known."""
    return _hours().clip(0, _LONGEST_LAG).cast(pl.String)


def _lateness() -> pl.Expr:
    """Return the text for the time between creation and arrival, in hours if they are known, else in days."""
    days, hours = _days(), _hours()
    in_days = _first_above(days, {-1: _BEFORE, 0: _SAME_DAY, 6: _DAYS}, _MANY_DAYS)
    in_hours = _first_above(
        hours, {-1: _BEFORE, 0: _SAME_HOUR, 1: _NEXT_HOUR, 5: _HOURS, 23: _MANY_HOURS, 167: _DAYS}, _MANY_DAYS
    )
    return pl.when(hours.is_null()).then(in_days).otherwise(in_hours)


def _first_above(value: pl.Expr, upper: Mapping[int, str], beyond: str) -> pl.Expr:
    """Return the word of the first upper bound (in ascending order) that a value does not exceed."""
    words = pl.lit(beyond)
    for bound, word in reversed(list(upper.items())):
        words = pl.when(value <= bound).then(pl.lit(word)).otherwise(words)
    return words


def _duplicates(duplicates: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    counts = duplicates.select("value", event_name=_catalog_name(names), label="kind")
    return figure_rows("duplicates", add_up(counts, "event_name", "label"))


def _unregistered(unregistered: pl.DataFrame) -> list[pl.DataFrame]:
    """Count unregistered events by name, and the names. Their number is unlimited: rare names share a row with null."""
    ranked_names = unregistered.sort("value", "event_name", descending=[True, False])
    other_names = add_up(ranked_names.slice(_MAX_NAMES)).filter(pl.col("value") > 0)
    names = pl.DataFrame({"value": [ranked_names.height]}).filter(pl.col("value") > 0)
    return [
        figure_rows("unregistered", pl.concat([ranked_names.head(_MAX_NAMES), other_names], how="diagonal_relaxed")),
        figure_rows("unregistered_names", names),
    ]
