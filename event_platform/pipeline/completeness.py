"""Completeness: objects that wait to be loaded, and due dates. Balanced totals do not include these."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from event_platform.events.errors import EventPlatformError, StorageError
from event_platform.events.mending.files import Mending
from event_platform.events.wording import counted
from event_platform.lake.lake import Lake
from event_platform.lake.ledger import deliveries
from event_platform.landing.landing import Landing
from event_platform.pipeline.due_arrivals import due_arrival_dates, outside_warning
from event_platform.pipeline.due_dates import OVERDUE, DueDates
from event_platform.pipeline.loading.mending import due_mending
from event_platform.storage.queue import Queue

_EXAMPLES = 10


@dataclass(frozen=True)
class Completeness:
    """The remaining work, and whether it is overdue."""

    waiting_objects: Sequence[tuple[str, date]]  # objects that are not loaded, with their arrival dates
    fault: str | None  # why it is unknown which objects wait
    omissions: Sequence[str]  # files and folders in landing that cannot be loaded, with their faults
    corrupt_due: Sequence[date]  # arrival dates
    due: DueDates
    first_date: date  # of the partitions
    days_outside: Sequence[date]  # days with objects that are not loaded because no partition has them
    moment: datetime
    to_mend: Mapping[date, int] = field(default_factory=dict)  # arrival dates, and records of each
    redeliveries: int | str | None = None  # messages in the queue, or why the number is unknown; None without a queue

    @property
    def outside_warning(self) -> str | None:
        """Warning about objects outside of all partitions, or None."""
        return outside_warning(self.days_outside, self.first_date, self.moment.date())

    @property
    def open_work(self) -> list[str]:
        """Describe the remaining work, one text for each part."""
        texts = [f"landing cannot be compared with the ledger ({self.fault})"] if self.fault else []
        if self.waiting_objects:
            name, _ = min(self.waiting_objects)
            texts.append(f"{counted(len(self.waiting_objects), 'object')} to be loaded (such as {name})")
        if self.omissions:
            texts.append(f"{len(self.omissions):,} files or folders of landing are left out ({self.omissions[0]})")
        if self.corrupt_due:
            texts.append(
                f"corrupt_events: due on {counted(len(self.corrupt_due), 'day')}, such as {self.corrupt_due[0]}"
            )
        if self.to_mend:
            day, records = next(iter(self.to_mend.items()))
            days = counted(len(self.to_mend), "day")
            texts.append(f"event-platform mend is due for {days}, such as {day} ({counted(records, 'record')})")
        if isinstance(self.redeliveries, str):
            texts.append(f"the queue of redeliveries does not answer ({self.redeliveries})")
        elif self.redeliveries:
            texts.append(f"about {counted(self.redeliveries, 'message')} in the queue of redeliveries")
        return [*texts, *self.due.sentences]

    @property
    def is_overdue(self) -> bool:
        """Return whether work is overdue, or unknown.

        Overdue are objects that landed on an earlier day, and due days whose records have waited for an hour.
        """
        since = self.moment - OVERDUE
        is_late = any(day < since.date() for _, day in self.waiting_objects)
        is_unknown = self.fault or isinstance(self.redeliveries, str)
        return bool(is_unknown or self.omissions) or is_late or self.due.is_overdue(since)

    def as_json(self) -> dict[str, Any]:
        """Return all of it for `status --json`."""
        return {
            "complete": not self.open_work,
            "overdue": self.is_overdue,
            "waiting_objects": len(self.waiting_objects),
            "waiting_examples": [name for name, _ in sorted(self.waiting_objects)[:_EXAMPLES]],
            "landing_fault": self.fault,
            "left_out": list(self.omissions),
            **self._redeliveries_as_json,
            "days_outside_partitions": [day.isoformat() for day in self.days_outside],
            "due": {
                "corrupt_events": [day.isoformat() for day in self.corrupt_due],
                "mend": [day.isoformat() for day in self.to_mend],
                "created_dates": [day.isoformat() for day in self.due.days],
                "event_tables": {
                    table: [day.isoformat() for day in sorted(days)] for table, days in self.due.backfills.due.items()
                },
                "failing": dict(self.due.backfills.failing),
                "quality_report": [day.isoformat() for day in sorted(self.due.reports)],
                "own_tables": {
                    table: sorted("all" if day is None else day.isoformat() for day in days)
                    for table, days in self.due.own_tables.items()
                },
            },
        }

    @property
    def _redeliveries_as_json(self) -> dict[str, Any]:
        if self.redeliveries is None:
            return {}
        fault = self.redeliveries if isinstance(self.redeliveries, str) else None
        return {"waiting_redeliveries": None if fault else self.redeliveries, "redeliveries_fault": fault}


def completeness(
    lake: Lake,
    due: DueDates,
    mending: Mending,
    open_landing: Callable[[], Landing],
    first_date: date,
    moment: datetime,
    queue: Queue | None = None,
) -> Completeness:
    """Compare landing with the ledger, and add the `due` dates and the messages in the queue of redeliveries."""
    raw, fault = lake.raw_events.snapshot(), None
    waiting_objects, omissions = list[tuple[str, date]](), list[str]()
    try:
        delivery = deliveries(raw, open_landing(), None)
        waiting_objects = [(each.name, each.arrival_date) for each in delivery.due]
        omissions = [str(each) for each in delivery.omissions.faults.values()]
    except EventPlatformError as error:
        fault = str(error)
    inside = [each for each in waiting_objects if first_date <= each[1] <= moment.date()]
    days_outside = sorted({each[1] for each in waiting_objects} - {each[1] for each in inside})
    to_mend = {day: records for day, records in due_mending(lake, mending).items() if day >= first_date}
    return Completeness(
        *(inside, fault, omissions, due_arrival_dates(lake), due, first_date, days_outside, moment, to_mend),
        redeliveries=None if queue is None else _redeliveries_in(queue),
    )


def _redeliveries_in(queue: Queue) -> int | str:
    try:
        state = queue.state()
    except StorageError as error:
        return str(error)
    return state.waiting_messages + state.received_messages
