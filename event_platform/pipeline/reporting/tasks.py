"""Files of one created_date → its figures in quality_report, and the page that shows them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl
from deltalake.transaction import AddAction

from event_platform.checks.thresholds import Thresholds
from event_platform.events.event import EVENT_COLUMNS, RESCUED, RESCUED_COLUMN
from event_platform.events.figures import ARRIVALS, NAMES, Figure
from event_platform.events.rescued import WHOLE_RECORD, count_fields
from event_platform.lake.file_figures import read_figure
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.lake import Lake
from event_platform.lake.registry import QUALITY_REPORT
from event_platform.lake.specs import TableSpec
from event_platform.lake.tables import Table
from event_platform.landing.dates import HOUR_IN_PATH
from event_platform.pipeline.reporting.samples import SAMPLE_SCHEMA
from event_platform.quality.page import LATENESS, DayModel, draw_day

#: Kept of the names and of the fields of an event that the catalog lacks; the others are one row together.
_NAMES_KEPT = 500

_FIELD_LENGTH = 200
_SAMPLES_OF_A_REASON = 2
#: More than a page shows, so that it can tell that there is more.
_SAMPLE_LENGTH = 500

_PARTITION = "created_date"
_FIGURE_SCHEMA = pl.Schema({name: dtype for name, dtype in QUALITY_REPORT.schema.items() if name != _PARTITION})

#: What is read of any event table.
_RESCUED = TableSpec("events", (RESCUED, EVENT_COLUMNS[_PARTITION]), _PARTITION)

_BEFORE, _SAME_HOUR, _NEXT_HOUR, _SAME_DAY, _HOURS, _MANY_HOURS, _DAYS, _MANY_DAYS = LATENESS


@dataclass(frozen=True)
class Sources:
    """The files that hold what is known of one created_date. `rescued` is by event name: those with `_rescued` texts.

    Corrupt records have no created_date: they are those that arrived on that day.
    """

    created_date: date
    hours_are_utc: bool  # those in the paths of landing
    deduplicated: tuple[DataFile, ...]
    duplicates: tuple[DataFile, ...]
    corrupt: tuple[DataFile, ...]
    unregistered: tuple[DataFile, ...]
    rescued: Mapping[str, tuple[DataFile, ...]]


@dataclass(frozen=True)
class Reported:
    """What a task wrote for one created_date."""

    created_date: date
    figures: pl.DataFrame  # figure, event_name, label, value
    add: AddAction | None  # none where there are no figures
    address: str  # of the page
    plot: bytes  # see Page
    thumbnail: bytes


def report_day(lake: Lake, sources: Sources, fields: Mapping[str, frozenset[str]]) -> Reported:
    """Count one day, and write its figures and its page. `fields` are the known ones of each catalogued event."""
    day = sources.created_date
    corrupt = scan_files(lake.corrupt_events, sources.corrupt)
    figures = pl.concat(
        [
            *_events(lake, sources, fields),
            _duplicates(scan_files(lake.duplicate_events, sources.duplicates), fields),
            _figure("corrupt", _count(corrupt, pl.col("corruption_reason").alias("label"))),
            _unregistered(scan_files(lake.unregistered_events, sources.unregistered)),
            _drift(lake, sources, fields),
        ]
    ).sort("figure", "event_name", "label")
    broken, limits = SAMPLE_SCHEMA.to_frame(), Thresholds(0.001, 0.05, 0.05)
    page = draw_day(DayModel(day, figures, _samples(corrupt), broken, (), limits, keys={}, days=()))
    address = lake.storage.uri("reports", "quality", f"{day.isoformat()}.html")
    lake.storage.write(address, page.html)
    add = write_file(figures, lake.quality_report, day) if figures.height else None
    return Reported(day, figures, add, address, page.plot, page.thumbnail)


def _figure(figure: str, counts: pl.DataFrame) -> pl.DataFrame:
    """Return counts in the shape of the table; a column that they lack is null."""
    named = counts.with_columns(figure=pl.lit(figure))
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in _FIGURE_SCHEMA.items() if name not in named.columns]
    return named.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in _FIGURE_SCHEMA.items())


def _count(rows: pl.LazyFrame, *columns: str | pl.Expr) -> pl.DataFrame:
    return rows.group_by(columns).agg(value=pl.len()).collect(engine="streaming")


def _summed(counts: pl.DataFrame, *columns: str) -> pl.DataFrame:
    return counts.group_by(columns).agg(pl.col("value").sum()) if columns else counts.select(pl.col("value").sum())


def _known(names: Mapping[str, frozenset[str]]) -> pl.Expr:
    """Return the name of an event, or null where the catalog lacks it: there may be any number of those."""
    return pl.when(pl.col("event_name").is_in(list(names))).then("event_name")


def _events(lake: Lake, sources: Sources, fields: Mapping[str, frozenset[str]]) -> list[pl.DataFrame]:
    """Return the events of a day by name and hour, and by the hour of their arrival, as the figures of files say."""
    by_name, by_object = (_counted(lake, sources, figure) for figure in (NAMES, ARRIVALS))
    named = by_name.with_columns(event_name=_known(fields), label=_two_digits("hour"))
    arrived = by_object.with_columns(
        arrival_hour=_hour_in_path() if sources.hours_are_utc else pl.lit(None, dtype=pl.String),
        **{_PARTITION: pl.lit(sources.created_date)},
    )
    late = arrived.filter(pl.col("arrival_date") > pl.col(_PARTITION))
    return [
        _figure("events", _summed(named, "event_name", "label")),
        _figure("arrivals", _summed(arrived.with_columns(label=_arrival()), "label")),
        _figure("lateness", _summed(arrived.with_columns(label=_lateness()), "label")),
        _figure("late", _summed(late).filter(pl.col("value") > 0)),
    ]


def _counted(lake: Lake, sources: Sources, figure: Figure) -> pl.DataFrame:
    counts = read_figure(lake.deduplicated_events, sources.deduplicated, figure)
    return figure.add_up(counts.drop(_PARTITION)).rename({"rows": "value"})


def _hour_in_path() -> pl.Expr:
    return pl.col("source_object").str.extract_groups(HOUR_IN_PATH).struct["hour"].str.zfill(2)


def _two_digits(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.zfill(2)


def _arrival() -> pl.Expr:
    hour = pl.format(" {}:00", "arrival_hour").fill_null("")
    return pl.format("{}{}", pl.col("arrival_date").dt.strftime("%Y-%m-%d"), hour)


def _lateness() -> pl.Expr:
    """Return the words for the time between creation and arrival, to the hour where that is known, else to the day."""
    days = (pl.col("arrival_date") - pl.col(_PARTITION)).dt.total_days()
    hours = days * 24 + pl.col("arrival_hour").cast(pl.Int64) - pl.col("hour")
    in_days = _first_above(days, {-1: _BEFORE, 0: _SAME_DAY, 6: _DAYS}, _MANY_DAYS)
    in_hours = _first_above(
        hours, {-1: _BEFORE, 0: _SAME_HOUR, 1: _NEXT_HOUR, 5: _HOURS, 23: _MANY_HOURS, 167: _DAYS}, _MANY_DAYS
    )
    return pl.when(hours.is_null()).then(in_days).otherwise(in_hours)


def _first_above(value: pl.Expr, upper: Mapping[int, str], beyond: str) -> pl.Expr:
    """Return the word of the first upper bound, of rising ones, that a value does not pass."""
    words = pl.lit(beyond)
    for bound, word in reversed(list(upper.items())):
        words = pl.when(value <= bound).then(pl.lit(word)).otherwise(words)
    return words


def _duplicates(duplicates: pl.LazyFrame, fields: Mapping[str, frozenset[str]]) -> pl.DataFrame:
    counts = _count(duplicates, "event_name", pl.col("kind").alias("label"))
    return _figure("duplicates", _summed(counts.with_columns(event_name=_known(fields)), "event_name", "label"))


def _unregistered(unregistered: pl.LazyFrame) -> pl.DataFrame:
    """Count the events of each name; there may be any number of names, and null stands for all the smaller ones."""
    ranked = _count(unregistered, "event_name").sort("value", "event_name", descending=[True, False])
    others = _summed(ranked.slice(_NAMES_KEPT)).filter(pl.col("value") > 0)
    return _figure("unregistered", pl.concat([ranked.head(_NAMES_KEPT), others], how="diagonal_relaxed"))


def _drift(lake: Lake, sources: Sources, fields: Mapping[str, frozenset[str]]) -> pl.DataFrame:
    """Count the events of each name by the fields of theirs that found no column."""
    table = Table(_RESCUED, lake.storage)
    counts: list[tuple[str, str, str | None, int]] = []
    for name, files in sources.rescued.items():
        texts = scan_files(table, files).select(RESCUED_COLUMN).drop_nulls().collect().to_series()
        counts.extend((figure, name, *count) for figure, count in _drifted(count_fields(texts), fields[name]))
    return pl.DataFrame(counts, schema=_FIGURE_SCHEMA, orient="row")


def _drifted(counts: Counter[str], known: frozenset[str]) -> Iterator[tuple[str, tuple[str | None, int]]]:
    """Yield figure, field and events; of the unknown fields, of which there may be any number, the largest."""
    repeated = counts.pop(WHOLE_RECORD, 0)
    if repeated:
        yield "repeated_key", (None, repeated)
    yield from (("rescued_field", (field, counts[field])) for field in known & counts.keys())
    unknown: Counter[str] = Counter()
    for field in counts.keys() - known:
        unknown[field[:_FIELD_LENGTH]] += counts[field]
    ranked = sorted(unknown.items(), key=lambda each: (-each[1], each[0]))
    yield from (("unknown_field", each) for each in ranked[:_NAMES_KEPT])
    if len(ranked) > _NAMES_KEPT:
        yield "unknown_field", (None, sum(events for _, events in ranked[_NAMES_KEPT:]))


def _samples(corrupt: pl.LazyFrame) -> pl.DataFrame:
    """Return the first records of each reason, in the order of arrival: reason, source_object, source_offset, body."""
    place = ["source_object", "source_offset"]
    cut = corrupt.select("corruption_reason", *place, pl.col("body").fill_null("").str.slice(0, _SAMPLE_LENGTH))
    first = pl.col(*place, "body").sort_by(place).head(_SAMPLES_OF_A_REASON)
    samples = cut.group_by(reason="corruption_reason").agg(first).explode(*place, "body").collect(engine="streaming")
    return samples.sort("reason", *place)
