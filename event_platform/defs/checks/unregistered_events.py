"""The checks of unregistered_events, and the figures that they share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from event_platform.checks import conservation, rates
from event_platform.checks.result import Result
from event_platform.defs.assets.typed_events import UNREGISTERED_EVENTS
from event_platform.defs.checks.operation import CheckedAsset
from event_platform.defs.checks.results import Check
from event_platform.events.catalog import Catalog
from event_platform.events.figures import UNREGISTERED_NAMES
from event_platform.lake.balance import count_by_day, typing_balances
from event_platform.lake.lake import Lake


@dataclass(frozen=True)
class _UnregisteredFigures:
    """Figures for the checks of unregistered_events."""

    lake: Lake
    catalog: Catalog
    dates: list[date]

    def conservation(self) -> Iterator[tuple[date, Result]]:
        balances = typing_balances(self.lake, self.catalog, self.dates)
        yield from ((balance.created_date, conservation.check_typing(balance)) for balance in balances)

    def names(self) -> Iterator[tuple[date, Result]]:
        names = count_by_day(self.lake.unregistered_events.snapshot(), self.dates, UNREGISTERED_NAMES)
        registered = self.catalog.names
        yield from ((day, rates.check_unregistered(names.get(day, {}), registered)) for day in self.dates)


def unregistered_events_checks(catalog: Catalog) -> CheckedAsset[_UnregisteredFigures]:
    """Return the checks of unregistered_events."""
    return CheckedAsset(
        [
            Check(
                conservation.NAME,
                UNREGISTERED_EVENTS,
                "deduplicated = rows of all event tables + unregistered",
                _UnregisteredFigures.conservation,
                blocking=True,
            ),
            Check(
                rates.UNREGISTERED,
                UNREGISTERED_EVENTS,
                "every event name is in the catalog",
                _UnregisteredFigures.names,
            ),
        ],
        lambda lake, _, dates: _UnregisteredFigures(lake, catalog, dates),
    )
