"""Assets that are tables of the lake: what the UI shows of them before they are materialized."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

import dagster as dg
from pydantic import Field

from event_platform.defs.metadata import (
    COLUMN_LINEAGE,
    COLUMN_SCHEMA,
    TABLE_NAME,
    URI,
    Lineage,
    asset_key,
    column_lineage,
    column_schema,
    sql_name,
)
from event_platform.lake.tables import Table
from event_platform.pipeline.fingerprint import release

_DESCRIPTION = """{about}

A partition is a day (UTC) of `{partition}`. No two rows have the same {key}.

```sql
-- event-platform query
{query}
```

```python
# in an asset, with lake: LakeResource
lake.scan({name}, ["2025-06-02"])
# anywhere
polars.scan_delta({uri})
# an earlier version: each materialization names its version and the one before
deltalake.DeltaTable({uri}, version=0)
```
"""


class BuildConfig(dg.Config):
    """Options of a run of an asset that is appended to."""

    rebuild: bool = Field(
        default=False,
        description="Rebuild the partitions of this run, also those that could be appended to",
    )


class Layer(StrEnum):
    """The layer of a table in the flow: a tag for asset selection, such as `tag:"layer"="quarantine"`."""

    RAW = "raw"
    QUARANTINE = "quarantine"
    DEDUPLICATED = "deduplicated"
    TYPED = "typed"
    REPORT = "report"
    MART = "mart"


def freshness_policy(warn_hours: float, fail_hours: float) -> dg.FreshnessPolicy:
    """Return the policy that warns and fails this many hours after the last materialization."""
    return dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=warn_hours), fail_window=timedelta(hours=fail_hours)
    )


def table_spec(
    table: Table,
    layer: Layer,
    *,
    about: str,
    query: str,
    lineage: Lineage,
    depends_on: str = "",
    rules: Mapping[str, Sequence[str]] | None = None,
    tags: Mapping[str, str] | None = None,
    kinds: Sequence[str] = ("deltalake", "polars"),
    **more: Any,
) -> dg.AssetSpec:
    """Return the asset of a table. `about` is Markdown; `query` is an example of SQL over the table.

    `depends_on` is what the rows depend on besides the code. When it changes, the UI shows the table as out of date;
    this alone does not materialize it.
    """
    return dg.AssetSpec(
        asset_key(table),
        description=_description(table, about, query),
        metadata={
            URI: table.uri,
            TABLE_NAME: table.name.replace("/", "."),
            COLUMN_SCHEMA: column_schema(table, rules),
            **({COLUMN_LINEAGE: column_lineage(lineage)} if lineage else {}),
        },
        code_version=code_version(depends_on),
        tags={"layer": layer.value, **(tags or {})},
        kinds={*kinds},
        **more,
    )


def same_columns(names: Sequence[str], source: dg.AssetKey) -> Lineage:
    """Return the lineage of columns that are copied, under the same name, from another asset."""
    return {name: [(source, name)] for name in names}


def code_version(depends_on: str = "") -> str:
    """Return the code version: the release, and a digest of `depends_on`."""
    return f"{release()}-{hashlib.sha256(depends_on.encode()).hexdigest()[:12]}" if depends_on else release()


def _description(table: Table, about: str, query: str) -> str:
    return _DESCRIPTION.format(
        about=about,
        partition=table.partition_column,
        key=f"{', '.join(f'`{name}`' for name in table.spec.primary_key[:-1])} and `{table.spec.primary_key[-1]}`",
        query=query.format(table=sql_name(table.name)),
        name=json.dumps(table.name),
        uri=json.dumps(table.uri, ensure_ascii=False),
    )
