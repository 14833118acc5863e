"""The names of events that the catalog lacks, and a sample of their bodies."""

from collections import Counter
from datetime import date

import polars as pl

from event_platform.checks.spelling import find_meant_names
from event_platform.events.catalog import Catalog
from event_platform.events.differences.arrived import Span, span
from event_platform.events.differences.name_proposals import Names
from event_platform.events.draft import Draft
from event_platform.events.names import MAX_EVENT_TYPES, names_like_ids
from event_platform.lake.files import scan_files, scan_pieces
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.differences.types import DAYS

#: Number of bodies to read for a name; number of rows per read, newest days first; and maximum number of reads.
_BODIES, _ROWS, _PIECES = 500, 20_000, 10

_COLUMNS = ("event_name", "body")


def read_names(lake: Lake, catalog: Catalog) -> Names:
    """Return the names that the catalog lacks, of the newest days of the lake."""
    table, rows = lake.unregistered_events.snapshot(), lake.deduplicated_events.snapshot().rows_by_date()
    days = sorted(rows)[-DAYS:]
    spans = _spans(table, days, catalog)
    totals = Counter({name: each.events for name, each in spans.items()})
    _, with_ids = names_like_ids(spans)
    others = Counter({name: count for name, count in totals.items() if name not in set(with_ids)})
    frequent = {name for name, _ in others.most_common(MAX_EVENT_TYPES)}
    schemas, examples = _drafted(table, days, frequent, catalog) if frequent else ({}, {})
    meant = find_meant_names(others, catalog.names)
    return Names(spans, sum(rows[day] for day in days), meant, frozenset(with_ids), schemas, examples)


def _spans(table: Snapshot, days: list[date], catalog: Catalog) -> dict[str, Span]:
    scanned = scan_files(table.table, table.files(days), table.schema)
    counted = scanned.group_by("event_name", "created_date").agg(events=pl.len().cast(pl.Int64))
    counts: dict[str, dict[date, int]] = {}
    for name, day, events in counted.collect(engine="streaming").iter_rows():
        if name not in catalog.names:  # otherwise its days are due, and `run` rebuilds them
            counts.setdefault(name, {})[day] = events
    return {name: span(by_day.items()) for name, by_day in counts.items()}


def _drafted(
    table: Snapshot, days: list[date], names: set[str], catalog: Catalog
) -> tuple[dict[str, dict[str, object]], dict[str, str]]:
    """Return a schema for each name of which there is a body in the sample, and the first body."""
    draft, examples = Draft(catalog.envelope), dict[str, str]()
    files = [file for day in sorted(days, reverse=True) for file in table.files([day])]
    wanted = names
    for number, rows in enumerate(scan_pieces(table.table, files, _ROWS)):
        if number == _PIECES or not wanted:
            break
        found = rows.select(_COLUMNS).filter(pl.col("event_name").is_in(list(wanted))).collect(engine="streaming")
        some = found.group_by("event_name", maintain_order=True).head(_BODIES)
        draft.add(some["event_name"].to_list(), some["body"].to_list())
        for name, body in some.iter_rows():
            examples.setdefault(name, body)
        wanted = {name for name in wanted if name not in draft.shapes or draft.shapes[name].seen < _BODIES}
    return draft.schemas(), examples
