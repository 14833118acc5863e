"""The tracking plan: a folder of JSON Schemas, one for each event name, and the stream's `envelope.yaml`.

A schema's `title` is its event's name. Only a catalogued name becomes an asset key or a table.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from jsonschema_rs import Draft202012Validator

from event_platform.events.classification import VALID_NAME
from event_platform.events.columns import UNSUPPORTED, Column, parse_columns, typed
from event_platform.events.envelope import Envelope, load_envelope
from event_platform.events.errors import CatalogError
from event_platform.events.event import EVENT_COLUMNS, RESCUED_COLUMN

ENVELOPE_FILE = "envelope.yaml"
#: The safe loader in C, where PyYAML has it: a hundred schemas load in a fifth of the time.
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_METASCHEMA = Draft202012Validator({"$ref": "https://json-schema.org/draft/2020-12/schema"})
#: A table's folder has the name of its type, and most file systems take 255 characters.
_MAX_TITLE_LENGTH = 200
_SUFFIXES = {".yaml", ".yml", ".json"}


@dataclass(frozen=True)
class EventType:
    """One catalogued event: its name, the key of its asset and table, and the columns of its payload."""

    name: str
    key: str
    columns: tuple[Column, ...]
    description: str = ""
    owner: str | None = None

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns of the event's table."""
        payload = {column.name: column.dtype for column in typed(self.columns)}
        return pl.Schema({**EVENT_COLUMNS, **payload, RESCUED_COLUMN: pl.String})


@dataclass(frozen=True)
class Catalog:
    """Everything that is known of a stream before it is read."""

    envelope: Envelope
    event_types: tuple[EventType, ...]

    @cached_property
    def by_key(self) -> dict[str, EventType]:
        """The event types by their key."""
        return {event_type.key: event_type for event_type in self.event_types}

    @cached_property
    def names(self) -> frozenset[str]:
        """The registered event names."""
        return frozenset(event_type.name for event_type in self.event_types)


def key_of(name: str) -> str:
    """Turn an event name into the key of its asset and table: `lesson:started` → `lesson_started`."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name)


def load_catalog(folder: Path) -> Catalog:
    """Read and validate every schema in `folder`. Raises CatalogError, one line for each fault."""
    if not folder.is_dir():
        raise CatalogError(f"{folder}: no such folder; set EVENT_PLATFORM_CATALOG to a folder of JSON Schemas")
    faults: list[str] = []
    envelope = _load_envelope(folder, faults)
    event_types: list[EventType] = []
    for path in sorted(folder.iterdir()):
        if path.suffix in _SUFFIXES and path.name != ENVELOPE_FILE:
            event_type = _load_event_type(path, envelope, faults)
            if event_type is not None:
                faults.extend(_clash(path, event_type, event_types))
                event_types.append(event_type)
    if faults:
        raise CatalogError("\n".join(faults))
    return Catalog(envelope, tuple(event_types))


def _load_envelope(folder: Path, faults: list[str]) -> Envelope:
    try:
        return load_envelope(folder / ENVELOPE_FILE)
    except CatalogError as error:
        faults.append(str(error))
        return Envelope()  # so that the faults of the schemas are found as well


def _clash(path: Path, new: EventType, known: list[EventType]) -> list[str]:
    # Compared without case: the key is a folder's name, and not every file system tells case.
    return [
        f"{path}: title: {new.name!r} has the same table as {other.name!r} ({new.key}); rename one or drop a file"
        for other in known
        if other.key.lower() == new.key.lower()
    ]


def _load_event_type(path: Path, envelope: Envelope, faults: list[str]) -> EventType | None:
    document = _load_document(path, faults)
    if document is None:
        return None
    found = _schema_faults(document)
    told = {fault.partition(":")[0] for fault in found}
    found += [fault for fault in _event_faults(document) if fault.partition(":")[0] not in told]
    columns: tuple[Column, ...] = ()
    if not found:
        columns = parse_columns(_without_envelope(document, envelope), "properties", found)
    # A line each, even where a key holds a newline.
    faults.extend(f"{path}: {' '.join(fault.split())}" for fault in found)
    if found:
        return None
    name = document["title"]
    return EventType(name, key_of(name), columns, document.get("description", ""), document.get("x-owner"))


def _load_document(path: Path, faults: list[str]) -> Mapping[str, Any] | None:
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=_YAML_LOADER)  # noqa: S506 - both are safe loaders
        unquoted = list(_unquoted(document))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        faults.append(f"{path}: cannot be read: {' '.join(str(error).split())}")
        return None
    if unquoted:
        faults.extend(f"{path}: {fault}" for fault in unquoted)
        return None
    if not isinstance(document, Mapping):
        faults.append(f"{path}: expected a JSON Schema: an object with title, type and properties")
        return None
    return document


def _unquoted(value: Any, where: str = "") -> Iterator[str]:
    """Yield what YAML takes for something that JSON does not have: a key such as `on` or `1`, a date."""
    if isinstance(value, dict):
        for key, below in value.items():
            if not isinstance(key, str):
                yield f"{where}{key}: YAML does not take this key for a text; put it in quotes"
            yield from _unquoted(below, f"{where}{key}.")
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _unquoted(below, f"{where}{number}.")
    elif not isinstance(value, str | int | float | None):
        yield f"{where.rstrip('.')}: YAML does not take {str(value)!r} for a text; put it in quotes"


def _schema_faults(document: Mapping[str, Any]) -> list[str]:
    errors = _METASCHEMA.iter_errors(document)
    faults = {".".join(map(str, error.instance_path)): " ".join(error.message.split()) for error in errors}
    return [f"{key or 'schema'}: {message[:200]}" for key, message in sorted(faults.items())]


def _event_faults(document: Mapping[str, Any]) -> list[str]:
    title = document.get("title")
    if not isinstance(title, str) or len(title) > _MAX_TITLE_LENGTH or not VALID_NAME.fullmatch(title):
        return [f"title: expected the event's name, such as lesson:started, got {title!r}"]
    if document.get("type", "object") != "object":
        return [f"type: an event is an object, got {document['type']!r}"]
    return [f"{key}: not supported; write the properties here" for key in UNSUPPORTED if key in document]


def _without_envelope(document: Mapping[str, Any], envelope: Envelope) -> dict[str, Any]:
    """Drop the fields that the event columns hold already, unless the schema wants them in a column of their own."""
    properties = {
        field: definition
        for field, definition in document.get("properties", {}).items()
        if field not in envelope.consumed or (isinstance(definition, Mapping) and "x-column" in definition)
    }
    return {**document, "properties": properties}
