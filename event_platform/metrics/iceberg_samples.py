"""Samples of the Iceberg catalog: how far each table is behind its Delta log."""

from collections.abc import Iterator

from event_platform.events.catalog import Catalog
from event_platform.lake.lake import Lake
from event_platform.metrics.gauges import Gauge, Sample
from event_platform.pipeline.publication import read_status
from event_platform.publishing.iceberg import IcebergCatalog


def iceberg_samples(iceberg: IcebergCatalog, lake: Lake, catalog: Catalog) -> Iterator[Sample]:
    """Yield a sample for each existing table. Raises the errors of reading the catalog."""
    status = read_status(iceberg, lake.every_table(catalog.event_types))
    behind = {table.table: table.versions for table in status.outdated}
    yield from (Sample(Gauge.BEHIND, behind.get(table, 0), (table,)) for table in status.tables)
