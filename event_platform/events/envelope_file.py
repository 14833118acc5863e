"""`envelope.yaml` → an `Envelope`. A fault is one line with the file, the key and the expected value."""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from event_platform.events.documents import DocumentError, has_surrogate, read_document
from event_platform.events.envelope import Envelope, FieldPath, RecordsPath, TimeUnit
from event_platform.events.errors import CatalogError
from event_platform.events.event import RESERVED_COLUMNS
from event_platform.events.moments import is_time_format, is_timezone

#: Fields that an id or a name may be joined from. Each costs a lookup in every record.
_MAX_FIELDS = 16

_FIELD = "a field such as event_uuid or header.id"
_CREATED_AT_KEYS = {"field", "unit", "format", "timezone"}
_CREATED_AT = f"{{field: …, unit: {' | '.join(TimeUnit)}}}, {{field: …, format: …}} or a field in seconds"

#: A partition key that can be a column.
_PATH_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")

#: A step of `records`: a key, an array, or a key with an array.
_STEP = re.compile(r"(?P<key>[^\[\]]*)(?P<array>(?:\[\])?)")


def load_envelope(path: Path) -> Envelope:
    """Read `envelope.yaml`, or return the default envelope if there is no file. Raises CatalogError."""
    if not os.path.lexists(path):
        return Envelope()
    try:
        document = read_document(path)
    except DocumentError as error:
        raise CatalogError(f"{path}: not YAML: {error}") from error
    return _Parser(path).envelope(document)


@dataclass(frozen=True)
class _Parser:
    """Parses the parts of a file."""

    path: Path

    def envelope(self, document: Any) -> Envelope:
        if not isinstance(document, Mapping):
            raise self._fault("expected the keys event_uuid, event_name and created_at")
        keys: dict[str, Callable[[Any], Mapping[str, Any]]] = {
            "event_uuid": self._event_uuid,
            "event_name": self._event_name,
            "created_at": self._created_at,
            "records": self._records,
            "context": self._context,
            "path_columns": self._path_columns,
        }
        unknown = sorted(map(str, set(document) - keys.keys()))
        if unknown:
            raise self._fault(f"{unknown[0]}: unknown key; expected {', '.join(keys)}")
        fields = {name: value for key in keys if key in document for name, value in keys[key](document[key]).items()}
        context = fields.pop("context", ())
        if context:
            if fields.get("records") is None:
                raise self._fault("context: expected records as well: without a wrapper there is nothing around them")
            fields["records"] = RecordsPath(fields["records"].steps, context)
        envelope = Envelope(**fields)
        self._require_separate_fields(envelope)
        return envelope

    def _event_uuid(self, value: Any) -> Mapping[str, Any]:
        if value == {"hash": "body"}:
            return {"event_uuid": (), "is_hashed": True}
        if isinstance(value, Mapping):
            if set(value) != {"hash"}:
                raise self._fault("event_uuid: expected a field, several, {hash: body} or {hash: [field, …]}")
            listed = value["hash"] if isinstance(value["hash"], list) else [value["hash"]]
            return {"event_uuid": self._fields("event_uuid.hash", listed), "is_hashed": True}
        if isinstance(value, list) and (len(value) != 1 or isinstance(value[0], list)):
            return {"event_uuid": self._fields("event_uuid", value)}
        return {"event_uuid": (self._field("event_uuid", value),)}

    def _event_name(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            return {"event_name": self._fields("event_name", value if isinstance(value, list) else [value])}
        if set(value) == {"constant"}:
            return {"event_name": (), "name_prefix": self._text("event_name.constant", value["constant"])}
        if "fields" not in value or set(value) - {"fields", "prefix"}:
            raise self._fault("event_name: expected a field, several, {fields: …, prefix: …} or {constant: …}")
        listed = value["fields"] if isinstance(value["fields"], list) else [value["fields"]]
        prefix = self._text("event_name.prefix", value["prefix"]) if "prefix" in value else ""
        return {"event_name": self._fields("event_name.fields", listed), "name_prefix": prefix}

    def _created_at(self, value: Any) -> Mapping[str, Any]:
        if isinstance(value, str | list):
            return {"created_at": self._field("created_at", value)}
        if not isinstance(value, Mapping) or "field" not in value or set(value) - _CREATED_AT_KEYS:
            raise self._fault(f"created_at: expected {_CREATED_AT}")
        field = self._field("created_at.field", value["field"])
        is_text = "format" in value or "timezone" in value
        unit = self._unit(value.get("unit", "iso8601" if is_text else "s"))
        if "format" in value and unit is not TimeUnit.ISO8601:
            raise self._fault(f"created_at.format: a time in a format has no unit, got {unit}")
        if "timezone" in value and unit.per_second is not None:
            raise self._fault(f"created_at.timezone: Unix time has no time zone, got unit {unit}")
        return {"created_at": field, "unit": unit, **self._text_settings(value)}

    def _unit(self, value: Any) -> TimeUnit:
        try:
            return TimeUnit(value)
        except ValueError as error:
            raise self._fault(f"created_at.unit: {value!r} is not one of {', '.join(TimeUnit)}") from error

    def _text_settings(self, value: Mapping[str, Any]) -> dict[str, str]:
        settings: dict[str, str] = {}
        if "format" in value:
            settings["time_format"] = self._text("created_at.format", value["format"])
            if not is_time_format(settings["time_format"]):
                raise self._fault(
                    f"created_at.format: expected a date and a time such as '%Y-%m-%d %H:%M:%S', "
                    f"got {value['format']!r}"
                )
        if "timezone" in value:
            settings["timezone"] = self._text("created_at.timezone", value["timezone"])
            if not is_timezone(settings["timezone"]):
                raise self._fault(
                    f"created_at.timezone: expected a name such as Europe/Berlin, got {value['timezone']!r}"
                )
        return settings

    def _records(self, value: Any) -> Mapping[str, Any]:
        parts = value.split(".") if isinstance(value, str) else value
        steps: list[tuple[str, bool]] = []
        for number, part in enumerate(parts if isinstance(parts, list) else [None]):
            step = _STEP.fullmatch(part) if isinstance(part, str) else None
            # `[]` alone is an array object, which is the default.
            if step is None or not (step["key"] or (step["array"] and number == 0)) or has_surrogate(str(part)):
                raise self._fault(f"records: expected a path such as Records[] or logEvents[].message, got {value!r}")
            steps.extend([(step["key"], bool(step["array"]))] if step["key"] else [])
        return {"records": RecordsPath(tuple(steps)) if steps else None}

    def _context(self, value: Any) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            names = [self._text("context", name) for name in value]
            return {"context": tuple(zip(names, self._fields("context", value.values()), strict=True))}
        paths = self._fields("context", value if isinstance(value, list) else [value])
        return {"context": tuple((path[-1], path) for path in paths)}

    def _path_columns(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, list) or not all(isinstance(key, str) and _PATH_KEY.fullmatch(key) for key in value):
            raise self._fault(f"path_columns: expected a list of keys such as [tenant], got {value!r}")
        lower = [key.lower() for key in value]
        taken = [key for place, key in enumerate(lower) if key in RESERVED_COLUMNS or key in lower[:place]]
        if taken:
            raise self._fault(f"path_columns: the column name {taken[0]!r} is taken (case is ignored)")
        return {"path_columns": tuple(value)}

    def _fields(self, key: str, values: Collection[Any]) -> tuple[FieldPath, ...]:
        if not values:
            raise self._fault(f"{key}: expected one or more fields, got none")
        if len(values) > _MAX_FIELDS:
            raise self._fault(f"{key}: expected up to {_MAX_FIELDS} fields, got {len(values)}")
        return tuple(self._field(key, value) for value in values)

    def _field(self, key: str, value: Any) -> FieldPath:
        """Parse a field: a text with dots between nested keys, or a list of keys, which may contain dots."""
        parts = tuple(value.split(".")) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
        if not parts or not all(isinstance(part, str) and part and not has_surrogate(part) for part in parts):
            raise self._fault(f"{key}: expected {_FIELD}, got {value!r}")
        return parts

    def _text(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not value or has_surrogate(value):
            raise self._fault(f"{key}: expected a text, got {value!r}")
        return value

    def _require_separate_fields(self, envelope: Envelope) -> None:
        # One value cannot be both a text and an object with fields. It may be the time and a part of the id.
        joined = len(envelope.event_uuid) > 1 or envelope.is_hashed
        uuids = [("event_uuid", field) for field in envelope.event_uuid]
        names = [("event_name", name) for name in envelope.event_name]
        for (key, field), (other_key, other) in combinations([*uuids, *names, ("created_at", envelope.created_at)], 2):
            shared = joined and key == "event_uuid" != other_key and field == other
            if field[: len(other)] == other[: len(field)] and not shared:
                raise self._fault(
                    f"{other_key}: {'.'.join(other)} overlaps with {key}: {'.'.join(field)};"
                    " each needs a field of its own"
                )

    def _fault(self, message: str) -> CatalogError:
        return CatalogError(f"{self.path}: {message}")


def to_document(envelope: Envelope) -> dict[str, Any]:
    """Return the shortest `envelope.yaml` document of an envelope; `load_envelope` reads it."""
    records = envelope.records
    steps = [f"{key}{'[]' if is_array else ''}" for key, is_array in records.steps] if records else []
    is_plain = all("." not in step for step in steps)
    return {
        **({"records": ".".join(steps) if is_plain else steps} if steps else {}),
        **({"context": _context_document(records)} if records and records.context else {}),
        "event_uuid": _uuid_document(envelope),
        "event_name": _name_document(envelope),
        "created_at": _time_document(envelope),
        **({"path_columns": list(envelope.path_columns)} if envelope.path_columns else {}),
    }


def _path_document(path: FieldPath) -> str | list[str]:
    return list(path) if any("." in key for key in path) else ".".join(path)


def _context_document(records: RecordsPath) -> Any:
    if all(name == path[-1] for name, path in records.context):
        return [_path_document(path) for _, path in records.context]
    return {name: _path_document(path) for name, path in records.context}


def _uuid_document(envelope: Envelope) -> Any:
    fields = [_path_document(path) for path in envelope.event_uuid]
    if envelope.is_hashed:
        return {"hash": fields or "body"}
    # A list in a list is the keys of one field.
    return fields[0] if len(fields) == 1 and (isinstance(fields[0], str) or len(fields[0]) == 1) else fields


def _name_document(envelope: Envelope) -> Any:
    fields = [_path_document(path) for path in envelope.event_name]
    if not fields:
        return {"constant": envelope.name_prefix}
    if envelope.name_prefix:
        return {"fields": fields, "prefix": envelope.name_prefix}
    return fields[0] if len(fields) == 1 and isinstance(fields[0], str) else fields


def _time_document(envelope: Envelope) -> Any:
    field = _path_document(envelope.created_at)
    zone = {"timezone": envelope.timezone} if envelope.timezone != "UTC" else {}
    if envelope.time_format is not None:
        return {"field": field, "format": envelope.time_format, **zone}
    return {"field": field, "unit": envelope.unit.value, **zone}
