"""`envelope.yaml`: which fields of a record hold the event's id, name and time.

The default envelope reads `event_uuid`, `event_name` and `created_at` (Unix seconds) from the top of each record.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Any, assert_never

from event_platform.events.documents import DocumentError, has_surrogate, read_document
from event_platform.events.errors import CatalogError
from event_platform.events.event import RESERVED_COLUMNS

FieldPath = tuple[str, ...]

#: Fields that an event name may be joined from. Each costs a lookup in every record.
_MAX_NAMES = 16


#: A partition key that can be a column.
_PATH_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")


class TimeUnit(StrEnum):
    """Unit or format of `created_at` in a record. What depends on the unit is a property here."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    ISO8601 = "iso8601"

    @property
    def microseconds(self) -> int | None:
        """Microseconds in one of the unit; None where the time is a text."""
        match self:
            case TimeUnit.SECONDS:
                return 1_000_000
            case TimeUnit.MILLISECONDS:
                return 1_000
            case TimeUnit.MICROSECONDS:
                return 1
            case TimeUnit.ISO8601:
                return None
            case _:
                assert_never(self)

    @property
    def is_text(self) -> bool:
        """Whether the time is a text, not a number."""
        return self.microseconds is None


#: The fields of the first envelope. Tables are rebuilt where the text of an envelope changes, and it has all of these.
_FIRST = frozenset({"event_uuid", "event_name", "created_at", "unit"})


@dataclass(frozen=True)
class Envelope:
    """Paths of the common fields. A dot in `envelope.yaml` separates the keys of nested objects."""

    event_uuid: FieldPath = ("event_uuid",)
    event_name: tuple[FieldPath, ...] = (("event_name",),)
    created_at: FieldPath = ("created_at",)
    unit: TimeUnit = TimeUnit.SECONDS
    path_columns: tuple[str, ...] = ()  # partition keys of the paths of objects that are columns of event tables

    def __repr__(self) -> str:
        """Return the fields: those that came later only where they are set, so that an upgrade rebuilds no table."""
        shown = (each for each in fields(self) if each.name in _FIRST or getattr(self, each.name) != each.default)
        return f"Envelope({', '.join(f'{each.name}={getattr(self, each.name)!r}' for each in shown)})"

    @property
    def consumed(self) -> frozenset[str]:
        """Top-level fields whose whole value is in an event column, and which therefore need no payload column."""
        paths = [self.event_uuid, self.created_at]
        if len(self.event_name) == 1:
            paths.extend(self.event_name)
        return frozenset(path[0] for path in paths if len(path) == 1)


def load_envelope(path: Path) -> Envelope:
    """Read `envelope.yaml`, or return the default envelope where there is no file. Raises CatalogError."""
    if not os.path.lexists(path):
        return Envelope()
    try:
        document = read_document(path)
    except DocumentError as error:
        raise CatalogError(f"{path}: not YAML: {error}") from error
    if not isinstance(document, Mapping):
        raise CatalogError(f"{path}: expected the keys event_uuid, event_name and created_at")
    unknown = sorted(map(str, set(document) - {"event_uuid", "event_name", "created_at", "path_columns"}))
    if unknown:
        raise CatalogError(
            f"{path}: {unknown[0]}: unknown key; expected event_uuid, event_name, created_at, path_columns"
        )
    created_at, unit = _created_at(path, document.get("created_at", "created_at"))
    names = document.get("event_name", "event_name")
    if names == []:
        raise CatalogError(f"{path}: event_name: expected one or more fields, got none")
    if isinstance(names, list) and len(names) > _MAX_NAMES:
        raise CatalogError(f"{path}: event_name: expected up to {_MAX_NAMES} fields, got {len(names)}")
    envelope = Envelope(
        event_uuid=_field(path, "event_uuid", document.get("event_uuid", "event_uuid")),
        event_name=tuple(_field(path, "event_name", name) for name in (names if isinstance(names, list) else [names])),
        created_at=created_at,
        unit=unit,
        path_columns=_path_columns(path, document.get("path_columns", [])),
    )
    _require_separate_fields(path, envelope)
    return envelope


def _created_at(path: Path, value: Any) -> tuple[FieldPath, TimeUnit]:
    if isinstance(value, str):
        return _field(path, "created_at", value), TimeUnit.SECONDS
    if not isinstance(value, Mapping) or set(value) - {"field", "unit"} or "field" not in value:
        raise CatalogError(f"{path}: created_at: expected {{field: …, unit: {' | '.join(TimeUnit)}}}")
    try:
        unit = TimeUnit(value.get("unit", "s"))
    except ValueError as error:
        raise CatalogError(f"{path}: created_at.unit: {value['unit']!r} is not one of {', '.join(TimeUnit)}") from error
    return _field(path, "created_at.field", value["field"]), unit


def _path_columns(path: Path, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and _PATH_KEY.fullmatch(each) for each in value):
        raise CatalogError(f"{path}: path_columns: expected a list of keys such as [tenant], got {value!r}")
    lower = [each.lower() for each in value]
    taken = [each for place, each in enumerate(lower) if each in RESERVED_COLUMNS or each in lower[:place]]
    if taken:
        raise CatalogError(f"{path}: path_columns: the column name {taken[0]!r} is taken (case is ignored)")
    return tuple(value)


def _require_separate_fields(path: Path, envelope: Envelope) -> None:
    # One value cannot be both id and time, nor both a text and an object with fields.
    names = [("event_name", name) for name in envelope.event_name]
    fields = [("event_uuid", envelope.event_uuid), *names, ("created_at", envelope.created_at)]
    for (key, field), (other_key, other) in combinations(fields, 2):
        if field[: len(other)] == other[: len(field)]:
            raise CatalogError(
                f"{path}: {other_key}: {'.'.join(other)} overlaps with {key}: {'.'.join(field)};"
                " each needs a field of its own"
            )


def _field(path: Path, key: str, value: Any) -> FieldPath:
    parts = tuple(value.split(".")) if isinstance(value, str) else ()
    if not parts or not all(parts) or has_surrogate(value):
        raise CatalogError(f"{path}: {key}: expected a field such as event_uuid or header.id, got {value!r}")
    return parts
