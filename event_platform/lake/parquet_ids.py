"""Arrow schemas that give Parquet files the field ids of their table."""

import pyarrow as pa

from event_platform.events.errors import TableError
from event_platform.lake.field_ids import FieldIds, Path

#: Key in the metadata of an Arrow field from which the writer of Parquet files takes the id.
_ARROW_KEY = "PARQUET:field_id"


def with_parquet_ids(schema: pa.Schema, ids: FieldIds) -> pa.Schema:
    """Return the schema with the id of each field, at any depth. Raises TableError for a field without an id."""
    return pa.schema([_numbered(field, (field.name,), ids) for field in schema])


def _numbered(field: pa.Field, path: Path, ids: FieldIds) -> pa.Field:
    if path not in ids:
        raise TableError(f"column {'.'.join(path)} has no field id: the table's schema lacks it")
    dtype = _numbered_type(field.type, path, ids) if field.type.num_fields else field.type
    return pa.field(field.name, dtype, field.nullable, {_ARROW_KEY: str(ids[path])})


def _numbered_type(dtype: pa.DataType, path: Path, ids: FieldIds) -> pa.DataType:
    if pa.types.is_large_list(dtype):
        return pa.large_list(_numbered(dtype.value_field, (*path, "element"), ids))
    if pa.types.is_map(dtype):
        key, value = _numbered(dtype.key_field, (*path, "key"), ids), _numbered(dtype.item_field, (*path, "value"), ids)
        return pa.map_(key, value, keys_sorted=dtype.keys_sorted)
    return pa.struct([_numbered(field, (*path, field.name), ids) for field in dtype.fields])
