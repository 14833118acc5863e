"""Delta schemas as Iceberg schemas with the same field ids, and whether one may follow another."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from deltalake import Schema as DeltaSchema
from deltalake.schema import ArrayType, Field, MapType, StructType
from pyiceberg import types
from pyiceberg.schema import Schema

from event_platform.events.errors import TableError
from event_platform.lake.schemas import DeltaType, type_name
from event_platform.publishing.names import COMMENT_BYTES, cut_line

_PRIMITIVES: dict[str, types.PrimitiveType] = {
    "string": types.StringType(),
    "long": types.LongType(),
    "integer": types.IntegerType(),
    "short": types.IntegerType(),
    "byte": types.IntegerType(),
    "double": types.DoubleType(),
    "float": types.FloatType(),
    "boolean": types.BooleanType(),
    "binary": types.BinaryType(),
    "date": types.DateType(),
    "timestamp": types.TimestamptzType(),
    "timestamp_ntz": types.TimestampType(),
}


def to_iceberg(table: str, schema: DeltaSchema, ids: Mapping[str, int], schema_id: int) -> Schema:
    """Return the Iceberg schema of a table with the given field ids, by names such as `items.element.price`.

    Every field is optional: older files lack newer ones. Raises TableError naming a column that Iceberg cannot have.
    """
    _require_distinct_names(table, schema)
    fields = [_field(table, each.name, each, ids) for each in schema.fields]
    return Schema(*fields, schema_id=schema_id)


def _require_distinct_names(table: str, schema: DeltaSchema) -> None:
    counts = Counter(name for field in schema.fields for name in _full_names(field.name, field.type))
    for name, count in counts.items():
        if count > 1:
            raise TableError(
                f"{table}: a column {name!r} and a field {name.rpartition('.')[2]!r} of an object have one name in "
                f"Iceberg, {name}. Give one of the properties another column with x-column, and rebuild the table"
            )


def _full_names(name: str, dtype: DeltaType) -> Iterator[str]:
    yield name
    if isinstance(dtype, StructType):
        for each in dtype.fields:
            yield from _full_names(f"{name}.{each.name}", each.type)
    elif isinstance(dtype, ArrayType):
        yield from _full_names(f"{name}.element", dtype.element_type)
    elif isinstance(dtype, MapType):
        yield from _full_names(f"{name}.key", dtype.key_type)
        yield from _full_names(f"{name}.value", dtype.value_type)


def _field(table: str, name: str, field: Field, ids: Mapping[str, int]) -> types.NestedField:
    doc = cut_line(str(field.metadata.get("comment") or ""), COMMENT_BYTES) or None
    dtype = _type(table, name, field.type, ids)
    return types.NestedField(field_id=ids[name], name=field.name, field_type=dtype, required=False, doc=doc)


def _type(table: str, name: str, dtype: DeltaType, ids: Mapping[str, int]) -> types.IcebergType:
    if isinstance(dtype, StructType):
        return types.StructType(*(_field(table, f"{name}.{each.name}", each, ids) for each in dtype.fields))
    if isinstance(dtype, ArrayType):
        element = f"{name}.element"
        return types.ListType(ids[element], _type(table, element, dtype.element_type, ids), element_required=False)
    if isinstance(dtype, MapType):
        key, value = f"{name}.key", f"{name}.value"
        parts = _type(table, key, dtype.key_type, ids), _type(table, value, dtype.value_type, ids)
        return types.MapType(ids[key], parts[0], ids[value], parts[1], value_required=False)
    text = type_name(dtype)
    if decimal := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", text):
        return types.DecimalType(int(decimal[1]), int(decimal[2]))
    if text not in _PRIMITIVES:
        raise TableError(f"{table}.{name}: Iceberg has no {text}. Leave the column out, or give it another type")
    return _PRIMITIVES[text]


def has_same_ids(old: Schema, new: Schema) -> bool:
    """Return whether names and ids that are in both schemas belong to the same fields."""
    numbers, names = dict(_ids(old)), {number: name for name, number in _ids(old)}
    return all(numbers.get(name, number) == number and names.get(number, name) == name for name, number in _ids(new))


def _ids(schema: Schema) -> Iterator[tuple[str, int]]:
    for number in schema.field_ids:
        if (name := schema.find_column_name(number)) is not None:
            yield name, number


def changed_types(old: Schema, new: Schema) -> list[str]:
    """Return the columns and fields whose type changed in a way that readers of older files cannot follow."""
    before = {name: old.find_type(number) for name, number in _ids(old)}
    after = {name: new.find_type(number) for name, number in _ids(new)}
    return [
        f"{name} ({before[name]}, now {dtype})"
        for name, dtype in after.items()
        if name in before and not _may_become(before[name], dtype)
    ]


def _may_become(old: types.IcebergType, new: types.IcebergType) -> bool:
    """Return whether readers widen the old type to the new one. Parts of nested types are compared separately."""
    if isinstance(old, types.DecimalType) and isinstance(new, types.DecimalType):
        return old.scale == new.scale and old.precision <= new.precision
    if not (old.is_primitive and new.is_primitive):
        return type(old) is type(new)
    widened = {(types.IntegerType(), types.LongType()), (types.FloatType(), types.DoubleType())}
    return old == new or (old, new) in widened
