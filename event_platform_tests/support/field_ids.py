"""The field ids in Parquet files, as their footers have them, and in logs."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from event_platform.lake.field_ids import field_ids
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import Table


def ids_in_file(path: str | Path) -> dict[str, int | None]:
    """Return the id of each field of a local file by its name, as Iceberg writes that; None for one without."""
    return dict(_ids(parquet.read_schema(path), ""))


def ids_in_log(snapshot: Snapshot) -> dict[str, int]:
    """Return the ids that a version of a table has."""
    assert snapshot.delta is not None
    return field_ids(snapshot.delta.schema())


def forget_ids(table: Table) -> None:
    """Take the ids out of the log of a table, as one of an earlier release is."""
    (commit,) = (Path(table.uri) / "_delta_log").glob("*.json")
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        if "metaData" in action:
            schema = json.loads(
                action["metaData"]["schemaString"],
                object_hook=lambda each: {key: value for key, value in each.items() if "event_platform." not in key},
            )
            action["metaData"]["schemaString"] = json.dumps(schema)
    commit.write_text("\n".join(map(json.dumps, actions)))


def _ids(fields: Iterable[pa.Field], parent: str) -> Iterator[tuple[str, int | None]]:
    for field in fields:
        yield from _ids_of(f"{parent}{field.name}", field)


def _ids_of(path: str, field: pa.Field) -> Iterator[tuple[str, int | None]]:
    number = (field.metadata or {}).get(b"PARQUET:field_id")
    yield path, None if number is None else int(number)
    if pa.types.is_struct(field.type):
        yield from _ids(field.type.fields, f"{path}.")
    elif pa.types.is_list(field.type):
        yield from _ids_of(f"{path}.element", field.type.value_field)
    elif pa.types.is_map(field.type):
        yield from _ids_of(f"{path}.key", field.type.key_field)
        yield from _ids_of(f"{path}.value", field.type.item_field)
