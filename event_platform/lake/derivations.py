"""With which definitions the derived columns of a partition were made: a number in the log, for each partition.

The build fingerprint is another one after each release, too, and says what can be appended to. This number is another
one only where the same events would have other values in a derived column, so that the partition has to be rebuilt.
"""

import json
import zlib
from collections.abc import Iterable
from datetime import date

from event_platform.events.catalog import EventType
from event_platform.lake.snapshot import Snapshot


def derivation_transactions(target: Snapshot, event_type: EventType, rebuilt: Iterable[date]) -> dict[str, int]:
    """Return the app transactions to leave with a commit that rebuilds partitions of an event table."""
    return {_id(target, day): _number(event_type) for day in rebuilt} if event_type.derived else {}


def outdated_derivations(table: Snapshot, event_type: EventType) -> dict[date, str]:
    """Return the partitions of an event table that have to be rebuilt for its derived columns, and why.

    Partitions without rows have no values. Of a type that derives nothing any more, none is due: a column that the
    schema loses keeps the values that it has.
    """
    if not event_type.derived:
        return {}
    made_with = {day: table.transaction(_id(table, day)) for day in table.rows_by_date()}
    never, changed = "was built before it had derived columns", "has derived columns of other definitions"
    return {
        day: f"{table.table.name} {never if number is None else changed}"
        for day, number in sorted(made_with.items())
        if number != _number(event_type)
    }


def _number(event_type: EventType) -> int:
    return zlib.crc32(json.dumps(event_type.derivations).encode())


def _id(table: Snapshot, day: date) -> str:
    return f"derived:{table.app_id(day)}"
