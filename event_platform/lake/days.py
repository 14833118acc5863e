"""Days that are looked at together: many small ones cost what one does, and large ones would not fit."""

from collections.abc import Iterator, Sequence
from datetime import date

from event_platform.lake.snapshot import Snapshot


def together(table: Snapshot, dates: Sequence[date], rows: int) -> Iterator[list[date]]:
    """Group dates so that no group has more than `rows` in the table, but for a day that has more by itself."""
    counts = table.rows_by_date(dates)
    held: list[date] = []
    count = 0
    for day in dates:
        if held and count + counts.get(day, 0) > rows:
            yield held
            held, count = [], 0
        held.append(day)
        count += counts.get(day, 0)
    yield held
