"""The CPU time of each day: app transactions in the log of a table that the step writes.

Stored there, it costs no request, and the rows of tables do not depend on the machine. A step distributes its time over
the days that it writes, in proportion to their rows.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import date

from deltalake.transaction import AddAction

from event_platform.compute.tasks import step_seconds
from event_platform.lake.files import added_file
from event_platform.lake.snapshot import Snapshot


def add_step_time(target: Snapshot, days: Collection[date], adds: Iterable[AddAction]) -> dict[str, int]:
    """Return the app transactions with the CPU milliseconds of days, including the present step so far.

    `adds` are the files that the step writes. Each day counts one extra row, because empty days take time as well.
    Empty if nobody counts the time.
    """
    milliseconds, rows = 1000 * step_seconds(), Counter[date](iter(days))  # of a mapping, it would take the values
    for add in adds:
        file = added_file(target.table, add)
        rows[file.partition] += file.rows
    if not (milliseconds and days):
        return {}
    total_rows = sum(rows[day] for day in days)
    old_milliseconds = {day: target.transaction(_id(target, day)) or 0 for day in days}
    return {_id(target, day): old_milliseconds[day] + round(milliseconds * rows[day] / total_rows) for day in days}


def cpu_seconds(tables: Iterable[Snapshot], days: Collection[date]) -> Mapping[date, float]:
    """Return the sum of the CPU seconds of each day in the logs of some tables, without days that no log has."""
    milliseconds = Counter[date]()
    for table in tables:
        milliseconds.update({day: table.transaction(_id(table, day)) or 0 for day in days})
    return {day: value / 1000 for day, value in milliseconds.items() if value}


def _id(table: Snapshot, day: date) -> str:
    return f"cpu_milliseconds:{table.app_id(day)}"
