"""The checks of raw_events and corrupt_events, and the figures that they share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial

from event_platform.checks import conservation, corruption, gaps, rates
from event_platform.checks.result import Result
from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.defs.checks.operation import CheckedAsset
from event_platform.defs.checks.results import Check
from event_platform.defs.resources.platform import RulesResource
from event_platform.events.envelope import Envelope
from event_platform.events.figures import REASONS
from event_platform.lake.balance import ArrivalBalance, arrival_balances, count_by_day
from event_platform.lake.lake import Lake


@dataclass(frozen=True)
class _RawFigures:
    """Figures for the checks of raw_events."""

    envelope: Envelope
    first_date: date
    lake: Lake
    rules: RulesResource
    dates: list[date]

    @cached_property
    def balances(self) -> list[ArrivalBalance]:
        """The balances of the dates."""
        return arrival_balances(self.lake, self.dates)

    def conservation(self) -> Iterator[tuple[date, Result]]:
        yield from ((balance.arrival_date, conservation.check_arrivals(balance)) for balance in self.balances)

    def corruption(self) -> Iterator[tuple[date, Result]]:
        corrupt = self.lake.corrupt_events.snapshot()
        reasons = count_by_day(corrupt, self.dates, REASONS)
        times = corruption.read_times(corrupt, self.dates, reasons, self.envelope, self.first_date)
        limits = self.rules.corruption_warn_above, self.rules.corruption_error_above
        for balance in self.balances:
            day = balance.arrival_date
            yield day, rates.check_corruption(balance.landed, reasons.get(day, {}), *limits, times.get(day))

    def gaps(self) -> Iterator[tuple[date, Result]]:
        objects = gaps.objects_by_hour(self.lake.raw_events.snapshot(), self.dates)
        yield from ((day, gaps.check_day(day, objects)) for day in self.dates)


def raw_events_checks(envelope: Envelope, first_date: date) -> CheckedAsset[_RawFigures]:
    """Return the checks of raw_events and corrupt_events."""
    return CheckedAsset(
        [
            Check(
                conservation.NAME,
                RAW_EVENTS,
                "landed = sound + corrupt, and the records of each object are numbered without a gap",
                _RawFigures.conservation,
                blocking=True,
                also=[CORRUPT_EVENTS],
            ),
            Check(
                rates.CORRUPTION,
                RAW_EVENTS,
                "the share of corrupt records is below the limits",
                _RawFigures.corruption,
                also=[CORRUPT_EVENTS],
            ),
            Check(
                gaps.NAME,
                RAW_EVENTS,
                "no hour lacks objects between hours that have some (for streams that deliver in most hours)",
                _RawFigures.gaps,
            ),
        ],
        partial(_RawFigures, envelope, first_date),
    )
