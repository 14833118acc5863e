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
    others = Counter({name: count for name, count in totals.items() if name not in set(with_ids)})
    meant = find_meant_names(others, catalog.names, _COMPARISONS // max(1, len(catalog.names)))
    known = find_known(catalog, others.keys() - choice.new_names, meant)
    new = Counter({name: count for name, count in others.items() if name not in known})
    first = first_names(dict(new.most_common(MAX_EVENT_TYPES)))
    sample = _read_sample(table, days, frozenset({*first, *known, *(counts.keys() & catalog.names)}))
    draft, examples = Draft(catalog.envelope), dict[str, str]()
    joining: dict[str, list[JoiningEvent]] = defaultdict(list)
    for each in sample:
        examples.setdefault(each.name, each.body)
        if each.name in first:
            draft.add([first[each.name]], [each.body])
        elif joined := _joined(catalog, known, each.name, choice.alias_names):
            joining[joined.name].append(each)
    events = sum(rows[day] for day in days)
    return NewNames(spans, events, known, frozenset(with_ids), pattern, draft.schemas(), examples, joining)


def _joined(
    catalog: Catalog, known: Mapping[str, EventType], name: str, alias_names: Collection[str]
) -> EventType | None:
    """Return the type whose table will contain the events of a name: by the catalog, or by the accepted proposals."""
    like = known.get(name)
    is_accepted = like is not None and (name in alias_names or plain_name(name) == plain_name(like.name))
    return like if is_accepted else catalog.by_name.get(name)


def _counts(table: Snapshot, days: list[date]) -> dict[str, dict[date, int]]:
    scanned = scan_files(table.table, table.files(days), table.schema)
    counted = scanned.group_by("event_name", "created_date").agg(events=pl.len().cast(pl.Int64))
    counts: dict[str, dict[date, int]] = {}
    for name, day, events in counted.sort("event_name").collect(engine="streaming").iter_rows():
        counts.setdefault(name, {})[day] = events
    return counts


def _read_sample(table: Snapshot, days: list[date], names: frozenset[str]) -> Iterator[JoiningEvent]:
    """Yield some events of each name, the newest days first."""
    wanted, seen = names, Counter[str]()
    files = [file for day in sorted(days, reverse=True) for file in table.files([day])]
    for number, rows in enumerate(scan_pieces(table.table, files, _ROWS)):
        if number == _PIECES or not wanted:
            break
        some = rows.select(_COLUMNS).filter(pl.col("event_name").is_in(list(wanted))).collect(engine="streaming")
        read = some.group_by("event_name", maintain_order=True).head(_BODIES)
        yield from map(JoiningEvent._make, read.select(_COLUMNS).iter_rows())
        seen.update(read["event_name"])
        wanted = frozenset(name for name in wanted if seen[name] < _BODIES)
