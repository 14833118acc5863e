"""The metadata that an Iceberg table should have for a version of its Delta table: schema, partitions, properties."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.name_mapping import create_mapping_from_schema
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import (
    AddPartitionSpecUpdate,
    AddSchemaUpdate,
    AddSortOrderUpdate,
    AssignUUIDUpdate,
    SetCurrentSchemaUpdate,
    SetDefaultSortOrderUpdate,
    SetDefaultSpecUpdate,
    SetLocationUpdate,
    SetPropertiesUpdate,
    TableUpdate,
    UpgradeFormatVersionUpdate,
)
from pyiceberg.transforms import IdentityTransform

from event_platform.lake.field_ids import field_ids, with_field_ids
from event_platform.publishing.iceberg.delta import DeltaVersion
from event_platform.publishing.iceberg.models import model
from event_platform.publishing.iceberg.schema import to_iceberg
from event_platform.publishing.iceberg.target import Target
from event_platform.publishing.names import DESCRIPTION_BYTES, cut_line

FORMAT_VERSION = 2

#: Property for engines and people: the files belong to the Delta table, which does not know of Iceberg.
_PROPERTIES = {
    "gc.enabled": "false",  # engines refuse to expire snapshots, to remove orphan files, and to purge
    "write.metadata.previous-versions-max": "10",
    "write.metadata.delete-after-commit.enabled": "true",
    "event-platform.maintenance": (
        "The data files belong to a Delta table. Turn off managed compaction, snapshot retention and orphan file "
        "deletion, do not write here, and do not drop the table with Athena, which would delete the data: "
        "event-platform publishes, expires and vacuums"
    ),
}

_NAME_MAPPING, _COMMENT, _GLUE_COMMENT = "schema.name-mapping.default", "comment", "Description"


@dataclass(frozen=True)
class Layout:
    """The schema, partitions and properties of a table, with their ids in its metadata."""

    schema: Schema
    spec: PartitionSpec
    properties: dict[str, str]


def layout_of(target: Target, delta: DeltaVersion, metadata: TableMetadata | None) -> Layout:
    """Return the layout for a version. Raises TableError if Iceberg does not support one of its columns."""
    schema_with_ids = with_field_ids(delta.delta.schema())
    schema_id = 0 if metadata is None else max(each.schema_id for each in metadata.schemas) + 1
    schema = to_iceberg(target.table.name, schema_with_ids, field_ids(schema_with_ids), schema_id)
    schema = _existing_schema(schema, [] if metadata is None else metadata.schemas)
    return Layout(schema, _spec(schema, delta.partition_columns, metadata), _properties(target, delta, schema))


def _existing_schema(schema: Schema, schemas: Sequence[Schema]) -> Schema:
    """Return the last schema of `schemas` that is equal, with its id; `schema` itself if none is."""
    return next((each for each in reversed(schemas) if each == schema), schema)


def _spec(schema: Schema, columns: Sequence[str], metadata: TableMetadata | None) -> PartitionSpec:
    sources = [(schema.find_field(name).field_id, name) for name in columns]
    specs = [] if metadata is None else metadata.partition_specs
    for each in specs:
        if [(field.source_id, field.name) for field in each.fields] == sources:
            return each
    first_id = max((metadata.last_partition_id or 0) if metadata else 0, PARTITION_FIELD_ID_START - 1) + 1
    fields = [
        PartitionField(source_id=source, field_id=first_id + number, transform=IdentityTransform(), name=name)
        for number, (source, name) in enumerate(sources)
    ]
    return PartitionSpec(*fields, spec_id=max((each.spec_id for each in specs), default=-1) + 1)


def _properties(target: Target, delta: DeltaVersion, schema: Schema) -> dict[str, str]:
    description = cut_line(str(delta.delta.metadata().description or ""), DESCRIPTION_BYTES)
    return {
        **_PROPERTIES,
        "write.metadata.path": target.metadata_folder,
        _NAME_MAPPING: create_mapping_from_schema(schema).model_dump_json(),
        **({_COMMENT: description, _GLUE_COMMENT: description} if description else {}),
    }


def create_updates(target: Target, layout: Layout) -> list[TableUpdate]:
    """Return the updates that make an empty table, with the field ids of the schema: `create_table` gives others."""
    return [
        model(AssignUUIDUpdate, uuid=uuid.uuid4()),
        model(UpgradeFormatVersionUpdate, format_version=FORMAT_VERSION),
        model(AddSchemaUpdate, schema_=layout.schema),
        model(SetCurrentSchemaUpdate, schema_id=-1),
        AddPartitionSpecUpdate(spec=layout.spec),
        model(SetDefaultSpecUpdate, spec_id=-1),
        model(AddSortOrderUpdate, sort_order=UNSORTED_SORT_ORDER),
        model(SetDefaultSortOrderUpdate, sort_order_id=-1),
        SetLocationUpdate(location=target.location),
        SetPropertiesUpdate(updates=layout.properties),
    ]


def change_updates(metadata: TableMetadata, layout: Layout) -> list[TableUpdate]:
    """Return the updates that give the metadata of a table a layout; empty if they have it."""
    schema, spec = layout.schema, layout.spec
    updates: list[TableUpdate] = []
    if schema.schema_id not in {each.schema_id for each in metadata.schemas}:
        updates += [model(AddSchemaUpdate, schema_=schema), model(SetCurrentSchemaUpdate, schema_id=-1)]
    elif schema.schema_id != metadata.current_schema_id:
        updates.append(model(SetCurrentSchemaUpdate, schema_id=schema.schema_id))
    if spec.spec_id not in {each.spec_id for each in metadata.partition_specs}:
        updates += [AddPartitionSpecUpdate(spec=spec), model(SetDefaultSpecUpdate, spec_id=-1)]
    elif spec.spec_id != metadata.default_spec_id:
        updates.append(model(SetDefaultSpecUpdate, spec_id=spec.spec_id))
    properties = {name: value for name, value in layout.properties.items() if metadata.properties.get(name) != value}
    return [*updates, SetPropertiesUpdate(updates=properties)] if properties else updates
