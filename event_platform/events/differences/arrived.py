"""The arrived events of a type on some days, as figures and samples."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from event_platform.events.differences.rescued_sample import RescuedSample
from event_platform.events.drift import Drift, Outcome, Path


@dataclass(frozen=True)
class Span:
    """In how many events something is, on which days."""

    events: int
    first: date | None
    last: date | None


@dataclass(frozen=True)
class Arrived:
    """The events of a type that arrived in the examined days."""

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


def span(counts: Iterable[tuple[date, int]]) -> Span:
    """Return the sum of counts by day, and the first and last day that has any."""
    found = {day: count for day, count in counts if count}
    return Span(sum(found.values()), min(found, default=None), max(found, default=None))
