"""Groups of days for scans: many small days cost as much as one, and large ones would not fit into memory together."""

from collections.abc import Iterator, Sequence
from datetime import date

from event_platform.lake.snapshot import Snapshot


def group_dates(table: Snapshot, dates: Sequence[date], rows: int) -> Iterator[list[date]]:
    """Group dates so that no group exceeds `rows` in the table. A larger day forms its own group."""
    counts = table.rows_by_date(dates)
    group: list[date] = []
    count = 0
    for day in dates:
        if group and count + counts.get(day, 0) > rows:
            yield group
            group, count = [], 0
        group.append(day)
        count += counts.get(day, 0)
    yield group
