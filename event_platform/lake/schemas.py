"""Polars schemas ↔ Delta schemas, and how the schema of a table follows the catalog."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
from deltalake import Schema
from deltalake.schema import ArrayType, Field, MapType, PrimitiveType, StructType, VariantType
from polars._typing import PolarsDataType

from event_platform.events.columns import Kind
from event_platform.events.errors import TableError
from event_platform.events.evolution.widening import column_line, is_wider, kind_of
from event_platform.lake.field_ids import (
    UNNAMED,
    JsonField,
    JsonFields,
    JsonType,
    Path,
    json_fields,
    number_fields,
    schema_of,
)

DeltaType = PrimitiveType | ArrayType | StructType | MapType | VariantType

#: Keys in the metadata of a field: its comment, and whether its texts (or those of its items or values) are variants.
_COMMENT, _VARIANT = "comment", "event_platform.variant"

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


_KINDS = {name: kind_of(dtype) for dtype, name in _PRIMITIVES} | {
    "decimal": Kind.DECIMAL,
    "array": Kind.ARRAY,
    "struct": Kind.OBJECT,
    "map": Kind.MAP,
}


#: Name of a type, the key type of a map, and whether it is a variant.
_Leaf = tuple[tuple[str, JsonType], bool]


@dataclass(frozen=True)
class Retyped:
    """A column that gets a wider type. Types as people write them."""

    column: str  # path, such as device.os
    stored: str
    defined: str

    def __str__(self) -> str:
        """Describe the change: `device.os: long → string`."""
        return f"{self.column}: {self.stored} → {self.defined}"


def to_delta(schema: pl.Schema, comments: Mapping[str, str], variants: Collection[Path] = ()) -> Schema:
    """Return the Delta schema of a polars schema; comments appear in every catalog that supports Delta.

    `variants` are the paths of variant columns, and of lists or maps of variants. Raises TableError with the column if
    Delta does not support its type.
    """
    return Schema([_field((name,), dtype, comments.get(name), variants) for name, dtype in schema.items()])


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
    """Return the columns for reading a table: those in its log, and those that only its definition has.

    Columns that a catalog dropped, at any depth, are still in the table; changed types are still the old ones there.
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


def field_names(dtype: PolarsDataType) -> Iterator[str]:
    """Yield the names of the fields of a type, nested ones included: each after that which contains it."""
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            yield field.name
            yield from field_names(field.dtype)
    elif isinstance(dtype, pl.List):
        yield from field_names(dtype.inner)
    elif isinstance(dtype, pl.Map):
        yield from field_names(dtype.value)


def merged(table: str, old: Schema, new: Schema, *, widens: bool = False) -> Schema:
    """Return the old schema followed by the new columns, with an id for each field: see `field_ids`.

    With `widens`, columns may get a wider type, with a new id: files have the old type and id until all of them are
    rebuilt (see `retyped`). Raises TableError for any other change of a type, and for a name that differs only in case,
    which most readers ignore.
    """
    stored = json_fields(old)
    fields = _merged_fields(table, stored, json_fields(new), widens=widens)
    fields = number_fields(fields, stored, {column.path for column in _retyped(stored, fields)})
    return old if fields == stored else schema_of(fields)


def retyped(old: Schema, new: Schema) -> list[Retyped]:
    """Return the columns that have another type in a `merged` schema."""
    return [
        Retyped(".".join(column.names), _name_of(column.before), _name_of(column.after))
        for column in _retyped(json_fields(old), json_fields(new))
    ]


class _RetypedField(NamedTuple):
    """A field whose type differs between both schemas, ignoring nested fields."""

    path: Path
    names: Path  # its name and those of the enclosing fields
    before: JsonField
    after: JsonField


def _retyped(old: JsonFields, new: JsonFields, path: Path = (), names: Path = ()) -> Iterator[_RetypedField]:
    by_name = {field["name"]: field for field in new}
    for before in old:
        name, after = before["name"], by_name[before["name"]]
        inside, (one, other) = _inside(before["type"], after["type"])
        if _leaf(one, before) != _leaf(other, after):
            yield _RetypedField((*path, name), (*names, name), before, after)
        elif "fields" in one:
            yield from _retyped(one["fields"], other["fields"], (*path, name, *inside), (*names, name))


def _inside(old: JsonType, new: JsonType) -> tuple[Path, tuple[JsonType, JsonType]]:
    """Return the types of items of lists and values of maps, as deep as both are alike, and the path there."""
    path: list[str] = []
    while not isinstance(old, str) and not isinstance(new, str) and _shell(old) == _shell(new) != ("struct", None):
        key = "elementType" if "elementType" in old else "valueType"
        path.append(UNNAMED[key])
        old, new = old[key], new[key]
    return tuple(path), (old, new)


def _shell(dtype: JsonType) -> tuple[str, JsonType]:
    """Return the name of a type, and the type of the keys of a map."""
    return (dtype, None) if isinstance(dtype, str) else (dtype["type"], dtype.get("keyType"))


def _leaf(dtype: JsonType, field: JsonField) -> _Leaf:
    """Return the parts of a type from `_inside` that are compared: its shell, and whether it is a variant."""
    return _shell(dtype), _VARIANT in field["metadata"]


def _is_wider(new: _Leaf, old: _Leaf) -> bool:
    return is_wider(_kind_of(new), _kind_of(old))


def _kind_of(leaf: _Leaf) -> Kind:
    (name, _), is_variant = leaf  # of an array, its items are variants
    return Kind.VARIANT if is_variant and name == "string" else _KINDS.get(name.partition("(")[0], Kind.UNTYPED)


def _merged_fields(path: str, old: JsonFields, new: JsonFields, *, widens: bool) -> JsonFields:
    by_name, names = {field["name"]: field for field in new}, [field["name"] for field in old]
    spelled = {name.lower(): name for name in names} | {name: name for name in names}
    for name in by_name:
        stored = spelled.get(name, spelled.get(name.lower(), name))
        if stored != name:
            raise TableError(
                f"{path}.{name}: the table has {stored}, and readers of Delta ignore case. Give the property that "
                f"column with x-column: {stored}, or another name with x-column."
            )
    fields = [_merged_field(path, field, by_name.pop(field["name"], field), widens=widens) for field in old]
    return [*fields, *by_name.values()]


def _merged_field(path: str, old: JsonField, new: JsonField, *, widens: bool) -> JsonField:
    # Only the comment is in the definition; everything else, such as the field id, is only in the log.
    metadata = {key: value for key, value in old["metadata"].items() if key != _COMMENT}
    field = {**new, "nullable": True, "metadata": {**metadata, **new["metadata"]}}
    path, (_, (one, other)) = f"{path}.{old['name']}", _inside(old["type"], new["type"])
    before, after = _leaf(one, old), _leaf(other, new)
    if before == after or (not widens and before[0] == after[0]):  # other tables know nothing of variants
        return {**field, "type": _merged_type(path, old["type"], new["type"], widens=widens)}
    if not widens or not _is_wider(after, before):
        raise TableError(
            f"{path}: the table has {_name_of({**old, 'type': one})}, the catalog says "
            f"{_name_of({**new, 'type': other})}. A column keeps its type or gets a wider one: give the property a new "
            f"column with {column_line(old['name'], after[0][0])} (a derived column another name), or delete the table "
            "and materialize it again."
        )
    return field


def _merged_type(path: str, old: JsonType, new: JsonType, *, widens: bool) -> JsonType:
    """Merge types that differ only in nested fields."""
    if isinstance(old, str):
        return old
    inner = {key: _merged_type(path, old[key], new[key], widens=widens) for key in UNNAMED if key in old}
    fields = {"fields": _merged_fields(path, old["fields"], new["fields"], widens=widens)} if "fields" in old else {}
    return {**new, **inner, **fields}


def _name_of(field: JsonField) -> str:
    """Return the name of a field's type for messages; `variant` for variant texts."""
    (column,) = schema_of([{**field, "metadata": {}}]).fields
    name = type_name(column.type)
    if _VARIANT not in field["metadata"]:
        return name
    around, _, end = name.rpartition("string")
    return f"{around}{Kind.VARIANT}{end}"


def _field(path: Path, dtype: PolarsDataType, comment: str | None, variants: Collection[Path]) -> Field:
    metadata = ({_COMMENT: comment} if comment else {}) | ({_VARIANT: "true"} if path in variants else {})
    return Field(path[-1], _delta_type(path, dtype, variants), metadata=metadata or None)


def _delta_type(path: Path, dtype: PolarsDataType, variants: Collection[Path]) -> DeltaType:
    if isinstance(dtype, pl.Struct) and dtype.fields:
        return StructType([_field((*path, field.name), field.dtype, None, variants) for field in dtype.fields])
    if isinstance(dtype, pl.List):
        return ArrayType(_delta_type(path, dtype.inner, variants))
    if isinstance(dtype, pl.Map):
        return MapType(_delta_type(path, dtype.key, variants), _delta_type(path, dtype.value, variants))
    if isinstance(dtype, pl.Decimal):
        return PrimitiveType(f"decimal({dtype.precision},{dtype.scale})")
    for kind, name in _PRIMITIVES:
        if dtype == kind:
            return PrimitiveType(name)
    raise TableError(
        f"column {'.'.join(path)}: Delta has no {dtype}; cast it to one of "
        f"{', '.join(str(kind) for kind, _ in _PRIMITIVES)}, Decimal, or a List, Map or Struct of these"
    )
