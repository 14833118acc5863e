"""What is wrong with the schema of an event type, one line for each fault."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

from event_platform.events.asset_settings import setting_fault
from event_platform.events.column_definitions import UNSUPPORTED
from event_platform.events.columns import MAX_DEPTH, Column, typed
from event_platform.events.corruption import is_name
from event_platform.events.schema_version import version_fault

_METASCHEMA = Draft202012Validator({"$ref": "https://json-schema.org/draft/2020-12/schema"})
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
#: Columns of a table, nested ones included. Each costs time in every run.
_MAX_COLUMNS = 10_000


def document_faults(document: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a schema beside its properties: one fault for each key."""
    found = _metaschema_faults(document)
    reported = {fault.partition(":")[0] for fault in found}
    return [*found, *(fault for fault in _event_faults(document) if fault.partition(":")[0] not in reported)]


def _metaschema_faults(document: Mapping[str, Any]) -> list[str]:
    errors = _METASCHEMA.iter_errors(document)
    faults = {".".join(map(str, error.instance_path)): _message(error) for error in errors}
    return [f"{key or 'schema'}: {message[:200]}" for key, message in sorted(faults.items())]


def _message(error: ValidationError) -> str:
    if error.schema_path[-1] == "anyOf":  # the only one of the metaschema is that of `type`
        return f"expected one or several of {', '.join(_TYPES)}, got {error.instance!r}"
    return " ".join(error.message.split())


def _event_faults(document: Mapping[str, Any]) -> list[str]:
    title = document.get("title")
    if not isinstance(title, str) or not is_name(title):
        return [f"title: expected the event's name, such as lesson:started, got {title!r}"]
    names = document.get("x-names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and is_name(name) for name in names):
        return [f"x-names: expected a list of names of the event, such as [Order Completed], got {names!r}"]
    if fault := setting_fault(document) or version_fault(document):
        return [fault]
    if document.get("type", "object") != "object":
        return [f"type: an event is an object, got {document['type']!r}"]
    return [f"{key}: not supported; write the properties here" for key in UNSUPPORTED if key in document]


def limit_faults(columns: tuple[Column, ...]) -> Iterator[str]:
    """Yield a fault for columns that are nested too deeply, or too many, for Delta."""
    count = 0
    for column in typed(columns):
        below, depth = _extent(column)
        count += below
        if depth > MAX_DEPTH:
            yield (
                f"properties.{column.field}: nested more than {MAX_DEPTH} objects and arrays deep; "
                "leave out the type of what is deeper"
            )
    if count > _MAX_COLUMNS:
        yield f"properties: {count:,} columns, nested ones included; expected up to {_MAX_COLUMNS:,}"


def _extent(column: Column) -> tuple[int, int]:
    """Return the number of columns in a column, itself included, and the depth of its nesting."""
    inner = [_extent(each) for each in ([column.item] if column.item else typed(column.fields))]
    return 1 + sum(count for count, _ in inner), max((1 + depth for _, depth in inner), default=0)
