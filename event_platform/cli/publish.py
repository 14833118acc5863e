"""`event-platform publish`: publish the tables of the lake in its Iceberg catalog."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from event_platform.cli.outcomes import print_outcomes
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.pipeline.opening import open_lake
from event_platform.pipeline.publication import open_iceberg_catalog
from event_platform.publishing.iceberg import Outcome


def publish_tables(environment: Environment, names: Sequence[str], *, as_json: bool) -> int:
    """Publish the named tables (all without names) and print the outcomes; return the exit code."""
    lake, catalog = open_lake(environment.lake), load_catalog(environment.catalog)
    iceberg = open_iceberg_catalog(environment, lake)
    tables = _select(lake, lake.every_table(catalog.event_types), names)
    outcomes = iceberg.publish(tables, verify=True)
    if as_json:
        print(json.dumps({"catalog": iceberg.name, "tables": [asdict(publication) for publication in outcomes]}))  # noqa: T201 - rich would wrap it
    else:
        print_outcomes(iceberg.name, outcomes, Outcome)
    return 1 if any(publication.outcome is Outcome.FAILED for publication in outcomes) else 0


def _select(lake: Lake, tables: Sequence[Table], names: Sequence[str]) -> Sequence[Table]:
    """Return the tables of these names. Raises TableError for a name that no table has."""
    known = {table.name: table for table in tables}
    return [known[name] if name in known else lake.table(name) for name in names] if names else tables
