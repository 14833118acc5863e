"""Due dates by table and day: their description, and whether they are overdue. `due` finds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from event_platform.events.wording import counted
from event_platform.lake.derived import Days
from event_platform.lake.registry import QUALITY_REPORT
from event_platform.pipeline.backfill.find import Backfills

#: Normal waiting time, as in a live stream.
OVERDUE = timedelta(hours=1)

#: Name for all platform tables that are partitioned by created_date.
PLATFORM = "tables of the platform"


@dataclass(frozen=True)
class DueDates:
    """Due created_dates: of the platform's tables, of single event tables, of the report, and of users' own tables."""

    stale: frozenset[date]  # something downstream is older than raw_events
    uneven: Mapping[date, str]  # not stale, but rows were removed or added by other programs; with the counts
    version: int  # of raw_events, up to which commits were examined
    backfills: Backfills = field(default_factory=Backfills)  # additionally: event tables that the catalog changes
    reports: Mapping[date, str] = field(default_factory=dict)  # additionally: of quality_report alone, with the reason
    own_tables: Mapping[str, Days] = field(default_factory=dict)  # of users' own tables, with the reason
    known_tables: frozenset[str] = frozenset()  # own tables with an asset in this asset graph
    #: Load time of the oldest unbuilt records of a day, or of its last records if all are built; absent if unknown.
    loaded_at: Mapping[date, datetime] = field(default_factory=dict)

    @property
    def days(self) -> list[date]:
        """Days on which the platform's tables are due, in order."""
        return sorted({*self.stale, *self.uneven})

    @property
    def all_days(self) -> set[date | None]:
        """All due days of any table; None for a table without partitions."""
        own_days = {day for days in self.own_tables.values() for day in days}
        return {*self.days, *self.backfills.days, *self.reports, *own_days}

    def is_overdue(self, since: datetime) -> bool:
        """Return whether a due day has records from before `since` that are not built.

        If all of its records are built, the time of its last ones counts. Tables without an asset, which may be
        obsolete, are ignored.
        """
        last_load = max(self.loaded_at.values(), default=None)
        own_days = {day for table in self.known_tables for day in self.own_tables.get(table, {})}
        days = {*self.days, *self.backfills.days, *self.reports, *own_days}
        moments = [last_load if day is None else self.loaded_at.get(day) for day in days]
        return any(moment is None or moment < since for moment in moments)

    @property
    def of_platform(self) -> dict[date, str]:
        """Days on which the platform's tables are due, and why."""
        return {day: self.uneven.get(day, "newer events have landed") for day in self.days}

    @property
    def sentences(self) -> list[str]:
        """Describe the due days of each table."""
        tables: list[tuple[str, Mapping[date, str] | Days]] = [
            (PLATFORM, self.of_platform),
            *self.backfills.due.items(),
            (QUALITY_REPORT.name, self.reports),
            *sorted(self.own_tables.items()),
        ]
        return [*(_sentence(table, days) for table, days in tables if days), *self.backfills.notes]

    @property
    def warnings(self) -> list[str]:
        """Warnings about dates whose totals do not balance, and about another deployment on the lake."""
        return [each for each in (self._uneven_warning, self.backfills.deployment_warning) if each]

    @property
    def _uneven_warning(self) -> str | None:
        if not self.uneven:
            return None
        day, counts = next(iter(self.uneven.items()))
        return (
            f"the rows of {counted(len(self.uneven), 'created date')} are not those that were written, such as {day} "
            f"({counts}). Rows were deleted or added by something else, or the catalog changed: they are built again"
        )


def _sentence(table: str, due: Mapping[date, str] | Days) -> str:
    days = sorted((day, reason) for day, reason in due.items() if day is not None)
    if not days:
        return f"{table}: due ({'; '.join(due.values())})"
    return f"{table}: due on {counted(len(days), 'day')}, such as {days[0][0]} ({days[0][1]})"
