"""Metadata of tables for Dagster: columns, address, and the outcome of a commit."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from event_platform.lake.schemas import to_delta, type_name
from event_platform.lake.table_commit import CommitResult
from event_platform.lake.tables import Table
from event_platform.quality.text import as_markdown, shown

#: Names that Dagster knows, and shows in places of their own.
COLUMN_SCHEMA = "dagster/column_schema"
COLUMN_LINEAGE = "dagster/column_lineage"
TABLE_NAME = "dagster/table_name"
URI = "dagster/uri"

#: The source columns of each column of a table.
Lineage = Mapping[str, Sequence[tuple[dg.AssetKey, str]]]

_COMMENT_LENGTH = 500
_RULE_LENGTH = 100


def asset_key(table: Table) -> dg.AssetKey:
    """Return the asset key of a table."""
    return dg.AssetKey(table.name.split("/"))


def column_schema(table: Table, rules: Mapping[str, Sequence[str]] | None = None) -> dg.TableSchema:
    """Return the columns of a table with the types and comments in its log; `rules` are additional constraints.

    Dagster renders comments as Markdown, and rules as plain text.
    """
    types = {field.name: type_name(field.type) for field in to_delta(table.schema, {}).fields}
    columns = [
        dg.TableColumn(
            name=column.name,
            type=types[column.name],
            description=as_markdown(column.comment, _COMMENT_LENGTH) or None,
            constraints=dg.TableColumnConstraints(
                nullable=column.nullable,
                other=[shown(rule, _RULE_LENGTH) for rule in (rules or {}).get(column.name, [])],
            ),
        )
        for column in table.spec.columns
    ]
    words = [("unique", table.spec.primary_key), ("partitioned by", table.spec.partition_by)]
    constraints = [f"{keyword}: {', '.join(names)}" for keyword, names in words if names]
    return dg.TableSchema(columns, constraints=dg.TableConstraints(other=constraints))


def column_lineage(lineage: Lineage) -> dg.TableColumnLineage:
    """Return the sources of a table's columns."""
    return dg.TableColumnLineage(
        {name: [dg.TableColumnDep(asset, column) for asset, column in sources] for name, sources in lineage.items()}
    )


def sql_name(name: str) -> str:
    """Return the name of an asset's table in `event-platform query`."""
    dotted = name.replace("/", ".")
    return dotted if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", dotted) else f'"{dotted}"'


def figures_of(written: CommitResult) -> dict[str, Any]:
    """Return metadata of a commit to a partition, with the table versions before and after."""
    return {
        "files_written": written.files,
        "bytes_written": written.size,
        "delta_version": written.version,
        "previous_delta_version": written.previous_version,
    }
