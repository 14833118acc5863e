"""What arrived of an event type on some days, as figures and samples."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from event_platform.events.differences.rescued_sample import RescuedSample
from event_platform.events.differences.schema_paths import SchemaPaths
from event_platform.events.drift import Drift, Outcome, Path, count_drift
from event_platform.events.rescue import Rescuer


@dataclass(frozen=True)
class Span:
    """In how many events something is, on which days."""

    events: int
    first: date | None
    last: date | None


class JoiningEvent(NamedTuple):
    """An event in unregistered_events that will be in the table of a type, by a name that it gets or has got."""

    name: str
    day: date
    body: str


@dataclass(frozen=True)
class Arrived:
    """What arrived of an event type on the days that were looked at."""

    rows: Mapping[date, int]
    drifts: Mapping[date, Drift]
    broken: Mapping[date, Mapping[str, int]]  # rows that break each rule
    sample: RescuedSample
    unseen: frozenset[str] = frozenset()  # top-level columns that are null on each of thirty days
    stored: pl.Schema = field(default_factory=pl.Schema)  # of the table
    has_long: frozenset[str] = frozenset()  # integer columns with values that a double would change
    minima: Mapping[str, Any] = field(default_factory=dict)  # of top-level columns
    maxima: Mapping[str, Any] = field(default_factory=dict)
    violations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # values that break a rule, as texts
    #: Names of the joining events that have something in `_rescued`, by its path, and by what it is in.
    names: Mapping[Path, frozenset[str]] = field(default_factory=dict)

    def share(self, events: int) -> float:
        """Return the share of the events of these days."""
        return events / max(1, sum(self.rows.values()))

    def fields(self) -> dict[tuple[Outcome, Path], Span]:
        """Return the fields in `_rescued` by outcome and path, the most frequent first."""
        keys = dict.fromkeys(key for drift in self.drifts.values() for key in drift)
        spans = {key: span((day, drift[key]) for day, drift in self.drifts.items()) for key in keys}
        return dict(sorted(spans.items(), key=lambda each: (-each[1].events, each[0])))

    def rules(self) -> dict[str, Span]:
        """Return the rules that are broken."""
        names = sorted({name for counts in self.broken.values() for name in counts})
        return {name: span((day, counts.get(name, 0)) for day, counts in self.broken.items()) for name in names}


def with_joining(
    arrived: Arrived, paths: SchemaPaths, consumed: Collection[str], events: Iterable[JoiningEvent]
) -> Arrived:
    """Return what arrived with joining events as well, as if they were rows. `consumed` are fields of the envelope."""
    columns = paths.event_type.columns
    rescuer = Rescuer(columns, frozenset(consumed) - {column.field for column in columns})
    rows, drifts = Counter(arrived.rows), defaultdict(Drift, arrived.drifts)
    names: dict[Path, set[str]] = defaultdict(set)
    for name, day, body in events:
        _, rescued = rescuer.split(body)
        found = paths.by_own_keys(count_drift([rescued] if rescued else [], columns))
        rows[day] += 1
        drifts[day] = drifts[day] + found
        arrived.sample.add(rescued or "{}")
        for _, path in found:
            for depth in range(len(path)):
                names[path[: depth + 1]].add(name)
    return replace(arrived, rows=rows, drifts=drifts, names={path: frozenset(found) for path, found in names.items()})


def span(counts: Iterable[tuple[date, int]]) -> Span:
    """Return the sum of counts by day, and the first and last day that has any."""
    found = {day: count for day, count in counts if count}
    return Span(sum(found.values()), min(found, default=None), max(found, default=None))
