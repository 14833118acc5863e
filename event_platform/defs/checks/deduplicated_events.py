"""The checks of deduplicated_events and duplicate_events, and the figures that they share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from event_platform.checks import conservation, rates, uniqueness
from event_platform.checks.result import Result
from event_platform.defs.assets.deduplicated_events import DEDUPLICATED_EVENTS, DUPLICATE_EVENTS
from event_platform.defs.checks.operation import CheckedAsset
from event_platform.defs.checks.results import Check
from event_platform.defs.resources.platform import RulesResource
from event_platform.events.figures import KINDS
from event_platform.lake.balance import DeduplicationBalance, deduplication_balances
from event_platform.lake.file_figures import read_figure
from event_platform.lake.lake import Lake


@dataclass(frozen=True)
class _DeduplicatedFigures:
    """Figures for the checks of deduplicated_events."""

    lake: Lake
    rules: RulesResource
    dates: list[date]

    @cached_property
    def balances(self) -> list[DeduplicationBalance]:
        return deduplication_balances(self.lake, self.dates)

    def conservation(self) -> Iterator[tuple[date, Result]]:
        yield from ((balance.created_date, conservation.check_deduplication(balance)) for balance in self.balances)

    def uniqueness(self) -> list[tuple[date, Result]]:
        return uniqueness.check_dates(self.lake.deduplicated_events.snapshot(), self.dates)

    def duplication(self) -> Iterator[tuple[date, Result]]:
        limit = self.rules.duplicates_warn_above
        results = {balance.created_date: rates.check_duplication(balance, limit) for balance in self.balances}
        names = self._duplicate_names([day for day, result in results.items() if not result.passed])
        for balance in self.balances:
            day = balance.created_date
            yield day, rates.check_duplication(balance, limit, names[day]) if day in names else results[day]

    def _duplicate_names(self, dates: list[date]) -> dict[date, dict[str, dict[str, int]]]:
        """Count the duplicates of dates that have many, by kind and event name."""
        names: dict[date, dict[str, dict[str, int]]] = {day: {} for day in dates}
        if dates:
            duplicates = self.lake.duplicate_events.snapshot()
            counts = read_figure(duplicates.table, duplicates.files(dates), KINDS, duplicates.schema)
            summed = counts.group_by("created_date", "kind", "event_name").agg(pl.col("rows").sum())
            for day, kind, name, count in summed.sort("event_name").iter_rows():
                names[day].setdefault(kind, {})[name] = count
        return names


DEDUPLICATED_EVENTS_CHECKS = CheckedAsset(
    [
        Check(
            conservation.NAME,
            DEDUPLICATED_EVENTS,
            "sound = deduplicated + duplicates",
            _DeduplicatedFigures.conservation,
            blocking=True,
            also=[DUPLICATE_EVENTS],
        ),
        Check(
            uniqueness.NAME,
            DEDUPLICATED_EVENTS,
            "no two rows have the same event_uuid",
            _DeduplicatedFigures.uniqueness,
            blocking=True,
        ),
        Check(
            rates.DUPLICATION,
            DEDUPLICATED_EVENTS,
            "the share of redeliveries is below the limit, and no event_uuid has two different contents",
            _DeduplicatedFigures.duplication,
            also=[DUPLICATE_EVENTS],
        ),
    ],
    _DeduplicatedFigures,
)
