"""`event-platform publish`: publish the tables of the lake in its Iceberg catalog."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from event_platform.cli.outcomes import print_outcomes
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import SettingError
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.pipeline.opening import open_lake
from event_platform.publishing.iceberg import Outcome, open_iceberg


def publish_tables(environment: Environment, names: Sequence[str], *, as_json: bool) -> int:
    """Publish the tables of these names (all without them) and print the outcomes; return the exit code."""
    if environment.iceberg is None:
        raise SettingError("EVENT_PLATFORM_ICEBERG: not set; expected an Iceberg catalog to publish tables in")
    lake, catalog = open_lake(environment.lake), load_catalog(environment.catalog)
    tables = _select(lake, lake.every_table(catalog.event_types), names)
    iceberg = open_iceberg(environment.iceberg, lake.storage, environment.glue_database)
    found = iceberg.publish(tables, verify=True)
    if as_json:
        print(json.dumps({"catalog": iceberg.name, "tables": [asdict(each) for each in found]}))  # noqa: T201 - rich would wrap it
    else:
        print_outcomes(iceberg.name, found, Outcome)
    return 1 if any(each.outcome is Outcome.FAILED for each in found) else 0


def _select(lake: Lake, tables: Sequence[Table], names: Sequence[str]) -> Sequence[Table]:
    """Return the tables of these names. Raises TableError for a name that no table has."""
    known = {table.name: table for table in tables}
    return [known[name] if name in known else lake.table(name) for name in names] if names else tables
