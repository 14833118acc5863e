"""Field ids: numbers by which Iceberg readers find a column in a file, even if it was renamed.

Each field of a table has one, at any depth, and keeps it through all changes of the schema. The table's log stores them
in the metadata of the fields. Columns that a definition drops stay in the log, so their ids are not reused.

Schemas are handled as the JSON of logs, because objects of deltalake take five times as long.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import Any

from deltalake import Schema

#: Key of the id in the metadata of a field. Not `parquet.field.id`, with which DuckDB reads nulls from older files.
FIELD_ID = "event_platform.field_id"

#: Key in the metadata of a field: the ids of its unnamed types, a JSON object by path: `element`, `value.key`.
NESTED_IDS = "event_platform.nested_ids"

#: Names from the column down. Elements of lists are `element`, those of maps `key` and `value`.
Path = tuple[str, ...]
FieldIds = Mapping[Path, int]

#: A field in a log; the fields of a schema or struct; and the type of a field: a text, or an object.
JsonField = dict[str, Any]
JsonFields = list[JsonField]
JsonType = Any

#: Names of what the types of fields are made of, by their keys in JSON.
UNNAMED = {"elementType": "element", "keyType": "key", "valueType": "value"}

#: Larger ones are Iceberg's own columns.
_LARGEST = 2**31 - 1 - 201


def with_field_ids(schema: Schema, kept: Schema | None = None) -> Schema:
    """Return the schema with an id for each field: its id in `kept` (by default, in the schema itself).

    Fields without an id get new ones, above all others. The first id is 1.
    """
    fields = json_fields(schema)
    return schema_of(number_fields(fields, fields if kept is None else json_fields(kept)))


def ids_by_path(schema: Schema) -> FieldIds:
    """Return the ids of the fields of a schema. Fields without are left out."""
    return _known_ids(json_fields(schema))[0]


def field_ids(schema: Schema) -> dict[str, int]:
    """Return the ids by the names that Iceberg has for fields: `a.b`, `items.element.price`, `labels.value`."""
    return {".".join(path): number for path, number in ids_by_path(schema).items()}


def json_fields(schema: Schema) -> JsonFields:
    """Return the fields of a schema as JSON, as its log stores them."""
    fields: JsonFields = json.loads(schema.to_json())["fields"]
    return fields


def schema_of(fields: JsonFields) -> Schema:
    """Return the schema of fields as a log has them."""
    return Schema.from_json(json.dumps({"type": "struct", "fields": fields}))


def number_fields(fields: JsonFields, kept: JsonFields, retyped: Collection[Path] = ()) -> JsonFields:
    """Return the fields with their ids (see `with_field_ids`); `retyped` fields get new ones, like new fields.

    Fields nested in a retyped field get new ids as well: files have other types under the old ids.
    """
    known, new = _known_ids(kept)
    ids = {
        path: (None if _is_below(path, retyped) else known.get(path)) or next(new) for path, _ in _stored_ids(fields)
    }
    return _numbered_fields(fields, (), ids)


def _is_below(path: Path, fields: Collection[Path]) -> bool:
    return any(path[:length] in fields for length in range(1, len(path) + 1)) if fields else False


def _known_ids(fields: JsonFields) -> tuple[FieldIds, Iterator[int]]:
    """Return the ids in use, and an iterator of free ids, starting above the largest."""
    by_id: dict[int, Path] = {}
    for path, value in _stored_ids(fields):
        if (number := _as_id(value)) is not None:
            by_id.setdefault(number, path)  # metadata copied from another column are not its own
    return {path: number for number, path in by_id.items()}, count(max(by_id, default=0) + 1)


def _as_id(value: Any) -> int | None:
    """Return a stored id; None for any other value. Writers that merge schemas turn numbers into texts."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) <= _LARGEST else None


def _stored_ids(fields: JsonFields, parent: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the path of each field at any depth, and the id in its metadata."""
    for field in fields:
        path, metadata = (*parent, field["name"]), field["metadata"]
        yield path, metadata.get(FIELD_ID)
        if not isinstance(field["type"], str):
            nested = _nested_ids(metadata)
            for below, dtype in _unnamed(field["type"]):
                if below:
                    yield (*path, *below), nested.get(".".join(below))
                if "fields" in dtype:
                    yield from _stored_ids(dtype["fields"], (*path, *below))


def _nested_ids(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        ids = json.loads(str(metadata.get(NESTED_IDS, "{}")))
    except ValueError:
        return {}
    return ids if isinstance(ids, dict) else {}


def _unnamed(dtype: JsonType, below: Path = ()) -> Iterator[tuple[Path, JsonType]]:
    """Yield a type, and the unnamed types nested in it: elements, keys and values, at any depth."""
    yield below, dtype
    for key, name in UNNAMED.items():
        if key in dtype:
            yield from _unnamed(dtype[key], (*below, name))


def _numbered_fields(fields: JsonFields, parent: Path, ids: FieldIds) -> JsonFields:
    return [_numbered_field(field, (*parent, field["name"]), ids) for field in fields]


def _numbered_field(field: JsonField, path: Path, ids: FieldIds) -> JsonField:
    metadata = {key: value for key, value in field["metadata"].items() if key != NESTED_IDS} | {FIELD_ID: ids[path]}
    if isinstance(field["type"], str):
        return {**field, "metadata": metadata}
    nested = {".".join(below): ids[*path, *below] for below, _ in _unnamed(field["type"]) if below}
    metadata |= {NESTED_IDS: json.dumps(nested)} if nested else {}
    return {**field, "type": _numbered_type(field["type"], path, ids), "metadata": metadata}


def _numbered_type(dtype: JsonType, path: Path, ids: FieldIds) -> JsonType:
    if isinstance(dtype, str):
        return dtype
    if "fields" in dtype:
        return {**dtype, "fields": _numbered_fields(dtype["fields"], path, ids)}
    inner = {key: _numbered_type(dtype[key], (*path, name), ids) for key, name in UNNAMED.items() if key in dtype}
    return {**dtype, **inner}
