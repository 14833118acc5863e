"""Polars schemas ↔ Delta schemas, and how a table's schema grows when the catalog does."""

from collections.abc import Mapping

import polars as pl
from deltalake import Schema
from deltalake.schema import ArrayType, Field, MapType, PrimitiveType, StructType, VariantType
from polars._typing import PolarsDataType

from event_platform.events.errors import TableError

DeltaType = PrimitiveType | ArrayType | StructType | MapType | VariantType

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
            Field(name, _delta_type(name, dtype), metadata={"comment": comments[name]} if comments.get(name) else None)
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
    """Return the old schema with the new columns behind it.

    Raises TableError where a column changed its type, or its name in nothing but case: most readers ignore that.
    """
    return Schema(_merged_fields(table, old.fields, new.fields))


def _merged_fields(where: str, old: list[Field], new: list[Field]) -> list[Field]:
    by_name = {field.name: field for field in new}
    spelled = {field.name.lower(): field.name for field in old} | {field.name: field.name for field in old}
    for name in by_name:
        stored = spelled.get(name, spelled.get(name.lower(), name))
        if stored != name:
            raise TableError(
                f"{where}.{name}: the table has {stored}, and readers of Delta ignore case. Give the property that "
                f"column with x-column: {stored}, or another name with x-column."
            )
    kept = [_merged_field(f"{where}.{field.name}", field, by_name.pop(field.name, field)) for field in old]
    return [*kept, *by_name.values()]


def _merged_field(where: str, old: Field, new: Field) -> Field:
    return Field(new.name, _merged_type(where, old.type, new.type), metadata=new.metadata)


def _merged_type(where: str, old: DeltaType, new: DeltaType) -> DeltaType:
    if isinstance(old, StructType) and isinstance(new, StructType):
        return StructType(_merged_fields(where, old.fields, new.fields))
    if isinstance(old, ArrayType) and isinstance(new, ArrayType):
        return ArrayType(_merged_type(where, old.element_type, new.element_type))
    if isinstance(old, MapType) and isinstance(new, MapType) and old.key_type == new.key_type:
        return MapType(old.key_type, _merged_type(where, old.value_type, new.value_type))
    if old != new:
        raise TableError(
            f"{where}: the table has {type_name(old)}, the catalog says {type_name(new)}. A column keeps its type: "
            "give the property a new column with x-column, or delete the table and materialize it again."
        )
    return old


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
