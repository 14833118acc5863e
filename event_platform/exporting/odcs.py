"""A catalog → data contracts of the Open Data Contract Standard (v3.1.0): a YAML document for each event type."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed
from event_platform.events.event import ColumnSpec
from event_platform.events.evolution.catalogs import CatalogFiles
from event_platform.events.schema_version import version_of
from event_platform.exporting.files import marked_yaml
from event_platform.lake.registry import event_table_spec
from event_platform.lake.schemas import to_delta, type_name
from event_platform.lake.specs import TableSpec

#: The first line of each file, after the character that begins a comment.
MARKER = "Written by `event-platform export odcs`: do not edit, export again."

#: Contracts of an earlier export, which are removed if their types left the catalog.
OWNED_FILES = "*.odcs.yaml"

#: Identifiers of contracts are UUIDs of event names in this namespace.
_NAMESPACE = uuid.UUID("6d1f6f0e-6a0c-5f0b-9d5b-3f1c6f0c7a52")

_LOGICAL_TYPES = {
    Kind.STRING: "string",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "number",
    Kind.DECIMAL: "number",
    Kind.BOOLEAN: "boolean",
    Kind.DATE_TIME: "timestamp",
    Kind.DATE: "date",
    Kind.ARRAY: "array",
    Kind.OBJECT: "object",
    Kind.MAP: "object",
    Kind.VARIANT: "string",
}
_NUMERIC = {Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL}
_EVENT_COLUMN_TYPES = {pl.String: "string", pl.Float64: "number", pl.Datetime: "timestamp", pl.Date: "date"}


def contract_files(files: CatalogFiles, lake: str, report_url: str | None) -> dict[str, str]:
    """Return the contracts of a catalog by the name of their file. `lake` is the address of the tables."""
    return {
        f"{each.key}.odcs.yaml": marked_yaml(MARKER, _contract(each, files.documents[each.name], lake, report_url))
        for each in files.catalog.event_types
    }


def _contract(event_type: EventType, document: Mapping[str, Any], lake: str, report_url: str | None) -> dict[str, Any]:
    spec = event_table_spec(event_type)
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": str(uuid.uuid5(_NAMESPACE, event_type.name)),
        "name": event_type.name,
        "version": str(version_of(document)),
        "status": "active",
        "domain": event_type.group,
        **({"description": {"purpose": event_type.description}} if event_type.description else {}),
        **_team(event_type.owner),
        **_servers(spec, lake),
        "schema": [_schema(event_type, spec)],
        **_freshness(event_type),
        **_pages(event_type, report_url),
    }


def _team(owner: str | None) -> dict[str, Any]:
    if not owner:
        return {}
    if owner.startswith("team:"):
        return {"team": {"name": owner.removeprefix("team:")}}
    return {"team": {"members": [{"username": owner, "role": "owner"}]}}


def _servers(spec: TableSpec, lake: str) -> dict[str, Any]:
    """Return the location of a table in an S3 bucket; empty otherwise: other addresses are local, or have no form."""
    if not lake.startswith("s3://"):
        return {}
    location = f"{lake.rstrip('/')}/{spec.name}"
    return {"servers": [{"server": "lake", "type": "s3", "location": location, "format": "delta"}]}


def _freshness(event_type: EventType) -> dict[str, Any]:
    if event_type.freshness_hours is None:
        return {}
    _, hours = event_type.freshness_hours
    element = f"{event_type.key}.created_datetime"
    return {"slaProperties": [{"property": "latency", "value": hours, "unit": "h", "element": element}]}


def _pages(event_type: EventType, report_url: str | None) -> dict[str, Any]:
    if report_url is None:
        return {}
    page = {"url": f"{report_url}/types/{event_type.key}.html", "type": "qualityReport"}
    return {"authoritativeDefinitions": [page]}


def _schema(event_type: EventType, spec: TableSpec) -> dict[str, Any]:
    columns_by_name = {column.name: column for column in typed(event_type.columns)}
    physical_types = {field.name: type_name(field.type) for field in to_delta(spec.schema, {}).fields}
    return {
        "name": event_type.key,
        "physicalName": spec.name,
        "logicalType": "object",
        "physicalType": "table",
        **_description_entry(event_type.description),
        "dataGranularityDescription": "One row for each event_uuid.",
        "properties": [
            {
                **_property(each, columns_by_name.get(each.name)),
                "physicalType": physical_types[each.name],
                **_key_roles(each.name, spec),
            }
            for each in spec.columns
        ],
    }


def _property(spec: ColumnSpec, column: Column | None) -> dict[str, Any]:
    """Return a column of the catalog, or one that every event has."""
    if column is not None:
        return _named_property(column)
    logical = {"logicalType": _EVENT_COLUMN_TYPES[spec.type.base_type()], "required": not spec.nullable}
    return {"name": spec.name, **logical, **_description_entry(spec.comment)}


def _key_roles(name: str, spec: TableSpec) -> dict[str, Any]:
    """Return the roles of a column: part of the primary key, and partition column."""
    position: dict[str, Any] = {}
    if name in spec.primary_key:
        position |= {"primaryKey": True, "primaryKeyPosition": spec.primary_key.index(name) + 1}
    if name == spec.partition_column:
        position |= {"partitioned": True, "partitionKeyPosition": 1}
    return position


def _value_property(column: Column) -> dict[str, Any]:
    """Return a column of the catalog, or the items of an array."""
    options = dict(_options(column))
    checks = list(_checks(column))
    return {
        "logicalType": _LOGICAL_TYPES[column.kind],
        **({"logicalTypeOptions": options} if options else {}),
        "required": column.constraints.required,
        **_description_entry(column.description),
        **({"classification": "personal"} if column.is_personal else {}),
        **({"quality": checks} if checks else {}),
        **_nested_properties(column),
    }


def _named_property(column: Column) -> dict[str, Any]:
    """Return a field of an object."""
    return {"name": column.name, **_value_property(column), **_field(column)}


def _nested_properties(column: Column) -> dict[str, Any]:
    if column.kind is Kind.OBJECT:
        return {"properties": [_named_property(each) for each in typed(column.fields)]}
    if column.kind is Kind.ARRAY and column.item:
        return {"items": _value_property(column.item)}
    return {}


def _options(column: Column) -> Iterator[tuple[str, Any]]:
    rules = column.constraints
    if column.kind is Kind.STRING and rules.pattern is not None:
        yield "pattern", rules.pattern
    if column.kind in _NUMERIC:
        yield from ((name, value) for name in ("minimum", "maximum") if (value := getattr(rules, name)) is not None)


def _checks(column: Column) -> Iterator[dict[str, Any]]:
    values = [each for each in column.constraints.enum or () if each is not None]
    if values:
        arguments = {"validValues": values}
        yield {"metric": "invalidValues", "arguments": arguments, "mustBe": 0, "dimension": "conformity"}


def _field(column: Column) -> dict[str, Any]:
    """Return the name of the JSON property, if it differs from the column's."""
    if column.field == column.name:
        return {}
    return {"customProperties": [{"property": "jsonField", "value": column.field}]}


def _description_entry(text: str) -> dict[str, str]:
    return {"description": text} if text.strip() else {}
