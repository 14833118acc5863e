"""The names of events that the catalog lacks, and a sample of their bodies."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import date

import polars as pl

from event_platform.checks.spelling import find_meant_names
from event_platform.events.catalog import Catalog, EventType
from event_platform.events.differences.arrivals import JoiningEvent, span
from event_platform.events.differences.name_proposals import Choice, NewNames, find_known, first_names
from event_platform.events.draft import Draft
from event_platform.events.names import MAX_EVENT_TYPES, names_like_ids, plain_name
from event_platform.lake.files import scan_files, scan_pieces
from event_platform.lake.lake import Lake
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.differences.types import DAYS

#: Number of bodies to read for a name; number of rows per read, newest days first; and maximum number of reads.
_BODIES, _ROWS, _PIECES = 500, 20_000, 10

#: Comparisons of two names, which take about 10 µs each: a misspelled name is rarely one of the frequent ones.
_COMPARISONS = 200_000

_COLUMNS = ("event_name", "created_date", "body")


def read_names(lake: Lake, catalog: Catalog, choice: Choice) -> NewNames:
    """Return the names that the catalog lacks, of the newest days of the lake."""
    table, rows = lake.unregistered_events.snapshot(), lake.deduplicated_events.snapshot().rows_by_date()
    days = sorted(rows)[-DAYS:]
    counts = _counts(table, days)
    spans = {name: span(by_day.items()) for name, by_day in counts.items() if name not in catalog.names}
    totals = Counter({name: each.events for name, each in spans.items()})
    pattern, with_ids = names_like_ids(spans)
    plausible = Counter({name: count for name, count in totals.items() if name not in set(with_ids)})
    meant_names = find_meant_names(plausible, catalog.names, _COMPARISONS // max(1, len(catalog.names)))
    similar_types = find_known(catalog, plausible.keys() - choice.new_names, meant_names)
    new_names = Counter({name: count for name, count in plausible.items() if name not in similar_types})
    drafted_names = first_names(dict(new_names.most_common(MAX_EVENT_TYPES)))
    sample = _read_sample(table, days, frozenset({*drafted_names, *similar_types, *(counts.keys() & catalog.names)}))
    draft, examples = Draft(catalog.envelope), dict[str, str]()
    joining_events: dict[str, list[JoiningEvent]] = defaultdict(list)
    for event in sample:
        examples.setdefault(event.name, event.body)
        if event.name in drafted_names:
            draft.add([drafted_names[event.name]], [event.body])
        elif event_type := _joined_type(catalog, similar_types, event.name, choice.alias_names):
            joining_events[event_type.name].append(event)
    events = sum(rows[day] for day in days)
    return NewNames(
        spans, events, similar_types, frozenset(with_ids), pattern, draft.schemas(), examples, joining_events
    )


def _joined_type(
    catalog: Catalog, similar_types: Mapping[str, EventType], name: str, alias_names: Collection[str]
) -> EventType | None:
    """Return the type whose table will contain the events of a name: by the catalog, or by the accepted proposals."""
    similar_type = similar_types.get(name)
    is_accepted = similar_type is not None and (
        name in alias_names or plain_name(name) == plain_name(similar_type.name)
    )
    return similar_type if is_accepted else catalog.by_name.get(name)


def _counts(table: Snapshot, days: list[date]) -> dict[str, dict[date, int]]:
    rows = scan_files(table.table, table.files(days), table.schema)
    groups = rows.group_by("event_name", "created_date").agg(events=pl.len().cast(pl.Int64))
    counts: dict[str, dict[date, int]] = {}
    for name, day, events in groups.sort("event_name").collect(engine="streaming").iter_rows():
        counts.setdefault(name, {})[day] = events
    return counts


def _read_sample(table: Snapshot, days: list[date], names: frozenset[str]) -> Iterator[JoiningEvent]:
    """Yield some events of each name, the newest days first."""
    open_names, sample_sizes = names, Counter[str]()
    files = [file for day in sorted(days, reverse=True) for file in table.files([day])]
    for number, rows in enumerate(scan_pieces(table.table, files, _ROWS)):
        if number == _PIECES or not open_names:
            break
        named_rows = (
            rows.select(_COLUMNS).filter(pl.col("event_name").is_in(list(open_names))).collect(engine="streaming")
        )
        sampled_rows = named_rows.group_by("event_name", maintain_order=True).head(_BODIES)
        yield from map(JoiningEvent._make, sampled_rows.select(_COLUMNS).iter_rows())
        sample_sizes.update(sampled_rows["event_name"])
        open_names = frozenset(name for name in open_names if sample_sizes[name] < _BODIES)
