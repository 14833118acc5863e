"""A catalog and a lake → the tracking plan's data on each event type: volume, example and derived tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import polars as pl

from event_platform.events.catalog import Catalog, EventType
from event_platform.events.errors import EventPlatformError
from event_platform.events.evolution.catalogs import CatalogFiles
from event_platform.events.schema_version import changes_of, version_of
from event_platform.exporting.relations import Relation
from event_platform.lake.derived import sources_in
from event_platform.lake.lake import Lake
from event_platform.lake.names import is_of_platform
from event_platform.lake.registry import event_table_name
from event_platform.lake.tables import Table
from event_platform.pipeline.reporting.history import read_months, rows_of
from event_platform.pipeline.reporting.pages import TYPE_DAYS, pages_of_types
from event_platform.pipeline.reporting.rows import PARTITION
from event_platform.pipeline.reporting.samples import read_example
from event_platform.quality.plan import Plan, PlannedType
from event_platform.storage.threads import map_threads


@dataclass(frozen=True)
class LakeFigures:
    """The figures of event types in a lake, by key. `last_day` is the last day with figures; None if there are none."""

    last_day: date | None = None
    events: Mapping[str, Mapping[date, int]] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    derived_tables: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by table: its derived tables
    reported_types: frozenset[str] = frozenset()  # that have a page in the quality report
    errors: Mapping[str, str] = field(default_factory=dict)  # tables that cannot be read, with the reasons


def read_lake(lake: Lake, catalog: Catalog) -> LakeFigures:
    """Read the figures of a catalog's types from a lake. An unreadable table does not stop the others."""
    events, last_day = _read_events(lake, catalog)
    today = datetime.now(UTC).date()
    tables = [lake.event_table(each) for each in catalog.event_types]
    examples_or_errors = map_threads(
        lambda each: _read_example(*each, today), zip(catalog.event_types, tables, strict=True)
    )
    derived_tables, errors = _read_derived(lake, catalog.event_types)
    for table, example in zip(tables, examples_or_errors, strict=True):
        if isinstance(example, EventPlatformError):
            errors[table.name] = str(example)
    examples = {
        key: example
        for key, example in zip(catalog.by_key, examples_or_errors, strict=True)
        if isinstance(example, str)
    }
    return LakeFigures(last_day, events, examples, derived_tables, pages_of_types(lake.storage), errors)


def plan_of(files: CatalogFiles, figures: LakeFigures, report: str) -> Plan:
    """Return the tracking plan of a catalog. `report` is the address of the quality report's pages of types."""
    return Plan(
        files.catalog.envelope,
        [_planned_type(each, files, figures, report) for each in files.catalog.event_types],
        figures.last_day,
    )


def _planned_type(event_type: EventType, files: CatalogFiles, figures: LakeFigures, report: str) -> PlannedType:
    key, document = event_type.key, files.documents[event_type.name]
    view = Relation(event_table_name(event_type), ())
    return PlannedType(
        event_type,
        str(version_of(document)),
        changes_of(document),
        figures.events.get(key, {}),
        figures.examples.get(key, ""),
        _closure(event_table_name(event_type), figures.derived_tables),
        f"{view.schema}.{view.name}",
        f"{report}/{key}.html" if report and key in figures.reported_types else "",
    )


def _closure(table: str, derived_tables: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the tables derived from a table, directly or indirectly, the nearest first."""
    closure: list[str] = []
    queue = [table]
    for source in queue:
        new_tables = [derived_table for derived_table in derived_tables.get(source, ()) if derived_table not in queue]
        queue.extend(new_tables)
        closure.extend(new_tables)
    return closure


def _read_events(lake: Lake, catalog: Catalog) -> tuple[dict[str, dict[date, int]], date | None]:
    """Return the events of each type by day, of the last thirty days that the quality report has, and the last day."""
    report = lake.quality_report.snapshot()
    last_day = max(report.rows_by_date(), default=None)
    if last_day is None:
        return {}, None
    days = [day for day in report.rows_by_date() if day > last_day - TYPE_DAYS]
    is_event_count = pl.col("figure") == "events"
    history = rows_of(read_months(report, days)).filter(is_event_count & pl.col(PARTITION).is_in(days))
    events: dict[str, dict[date, int]] = {}
    for name, day, value in history.select("event_name", PARTITION, "value").iter_rows():
        if name in catalog.by_name:
            by_day = events.setdefault(catalog.by_name[name].key, {})
            by_day[day] = by_day.get(day, 0) + value
    return events, last_day


def _read_example(event_type: EventType, table: Table, today: date) -> str | EventPlatformError:
    try:
        return read_example(event_type, table.snapshot(), today)
    except EventPlatformError as error:
        return error


def _read_derived(lake: Lake, event_types: Iterable[EventType]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return by table the users' own tables derived from it, and the tables that cannot be read."""
    own_tables = [table for table in lake.every_table(event_types) if not is_of_platform(table.name)]
    derived_tables: dict[str, list[str]] = {}
    errors: dict[str, str] = {}
    for table, sources in zip(own_tables, map_threads(_read_sources, own_tables), strict=True):
        if isinstance(sources, EventPlatformError):
            errors[table.name] = str(sources)
            continue
        for source in sources:
            derived_tables.setdefault(source, []).append(table.name)
    return derived_tables, errors


def _read_sources(table: Table) -> set[str] | EventPlatformError:
    try:
        return {source.table for source in sources_in(table.snapshot())}
    except EventPlatformError as error:
        return error
