"""A dbt project over the views of a warehouse: sources, staging models, tests from the catalog, and exposures."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed
from event_platform.exporting.dialect import one_line
from event_platform.exporting.files import marked_yaml
from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.base import Warehouse, schemas_in
from event_platform.lake.registry import QUALITY_REPORT, event_table_name

#: The first line of each file, after the characters that begin a comment there.
MARKER = "Written by `event-platform export dbt`: do not edit, export again."

#: Staging models of an earlier export, which are removed if their types left the catalog.
OWNED_FILES = "models/staging/stg_*.sql"

#: Versions of dbt that know `arguments` of tests.
_DBT_VERSIONS = ">=1.10.5"

_EXPOSURE_OWNER = "event_platform"
_COMPARABLE = {Kind.STRING, Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL, Kind.BOOLEAN}
_NUMERIC = {Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL}

_IN_RANGE = """\
{% test in_range(model, column_name, minimum=none, maximum=none) %}
select * from {{ model }}
where
{%- if minimum is not none %} {{ column_name }} < {{ minimum }}{% endif %}
{%- if minimum is not none and maximum is not none %} or{% endif %}
{%- if maximum is not none %} {{ column_name }} > {{ maximum }}{% endif %}
{% endtest %}
"""


def dbt_files(
    warehouse: Warehouse, relations: Sequence[Relation], event_types: Iterable[EventType], report_url: str | None
) -> dict[str, str]:
    """Return the files of a project by path: for each relation a source, and for those of event types a model."""
    types_by_table = {event_table_name(event_type): event_type for event_type in event_types}
    models = [(relation, types_by_table[relation.table]) for relation in relations if relation.table in types_by_table]
    return {
        "dbt_project.yml": marked_yaml(MARKER, _project(warehouse)),
        "models/sources.yml": marked_yaml(
            MARKER, {"sources": [_source(warehouse, name, relations) for name in schemas_in(relations)]}
        ),
        "models/exposures.yml": marked_yaml(MARKER, {"exposures": list(_exposures(relations, report_url))}),
        "models/staging/staging.yml": marked_yaml(MARKER, {"models": [_model(warehouse, *each) for each in models]}),
        "tests/generic/in_range.sql": f"{{# {MARKER} #}}\n{_IN_RANGE}",
        **{f"models/staging/{_model_name(each)}.sql": _model_sql(warehouse, each) for each, _ in models},
    }


def as_jinja(text: str) -> str:
    """Return a text as Jinja that renders as this text: dbt renders descriptions, and arguments of tests."""
    return text.replace("{", "{{ '{' }}") if any(mark in text for mark in ("{{", "{%", "{#")) else text


def _project(warehouse: Warehouse) -> dict[str, Any]:
    # Redshift requires that a view over a late-binding view is late-binding, too.
    late_binding = {"+bind": False} if warehouse.dialect.name == "redshift" else {}
    return {
        "name": "event_platform",
        "version": "1.0.0",
        "config-version": 2,
        "require-dbt-version": _DBT_VERSIONS,
        "profile": "event_platform",
        "models": {"event_platform": {"staging": {"+materialized": "view", **late_binding}}},
    }


def _source(warehouse: Warehouse, name: str, relations: Iterable[Relation]) -> dict[str, Any]:
    tables = [relation for relation in relations if relation.schema == name]
    *database, schema, _ = warehouse.view_path(tables[0])
    return {
        "name": name,
        **({"database": database[0]} if database else {}),
        "schema": schema,
        "quoting": {"database": bool(database), "schema": True, "identifier": True},
        "tables": [_source_table(warehouse, relation) for relation in tables],
    }


def _source_table(warehouse: Warehouse, relation: Relation) -> dict[str, Any]:
    return {
        "name": relation.name,
        "identifier": warehouse.view_path(relation)[-1],
        **_description_entry(relation.description),
        "columns": [
            {"name": as_jinja(warehouse.fold(column)), "quote": True, **_description_entry(comment)}
            for column, comment in relation.columns
        ],
    }


def _exposures(relations: Iterable[Relation], report_url: str | None) -> Iterator[dict[str, Any]]:
    """Yield the users of the tables: the quality report, and each derived table."""
    relations_by_table = {relation.table: relation for relation in relations}
    if report := relations_by_table.get(QUALITY_REPORT.name):
        yield {
            "name": "quality_report",
            "type": "dashboard",
            **({"url": report_url} if report_url else {}),
            "description": "A page for each day: volumes, lateness, duplicates, schema drift and failed checks.",
            "owner": {"name": _EXPOSURE_OWNER},
            "depends_on": [_source_call(report)],
        }
    for relation in relations_by_table.values():
        sources = [
            _source_call(relations_by_table[name]) for name in relation.source_tables if name in relations_by_table
        ]
        if sources:
            yield {
                "name": relation.flat_name,
                "type": "analysis",
                **_description_entry(relation.description),
                "owner": {"name": _EXPOSURE_OWNER},
                "depends_on": sources,
            }


def _source_call(relation: Relation) -> str:
    return f"source('{relation.schema}', '{relation.name}')"


def _model_name(relation: Relation) -> str:
    return f"stg_{relation.name}"


def _model_sql(warehouse: Warehouse, relation: Relation) -> str:
    query = as_jinja(warehouse.select(relation, ""))
    return f"{{# {MARKER} #}}\n{query}{{{{ {_source_call(relation)} }}}}\n"


def _model(warehouse: Warehouse, relation: Relation, event_type: EventType) -> dict[str, Any]:
    columns_by_name = {column.name: column for column in typed(event_type.columns)}
    meta = {"event_name": event_type.name, **({"owner": event_type.owner} if event_type.owner else {})}
    return {
        "name": _model_name(relation),
        **_description_entry(event_type.description),
        "config": {"meta": {name: as_jinja(text) for name, text in meta.items()}},
        "columns": [
            _model_column(warehouse, name, comment, columns_by_name.get(name)) for name, comment in relation.columns
        ],
    }


def _model_column(warehouse: Warehouse, name: str, comment: str, column: Column | None) -> dict[str, Any]:
    tests = _event_tests(name) if column is None else list(_tests(warehouse, column))
    return {
        "name": warehouse.fold(name),
        "quote": True,
        **_description_entry(comment),
        **({"data_tests": tests} if tests else {}),
    }


def _event_tests(name: str) -> list[Any]:
    """Return the tests of a column that the catalog does not define; each test of a model costs a query."""
    return ["not_null", "unique"] if name == "event_uuid" else []


def _tests(warehouse: Warehouse, column: Column) -> Iterator[Any]:
    """Yield the tests of a column of the catalog. dbt writes `values` and limits into SQL as they are."""
    rules = column.constraints
    if rules.required:
        yield "not_null"
    values = [value for value in rules.enum or () if value is not None]
    if values and column.kind in _COMPARABLE and all(str(value).isprintable() for value in values):
        literals = [_literal(warehouse, value) for value in values]
        yield {"accepted_values": {"arguments": {"values": literals, "quote": False}}}
    limits = {"minimum": rules.minimum, "maximum": rules.maximum}
    bounds = {name: _literal(warehouse, limit) for name, limit in limits.items() if limit is not None}
    if bounds and column.kind in _NUMERIC:
        yield {"in_range": {"arguments": bounds}}


def _literal(warehouse: Warehouse, value: Any) -> str:
    """Return a value of the catalog in the SQL of a warehouse, for Jinja."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return as_jinja(warehouse.literal(value)) if isinstance(value, str) else repr(value)


def _description_entry(text: str) -> dict[str, str]:
    return {"description": as_jinja(one_line(text))} if text.split() else {}
