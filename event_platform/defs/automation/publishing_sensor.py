"""The sensor of published tables: finds tables that a killed run or another writer has left unpublished.

Runs publish the tables that they write, so this sensor runs only every ten minutes. It exists only with a catalog.
"""

from datetime import UTC, datetime

import dagster as dg

from event_platform.defs.automation.requests import RunRequests, ask_checks, digest, is_under_way
from event_platform.defs.automation.ticks import tick_result
from event_platform.defs.checks.publication import PUBLISHED
from event_platform.defs.resources.platform import LakeResource, PublishingResource
from event_platform.events.catalog import Catalog
from event_platform.lake.lake import Lake
from event_platform.pipeline.publication import IcebergStatus, iceberg_status, read_status
from event_platform.storage.polars_errors import translate_errors

_SECONDS_BETWEEN_TICKS = 600


def build_publishing_sensor(catalog: Catalog) -> dg.SensorDefinition:
    """Return the sensor that requests a run of the check `published` if a table is behind; the check publishes it."""

    @dg.sensor(
        name="publishing_sensor",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Publishes tables in the Iceberg catalog that no run has published.",
    )
    @translate_errors()
    def publishing_sensor(
        context: dg.SensorEvaluationContext, lake: LakeResource, publishing: PublishingResource
    ) -> dg.SensorResult | dg.SkipReason:
        now, tables = datetime.now(UTC), lake.open()
        if any(is_under_way(context.instance, part, now) for part in ("raw", "created", PUBLISHED.name)):
            return dg.SkipReason("a run is active, and publishes its tables")
        status = read_status(publishing.open_iceberg(tables), tables.every_table(catalog.event_types))
        requested = ask_publication(context.instance, digest(table.table for table in status.outdated), status, now)
        return tick_result(context, requested, "; ".join(requested.waiting) or status.sentence, None)

    return publishing_sensor


def iceberg_status_of(publishing: PublishingResource, lake: Lake, catalog: Catalog) -> IcebergStatus:
    """Return which tables are behind, or why that is unknown; no tables if no Iceberg catalog is set."""
    if not publishing.iceberg:
        return IcebergStatus(())
    return iceberg_status(publishing.open_iceberg(lake), lake.every_table(catalog.event_types))


def ask_publication(instance: dg.DagsterInstance, state: str, status: IcebergStatus, now: datetime) -> RunRequests:
    """Request the check that publishes, if a table is behind. Runs with the same `state` are tries of the same work."""
    return ask_checks(instance, PUBLISHED.name, state, [PUBLISHED.key], now) if status.outdated else RunRequests([], [])
