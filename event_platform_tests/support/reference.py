"""What the tables must hold, told once more in plain Python: one record at a time, nothing clever."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

Place = tuple[date, str, int]


class Fates(NamedTuple):
    """Where each record has to be, by its place: arrival date, object and number."""

    corrupt: set[Place]
    unique: set[Place]
    duplicates: dict[Place, tuple[str, Place]]  # kind and survivor


def fates(landed: dict[tuple[date, str], Sequence[str]], window_days: int) -> Fates:
    """Judge all records of `landed` (by arrival date and object) in the order of arrival."""
    result, sound = Fates(set(), set(), {}), list[tuple[Place, date, dict[str, Any], str]]()
    for (arrival, name), lines in sorted(landed.items()):
        for number, line in enumerate(lines):
            place = (arrival, name, number)
            try:
                event = json.loads(line)
                created = datetime.fromtimestamp(event["created_at"], UTC).date()
            except (ValueError, KeyError):
                created = date.max
            if created - arrival > timedelta(days=1):
                result.corrupt.add(place)
                continue
            earlier = (
                (before, body)
                for before, day, other, body in sound
                if other["event_uuid"] == event["event_uuid"]
                and (arrival - before[0] <= timedelta(days=window_days) or day == created)
            )
            survivor, body = next(earlier, (None, None))
            if survivor is None:
                result.unique.add(place)
            else:
                result.duplicates[place] = ("redelivery" if body == line else "conflict", survivor)
            sound.append((place, created, event, line))
    return result
