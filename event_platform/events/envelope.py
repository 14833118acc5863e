"""The location of the common fields in a record: id, name and time.

The default envelope reads `event_uuid`, `event_name` and `created_at` (Unix seconds) from the top of each record.
"""

import re
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import assert_never

FieldPath = tuple[str, ...]


class TimeUnit(StrEnum):
    """Unit or format of `created_at` in a record. Values that depend on the unit are properties here."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"
    ISO8601 = "iso8601"
    AUTO = "auto"

    @property
    def per_second(self) -> int | None:
        """Number of units in a second; None if the record determines it."""
        match self:
            case TimeUnit.SECONDS:
                return 1
            case TimeUnit.MILLISECONDS:
                return 1_000
            case TimeUnit.MICROSECONDS:
                return 1_000_000
            case TimeUnit.NANOSECONDS:
                return 1_000_000_000
            case TimeUnit.ISO8601 | TimeUnit.AUTO:
                return None
            case _:
                assert_never(self)

    @property
    def is_text(self) -> bool:
        """Whether a number is no time."""
        return self is TimeUnit.ISO8601


#: A JSON number, possibly in a text.
NUMBER = re.compile(r"^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$")

#: Upper limits of `auto` for each unit: seconds reach the year 5138, the others begin in 1973.
AUTO_LIMITS = ((1e11, TimeUnit.SECONDS), (1e14, TimeUnit.MILLISECONDS), (1e17, TimeUnit.MICROSECONDS))


def unit_by_magnitude(number: float) -> TimeUnit:
    """Return the unit that `auto` takes a number to be in."""
    return next((unit for limit, unit in AUTO_LIMITS if abs(number) < limit), TimeUnit.NANOSECONDS)


@dataclass(frozen=True)
class RecordsPath:
    """The location of records within an object or line: keys, each with a flag that its value is an array.

    The path of `Records[]` is (("Records", True),); that of `logEvents[].message` is (("logEvents", True), ("message",
    False)). `context` are fields beside the records that are added to each record: the new key, and the path.
    """

    steps: tuple[tuple[str, bool], ...]
    context: tuple[tuple[str, FieldPath], ...] = ()


#: The fields of the first release. Tables are rebuilt if the text of an envelope changes, so it must keep all of these.
_FIRST = frozenset({"event_uuid", "event_name", "created_at", "unit"})


@dataclass(frozen=True)
class Envelope:
    """Paths of the common fields, each as the keys of nested objects, and how their values are read.

    `event_uuid` are the fields of the id: one field, several that are joined, or several that are hashed (`is_hashed`;
    without fields, the body is hashed). `event_name` are the parts of the name after `name_prefix`. Texts of
    `created_at` have the format `time_format`, if set; without an offset, they are in `timezone`.
    """

    event_uuid: tuple[FieldPath, ...] = (("event_uuid",),)
    event_name: tuple[FieldPath, ...] = (("event_name",),)
    created_at: FieldPath = ("created_at",)
    unit: TimeUnit = TimeUnit.SECONDS
    is_hashed: bool = False
    name_prefix: str = ""
    time_format: str | None = None
    timezone: str = "UTC"
    records: RecordsPath | None = None
    path_columns: tuple[str, ...] = ()  # partition keys of the paths of objects that are columns of event tables

    @property
    def consumed(self) -> frozenset[str]:
        """Top-level fields whose entire value is in an event column, so that they need no payload column."""
        # Event columns hold microseconds.
        paths = [] if self.unit is TimeUnit.NANOSECONDS else [self.created_at]
        if len(self.event_uuid) == 1 and not self.is_hashed:
            paths.extend(self.event_uuid)
        if len(self.event_name) == 1:
            paths.extend(self.event_name)
        return frozenset(path[0] for path in paths if len(path) == 1)

    @property
    def definition(self) -> str:
        """A canonical text of everything that tables depend on. Settings at their defaults are omitted.

        Releases that add settings therefore give the same text, and rebuild nothing.
        """
        uuid = self.event_uuid[0] if len(self.event_uuid) == 1 else self.event_uuid
        head = {"event_uuid": uuid, **{name: getattr(self, name) for name in ("event_name", "created_at", "unit")}}
        others = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in head}
        changed = {name: value for name, value in others.items() if value != getattr(Envelope, name)}
        return f"Envelope({', '.join(f'{name}={value!r}' for name, value in (head | changed).items())})"
