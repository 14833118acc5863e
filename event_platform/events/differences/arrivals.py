"""The arrived events of a type on some days, as figures and samples."""

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
    """The number of events that have a field or break a rule, and the first and last day with such an event."""

    events: int
    first: date | None
    last: date | None


class JoiningEvent(NamedTuple):
    """An event of unregistered_events whose name belongs to a type, now or after a proposal is accepted."""

    name: str
    day: date
    body: str


@dataclass(frozen=True)
class Arrivals:
    """The events of a type that arrived in the examined days."""

    rows: Mapping[date, int]
    drifts: Mapping[date, Drift]
    broken_rules: Mapping[date, Mapping[str, int]]  # rows that break each rule
    sample: RescuedSample
    unseen_columns: frozenset[str] = frozenset()  # top-level columns that are null on each of thirty days
    stored_schema: pl.Schema = field(default_factory=pl.Schema)  # of the table
    long_columns: frozenset[str] = frozenset()  # integer columns with values that a double would change
    minima: Mapping[str, Any] = field(default_factory=dict)  # of top-level columns
    maxima: Mapping[str, Any] = field(default_factory=dict)
    violations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # values that break a rule, as texts
    #: Names of the joining events with a field in `_rescued`, by the path of the field and by the paths of its parents.
    names: Mapping[Path, frozenset[str]] = field(default_factory=dict)

    def share(self, events: int) -> float:
        """Return the share of a number of events in all events of these days."""
        return events / max(1, sum(self.rows.values()))

    def fields(self) -> dict[tuple[Outcome, Path], Span]:
        """Return the fields in `_rescued` by outcome and path, the most frequent first."""
        keys = dict.fromkeys(key for drift in self.drifts.values() for key in drift)
        spans = {key: span((day, drift[key]) for day, drift in self.drifts.items()) for key in keys}
        return dict(sorted(spans.items(), key=lambda each: (-each[1].events, each[0])))

    def rules(self) -> dict[str, Span]:
        """Return the rules that are broken."""
        names = sorted({name for counts in self.broken_rules.values() for name in counts})
        return {name: span((day, counts.get(name, 0)) for day, counts in self.broken_rules.items()) for name in names}


def with_joining(
    arrivals: Arrivals, paths: SchemaPaths, envelope_fields: Collection[str], events: Iterable[JoiningEvent]
) -> Arrivals:
    """Return the arrivals with the joining events added as rows. `envelope_fields` are not part of the payload."""
    columns = paths.event_type.columns
    rescuer = Rescuer(columns, frozenset(envelope_fields) - {column.field for column in columns})
    rows, drifts = Counter(arrivals.rows), defaultdict(Drift, arrivals.drifts)
    names: dict[Path, set[str]] = defaultdict(set)
    for name, day, body in events:
        _, rescued = rescuer.split(body)
        drift = paths.with_present_keys(count_drift([rescued] if rescued else [], columns))
        rows[day] += 1
        drifts[day] = drifts[day] + drift
        arrivals.sample.add(rescued or "{}")
        for _, path in drift:
            for depth in range(len(path)):
                names[path[: depth + 1]].add(name)
    return replace(arrivals, rows=rows, drifts=drifts, names={path: frozenset(each) for path, each in names.items()})


def span(counts: Iterable[tuple[date, int]]) -> Span:
    """Return the sum of counts by day, and the first and last day that has any."""
    counts_by_day = {day: count for day, count in counts if count}
    return Span(sum(counts_by_day.values()), min(counts_by_day, default=None), max(counts_by_day, default=None))
