"""Figures and findings → the pages below reports/quality: of days, of the lake, of event types."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.events.catalog import Catalog, EventType
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.lake import Lake
from event_platform.lake.names import PAGES_FOLDER
from event_platform.lake.registry import event_table_name
from event_platform.pipeline.reporting.rows import PARTITION
from event_platform.pipeline.reporting.samples import EventFiles, sample_broken_rules, sample_corrupt
from event_platform.quality.failures import Status
from event_platform.quality.index import draw_index
from event_platform.quality.page import DayModel, draw_day
from event_platform.quality.type_page import draw_type
from event_platform.storage.storage import Storage
from event_platform.storage.threads import map_threads

#: Number of days on the index, and on the page of an event type.
INDEX_DAYS, TYPE_DAYS = timedelta(days=90), timedelta(days=30)

_FOLDER, _TYPES = "quality", "types"


@dataclass(frozen=True)
class PageSources:
    """The sources of a day's page: figures, the files of its samples, and the findings of checks."""

    day: date
    figures: pl.DataFrame  # figure, event_name, label, value
    corrupt: Sequence[DataFile]
    event_files: Sequence[EventFiles]  # with rows that break a rule
    findings: Sequence[Finding]
    thresholds: Thresholds
    keys: Mapping[str, str]  # see DayModel
    days: Collection[date]


@dataclass(frozen=True)
class WrittenPage:
    """The page of a day: its address, and its plots (see quality.page.Page)."""

    address: str
    plot: bytes
    thumbnail: bytes


def write_day(lake: Lake, sources: PageSources) -> WrittenPage:
    """Draw and write the page of a day."""
    page = draw_day(
        DayModel(
            day=sources.day,
            figures=sources.figures,
            corrupt=sample_corrupt(scan_files(lake.corrupt_events, sources.corrupt)),
            broken=sample_broken_rules(sources.event_files, sources.figures),
            findings=sources.findings,
            thresholds=sources.thresholds,
            keys=sources.keys,
            days=sources.days,
        )
    )
    address = lake.storage.uri(PAGES_FOLDER, _FOLDER, f"{sources.day.isoformat()}.html")
    lake.storage.write_whole(address, page.html)
    return WrittenPage(address, page.plot, page.thumbnail)


def write_index(
    storage: Storage,
    catalog: Catalog,
    history: pl.DataFrame,
    findings: Mapping[date, Sequence[Finding]],
    older: Mapping[date, Status],
    today: date,
    cpu: Mapping[date, float],
    filtered_counts: Mapping[date, int] | None,
) -> None:
    """Draw and write the page of the lake. `history` has the rows of its days, without older days of the calendar."""
    page = draw_index(history, findings, catalog.event_types, today, older, cpu, filtered_counts)
    storage.write_whole(storage.uri(PAGES_FOLDER, _FOLDER, "index.html"), page)


def write_types(
    storage: Storage,
    catalog: Catalog,
    history: pl.DataFrame,
    findings: Mapping[date, Sequence[Finding]],
    names: set[str],
    example: Callable[[EventType], str],
) -> None:
    """Draw and write the pages of event types with a `names` event name, and missing pages.

    `example` returns a row of a type.
    """
    existing_pages = pages_of_types(storage)
    due = [each for each in catalog.event_types if each.key not in existing_pages or not names.isdisjoint(each.names)]
    last_day = history[PARTITION].max()
    if not due or not isinstance(last_day, date):
        return
    rows, by_asset = history.partition_by("event_name", as_dict=True), _by_asset(findings)

    def write(event_type: EventType) -> None:
        type_rows = [rows[name,] for name in event_type.names if (name,) in rows]
        type_findings = by_asset[event_table_name(event_type)]
        page = draw_type(
            event_type, pl.concat(type_rows or [history.clear()]), type_findings, last_day, example(event_type)
        )
        storage.write_whole(storage.uri(PAGES_FOLDER, _FOLDER, _TYPES, f"{event_type.key}.html"), page)

    each = map if storage.is_local else map_threads
    list(each(write, due))


def pages_of_types(storage: Storage) -> frozenset[str]:
    """Return the keys of the event types that have a page."""
    return frozenset(
        path.rpartition("/")[2].removesuffix(".html") for path in storage.sizes(PAGES_FOLDER, _FOLDER, _TYPES)
    )


def _by_asset(findings: Mapping[date, Sequence[Finding]]) -> Mapping[str, Mapping[date, Sequence[Finding]]]:
    by_asset = defaultdict[str, dict[date, list[Finding]]](lambda: defaultdict(list))
    for day, day_findings in findings.items():
        for finding in day_findings:
            by_asset[finding.asset][day].append(finding)
    return by_asset


def names_of(history: pl.DataFrame, days: Collection[date]) -> set[str]:
    """Return the event names that have rows on some days."""
    return set(history.filter(pl.col(PARTITION).is_in(list(days)))["event_name"].drop_nulls())


def changed_names(old_history: pl.DataFrame, new_history: pl.DataFrame, days: Iterable[date]) -> set[str]:
    """Return the event names whose rows of these days differ between two histories."""
    histories = (rows.filter(pl.col(PARTITION).is_in(list(days))) for rows in (old_history, new_history))
    row_counts = pl.concat(histories).group_by(pl.all()).len()
    return set(row_counts.filter(pl.col("len") % 2 == 1)["event_name"].drop_nulls())
