"""Inputs of `bench.scale` beside the sample: a catalog and a landing zone of any shape.

Any number of event types, days and objects, with simple payloads and nothing wrong in them: where a case asks what one
more of something costs, all else should be equal.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from isal import igzip

FIRST = date(2025, 6, 1)

_TYPES_PER_AREA = 10
_HOURS, _SECONDS_PER_HOUR = 24, 3_600
_DAMAGED = b'{"event_uuid":"1","level":tru}'
_MODES = ("fast", "slow", "careful")


@dataclass(frozen=True)
class Shape:
    """The shape of a stream: its events, types, days and objects."""

    events: int
    types: int
    days: int = 1
    objects: int = 24  # a day
    registered: int | None = None  # types that the catalog has, of the first ones; None: all
    damaged: int = 0  # pieces that are no JSON; with some, nothing stands between records

    def truth(self) -> dict[str, Any]:
        """Return the expected totals."""
        registered = self.types if self.registered is None else self.registered
        rounds, rest = divmod(self.events, self.types)
        typed = rounds * registered + min(rest, registered)
        return {
            "landed": self.events + self.damaged,
            "sound": self.events,
            "corrupt": self.damaged,
            "deduplicated": self.events,
            "duplicates": {"redelivery": 0, "conflict": 0},
            "unregistered": self.events - typed,
            "typed": typed,
            "event_tables": min(registered, self.events),
        }


def type_name(number: int) -> str:
    """Return the name of an event type, such as `area3:happened37`."""
    return f"area{number // _TYPES_PER_AREA}:happened{number}"


def write_catalog(folder: Path, types: int) -> None:
    """Write a JSON Schema for each event type."""
    folder.mkdir(parents=True)
    for name in map(type_name, range(types)):
        schema = {
            "title": name,
            "type": "object",
            "required": ["user_id", "level"],
            "properties": {
                "user_id": {"type": "string", "pattern": "^usr_"},
                "level": {"type": "integer", "minimum": 1, "maximum": 99},
                "score": {"type": "number"},
                "mode": {"type": "string", "enum": list(_MODES)},
                "passed": {"type": "boolean"},
            },
        }
        (folder / f"{name.replace(':', '_')}.json").write_text(json.dumps(schema), encoding="utf-8")


def write_landing(folder: Path, shape: Shape) -> None:
    """Write the objects, each with its share of the events, of all types in turn; always the same."""
    rng = random.Random(0)  # noqa: S311 - a sample, no secret
    count = shape.days * shape.objects
    for number in range(count):
        day, of_day = divmod(number, shape.objects)
        hour = datetime.combine(FIRST + timedelta(day), datetime.min.time(), UTC)
        hour += timedelta(hours=of_day * _HOURS // shape.objects)
        share = range(number * shape.events // count, (number + 1) * shape.events // count)
        path = folder / f"{hour:%Y/%m/%d/%H}" / f"events-{of_day:06d}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        records = b"".join(_records(share, shape.types, hour, rng))
        if shape.damaged:
            damaged = (number + 1) * shape.damaged // count - number * shape.damaged // count
            records = _DAMAGED * damaged + records.replace(b"\n", b"")
        path.write_bytes(igzip.compress(records, 1, mtime=0))


def _records(numbers: range, types: int, hour: datetime, rng: random.Random) -> Iterator[bytes]:
    start = int(hour.timestamp())
    for number in numbers:
        luck, digits = rng.getrandbits(40), f"{rng.getrandbits(128):032x}"
        uuid = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
        yield (
            f'{{"event_uuid":"{uuid}","event_name":"{type_name(number % types)}",'
            f'"created_at":{start + luck % _SECONDS_PER_HOUR},"user_id":"usr_{luck % 3_000_000:08d}",'
            f'"level":{luck % 99 + 1},"score":{luck % 1_000 / 8},"mode":"{_MODES[luck % len(_MODES)]}",'
            f'"passed":{"true" if luck & 1 else "false"}}}\n'
        ).encode()
