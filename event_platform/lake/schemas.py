"""Polars schemas ↔ Delta schemas, and how a table's schema grows when the catalog does."""

from collections.abc import Mapping

import polars as pl
from deltalake import Schema
from deltalake.schema import ArrayType, Field, MapType, PrimitiveType, StructType, VariantType
from polars._typing import PolarsDataType

from event_platform.events.errors import TableError
from event_platform.lake.field_ids import (
    UNNAMED,
    JsonField,
    JsonFields,
    JsonType,
    json_fields,
    number_fields,
    schema_of,
)

DeltaType = PrimitiveType | ArrayType | StructType | MapType | VariantType

#: Key of a field's comment in its metadata.
_COMMENT = "comment"

_PRIMITIVES: list[tuple[PolarsDataType, str]] = [
    (pl.String(), "string"),
    (pl.Int64(), "long"),
    (pl.Int32(), "integer"),
    (pl.Int16(), "short"),
    (pl.Int8(), "byte"),
    (pl.Float64(), "double"),
    (pl.Float32(), "float"),
    (pl.Boolean(), "boolean"),
    (pl.Binary(), "binary"),
    (pl.Date(), "date"),
    (pl.Datetime("us", "UTC"), "timestamp"),
]


def to_delta(schema: pl.Schema, comments: Mapping[str, str]) -> Schema:
    """Return the Delta schema of a polars one; comments show up in every catalog that knows Delta.

    Raises TableError naming the column whose type Delta lacks.
    """
    return Schema(
        [
            Field(name, _delta_type(name, dtype), metadata={_COMMENT: comments[name]} if comments.get(name) else None)
            for name, dtype in schema.items()
        ]
    )


def type_name(dtype: DeltaType) -> str:
    """Return the name of a Delta type as people write it: `long`, `array<string>`, `struct<os: string>`."""
    if isinstance(dtype, ArrayType):
        return f"array<{type_name(dtype.element_type)}>"
    if isinstance(dtype, MapType):
        return f"map<{type_name(dtype.key_type)}, {type_name(dtype.value_type)}>"
    if isinstance(dtype, StructType):
        return f"struct<{', '.join(f'{field.name}: {type_name(field.type)}' for field in dtype.fields)}>"
    return dtype.type if isinstance(dtype, PrimitiveType) else type(dtype).__name__.removesuffix("Type").lower()


def readable(stored: pl.Schema, defined: pl.Schema) -> pl.Schema:
    """Return the columns to read a table with: as its log has them, and those that only its definition has.

    What a catalog dropped, at any depth, is still in the table, and a type that it changed is still the old one there.
    """
    return pl.Schema(_readable_fields(stored, defined))


def _readable_fields(
    stored: Mapping[str, PolarsDataType], defined: Mapping[str, PolarsDataType]
) -> dict[str, PolarsDataType]:
    known = {name.lower() for name in stored}
    columns = {name: dtype for name, dtype in defined.items() if name in stored or name.lower() not in known}
    return {
        name: _readable_type(stored[name], columns.get(name)) if name in stored else columns[name]
        for name in {**columns, **stored}
    }


def _readable_type(stored: PolarsDataType, defined: PolarsDataType | None) -> PolarsDataType:
    if isinstance(stored, pl.Struct) and isinstance(defined, pl.Struct):
        return pl.Struct(_readable_fields(stored.to_schema(), defined.to_schema()))
    if isinstance(stored, pl.List) and isinstance(defined, pl.List):
        return pl.List(_readable_type(stored.inner, defined.inner))
    if isinstance(stored, pl.Map) and isinstance(defined, pl.Map):
        return pl.Map(stored.key, _readable_type(stored.value, defined.value))
    return stored


def merged(table: str, old: Schema, new: Schema) -> Schema:
    """Return the old schema with the new columns behind it, and with an id for each field: see `field_ids`.

    Raises TableError where a column changed its type, or its name in nothing but case: most readers ignore that.
    """
    stored = json_fields(old)
    fields = number_fields(_merged_fields(table, stored, json_fields(new)), stored)
    return old if fields == stored else schema_of(fields)


def _merged_fields(where: str, old: JsonFields, new: JsonFields) -> JsonFields:
    by_name, names = {field["name"]: field for field in new}, [field["name"] for field in old]
    spelled = {name.lower(): name for name in names} | {name: name for name in names}
    for name in by_name:
        stored = spelled.get(name, spelled.get(name.lower(), name))
        if stored != name:
            raise TableError(
                f"{where}.{name}: the table has {stored}, and readers of Delta ignore case. Give the property that "
                f"column with x-column: {stored}, or another name with x-column."
            )
    kept = [_merged_field(where, field, by_name.pop(field["name"], field)) for field in old]
    return [*kept, *by_name.values()]


def _merged_field(where: str, old: JsonField, new: JsonField) -> JsonField:
    # The definition has the comment; everything else, such as its field id, only the log has.
    kept = {key: value for key, value in old["metadata"].items() if key != _COMMENT}
    dtype = _merged_type(f"{where}.{old['name']}", old["type"], new["type"])
    return {**new, "type": dtype, "nullable": True, "metadata": {**kept, **new["metadata"]}}


def _merged_type(where: str, old: JsonType, new: JsonType) -> JsonType:
    kinds = [dtype if isinstance(dtype, str) else dtype["type"] for dtype in (old, new)]
    if kinds[0] != kinds[1]:
        raise TableError(
            f"{where}: the table has {_name_of(old)}, the catalog says {_name_of(new)}. A column keeps its type: "
            "give the property a new column with x-column, or delete the table and materialize it again."
        )
    if isinstance(old, str):
        return old
    inner = {key: _merged_type(where, old[key], new[key]) for key in UNNAMED if key in old}
    fields = {"fields": _merged_fields(where, old["fields"], new["fields"])} if "fields" in old else {}
    return {**new, **inner, **fields}


def _name_of(dtype: JsonType) -> str:
    (field,) = schema_of([{"name": "", "type": dtype, "nullable": True, "metadata": {}}]).fields
    return type_name(field.type)


def _delta_type(where: str, dtype: PolarsDataType) -> DeltaType:
    if isinstance(dtype, pl.Struct) and dtype.fields:
        return StructType(
            [Field(field.name, _delta_type(f"{where}.{field.name}", field.dtype)) for field in dtype.fields]
        )
    if isinstance(dtype, pl.List):
        return ArrayType(_delta_type(where, dtype.inner))
    if isinstance(dtype, pl.Map):
        return MapType(_delta_type(where, dtype.key), _delta_type(where, dtype.value))
    if isinstance(dtype, pl.Decimal):
        return PrimitiveType(f"decimal({dtype.precision},{dtype.scale})")
    for kind, name in _PRIMITIVES:
        if dtype == kind:
            return PrimitiveType(name)
    raise TableError(
        f"column {where}: Delta has no {dtype}; cast it to one of "
        f"{', '.join(str(kind) for kind, _ in _PRIMITIVES)}, Decimal, or a List, Map or Struct of these"
    )
