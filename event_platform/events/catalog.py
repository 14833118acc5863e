"""The catalog (tracking plan): a folder with a JSON Schema for each event name, and the stream's `envelope.yaml`.

The `title` of a schema is the event name. Only names in the catalog become asset keys and tables.
"""

import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from anyascii import anyascii

from event_platform.events.asset_settings import freshness_hours
from event_platform.events.column_definitions import parse_columns
from event_platform.events.columns import Column, typed, variant_paths, walk
from event_platform.events.derivation.column import DerivedColumn
from event_platform.events.derivation.parsing import KEYWORD, DeriveContext, parse_derived
from event_platform.events.derivation.references import BesideSchemas
from event_platform.events.documents import DocumentError, find_value_faults, read_document
from event_platform.events.drift import drift_digest
from event_platform.events.envelope import Envelope
from event_platform.events.envelope_file import load_envelope
from event_platform.events.errors import CatalogError
from event_platform.events.event import EVENT_COLUMNS, RESCUED, RESERVED_COLUMNS, ColumnSpec
from event_platform.events.mending.files import NO_MENDING, Mending, load_mending
from event_platform.events.path_columns import path_column_specs
from event_platform.events.personal import personal_paths
from event_platform.events.schema_faults import document_faults, limit_faults

ENVELOPE_FILE = "envelope.yaml"
#: The key names a table's folder and a schema's file. Most file systems allow 255 characters.
_MAX_KEY_LENGTH, _DIGEST_LENGTH = 200, 16
SUFFIXES = {".yaml", ".yml", ".json"}


@dataclass(frozen=True)
class EventType:
    """An event type of the catalog: its name, the key of its asset and table, and its payload columns.

    Events of `other_names` are of this type as well.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    description: str = ""
    owner: str | None = None
    #: Where the UI shows its asset. The first part of the name, or the schema's `x-group`.
    group: str = "events"
    #: Partition keys of the paths of objects that are columns as well.
    path_columns: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    #: Hours without a materialization after which its asset warns and fails: the schema's `x-freshness`.
    freshness_hours: tuple[float, float] | None = None
    #: Standard deviations from what is usual that warn: the schema's `x-volume`, which may be false.
    volume_deviations: float | None = None
    is_volume_compared: bool = True
    #: Columns that are made of other ones: the schema's `x-derive`.
    derived: tuple[DerivedColumn, ...] = ()
    #: A number for all that the schema says, descriptions included: another one where it says something else.
    schema_digest: int = field(default=0, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its events, its own first."""
        return (self.name, *self.other_names)

    @cached_property
    def table_columns(self) -> tuple[ColumnSpec, ...]:
        """The columns of the event's table."""
        payload = (ColumnSpec(each.name, each.dtype, comment=each.description) for each in typed(self.stored))
        return (*EVENT_COLUMNS.values(), *path_column_specs(self.path_columns), *payload, RESCUED)

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns of the payload, and the derived ones."""
        return (*self.columns, *(each.column for each in self.derived))

    @property
    def derivations(self) -> list[list[str]]:
        """Name and digest of each derived column: others where the same events would have other values."""
        return [[each.name, each.digest] for each in self.derived]

    @cached_property
    def schema(self) -> pl.Schema:
        """The names and types of these columns."""
        return pl.Schema({column.name: column.type for column in self.table_columns})

    @cached_property
    def variants(self) -> frozenset[tuple[str, ...]]:
        """The paths of the columns that are variants, or arrays or maps of them."""
        return frozenset(variant_paths(self.columns))

    @cached_property
    def constraints_digest(self) -> int:
        """A number for what the schema requires of values: another one where it requires something else."""
        rules = [(path, column.kind.value, column.constraints) for path, column in walk(self.columns)]
        return zlib.crc32(repr(rules).encode())

    @cached_property
    def drift_digest(self) -> int:
        """A number for the fields that the schema knows: another one where it knows others."""
        return drift_digest(self.columns)


@dataclass(frozen=True)
class Catalog:
    """The envelope and the event types of a stream, and the functions that mend its dead letters."""

    envelope: Envelope
    event_types: tuple[EventType, ...]
    folder: str = field(default="", compare=False)  # where it was read from
    mending: Mending = NO_MENDING

    @cached_property
    def by_key(self) -> dict[str, EventType]:
        """The event types by their key."""
        return {event_type.key: event_type for event_type in self.event_types}

    @cached_property
    def by_name(self) -> dict[str, EventType]:
        """The event types by each of their names."""
        return {name: event_type for event_type in self.event_types for name in event_type.names}

    @cached_property
    def names(self) -> frozenset[str]:
        """The registered event names."""
        return frozenset(self.by_name)


def key_of(name: str) -> str:
    """Return the key of an event name, which names its asset and table: `lesson:started` → `lesson_started`.

    A key has at most 200 characters; a longer one is cut and ends with a digest of the name. It never begins with `_`,
    because readers of tables skip such folders (`_delta_log`): `_x` → `event_x`. Letters of other scripts become Latin
    ones: `购买` → `GouMai`.
    """
    key = re.sub(r"[^A-Za-z0-9]+", "_", name if name.isascii() else anyascii(name))
    key = f"event{key}" if not key or key.startswith("_") else key
    if len(key) <= _MAX_KEY_LENGTH:
        return key
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{key[: _MAX_KEY_LENGTH - _DIGEST_LENGTH - 1]}_{digest}"


def first_part(name: str) -> str:
    """Return the first part of an event name, or the whole where that is empty."""
    return name.partition(":")[0] or name


def load_catalog(folder: Path) -> Catalog:
    """Read and validate what is in `folder`. Raises CatalogError, one line for each fault."""
    return load_with_documents(folder)[0]


def load_with_documents(folder: Path) -> tuple[Catalog, dict[str, Mapping[str, Any]]]:
    """Load a catalog, and return it with its schemas by the names of their files: each file is read once."""
    faults: list[str] = []
    documents: dict[str, Mapping[str, Any]] = {}
    files, beside = schema_files(folder), BesideSchemas(folder)
    envelope = _load_envelope(folder, faults)
    event_types: dict[str, list[EventType]] = defaultdict(list)
    names: dict[str, EventType] = {}
    for path in files:
        document = _load_document(path, faults)
        if document is None:
            continue
        documents[path.name] = document
        event_type = _load_event_type(path, document, envelope, beside, faults)
        if event_type is not None:
            # Case is ignored: the key names a folder, and some file systems ignore case.
            alike = event_types[event_type.key.lower()]
            faults.extend(_clashes(path, event_type, alike))
            alike.append(event_type)
            faults.extend(
                f"{path}: x-names: {name!r} is a name of {names[name].name!r} as well; an event has one type"
                for name in event_type.names
                if name in names and names[name] not in alike
            )
            names |= dict.fromkeys(event_type.names, event_type)
    mending = load_mending(folder, names, faults)
    if faults:
        raise CatalogError("\n".join(faults))
    found = tuple(event_type for alike in event_types.values() for event_type in alike)
    return Catalog(envelope, found, str(folder), mending), documents


def schema_files(folder: Path) -> list[Path]:
    """Return the schema files of `folder`, by suffix, without hidden ones, which editors make.

    Raises CatalogError if the folder cannot be read.
    """
    try:
        files = sorted(folder.iterdir())
    except FileNotFoundError as error:
        raise CatalogError(
            f"{folder}: no such folder; set EVENT_PLATFORM_CATALOG to a folder of JSON Schemas"
        ) from error
    except OSError as error:
        raise CatalogError(f"{folder}: expected a folder of JSON Schemas: {error.strerror}") from error
    shown = (path for path in files if not path.name.startswith("."))
    return [path for path in shown if path.suffix in SUFFIXES and path.name != ENVELOPE_FILE]


def _load_envelope(folder: Path, faults: list[str]) -> Envelope:
    try:
        return load_envelope(folder / ENVELOPE_FILE)
    except CatalogError as error:
        faults.append(str(error))
        return Envelope()  # so that the faults of the schemas are reported as well


def _clashes(path: Path, new: EventType, alike: list[EventType]) -> list[str]:
    return [
        f"{path}: title: {new.name!r} has the same table as {other.name!r} ({new.key}); rename one or drop a file"
        for other in alike
    ]


def _load_event_type(
    path: Path, document: Mapping[str, Any], envelope: Envelope, beside: BesideSchemas, faults: list[str]
) -> EventType | None:
    found = document_faults(document)
    columns: tuple[Column, ...] = ()
    if not found:
        taken = RESERVED_COLUMNS | {key.lower() for key in envelope.path_columns}
        columns = parse_columns(_without_envelope(document, envelope), "properties", found, taken)
        found += limit_faults(columns)
    derived = _derived(document, columns, envelope, beside, found) if not found else ()
    # One line per fault, even if a key holds a newline.
    faults.extend(f"{path}: {' '.join(fault.split())}" for fault in found)
    if found:
        return None
    name = document["title"]
    return EventType(
        name,
        key_of(name),
        columns,
        document.get("description", ""),
        owner=document.get("x-owner") or None,
        group=document.get("x-group") or key_of(first_part(name)),
        other_names=tuple(dict.fromkeys(each for each in document.get("x-names", ()) if each != name)),
        path_columns=envelope.path_columns,
        freshness_hours=freshness_hours(document),
        volume_deviations=(document.get("x-volume") or {}).get("deviations"),
        is_volume_compared=document.get("x-volume") is not False,
        derived=derived,
        schema_digest=zlib.crc32(json.dumps(document).encode()),
    )


def _derived(
    document: Mapping[str, Any],
    columns: tuple[Column, ...],
    envelope: Envelope,
    beside: BesideSchemas,
    faults: list[str],
) -> tuple[DerivedColumn, ...]:
    if KEYWORD not in document:
        return ()
    specs = (*EVENT_COLUMNS.values(), *path_column_specs(envelope.path_columns))
    known = {each.name: each.type for each in specs} | {each.name: each.dtype for each in typed(columns)}
    personal = {path[0] for path in personal_paths(columns)}
    # A property without a column has its values in `_rescued`, and nowhere else.
    taken = {str(name).casefold() for name in (*known, *(each.name for each in columns))} | RESERVED_COLUMNS
    return parse_derived(document[KEYWORD], DeriveContext(known, taken, personal, beside), faults)


def _load_document(path: Path, faults: list[str]) -> Mapping[str, Any] | None:
    try:
        document = read_document(path)
    except DocumentError as error:
        faults.append(f"{path}: cannot be read: {error}")
        return None
    found = list(find_value_faults(document))
    if not found and not isinstance(document, Mapping):
        found = ["expected a JSON Schema: an object with title, type and properties"]
    faults.extend(f"{path}: {' '.join(fault.split())}" for fault in found)
    return None if found else document


def _without_envelope(document: Mapping[str, Any], envelope: Envelope) -> dict[str, Any]:
    """Drop the fields that event columns hold, unless the schema gives them a column with `x-column`."""
    properties = {
        field: definition
        for field, definition in document.get("properties", {}).items()
        if field not in envelope.consumed or (isinstance(definition, Mapping) and "x-column" in definition)
    }
    return {**document, "properties": properties}
