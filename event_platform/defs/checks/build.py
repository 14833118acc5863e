"""Builds the asset checks, partitioned like their assets. To add a check, add it to the module of its asset."""

import dagster as dg

from event_platform.defs.checks.deduplicated_events import DEDUPLICATED_EVENTS_CHECKS
from event_platform.defs.checks.operation import build_operation
from event_platform.defs.checks.publication import build_publication_check
from event_platform.defs.checks.raw_events import raw_events_checks
from event_platform.defs.checks.table_schema import build_table_schema_checks
from event_platform.defs.checks.typed_events import typed_events_checks
from event_platform.defs.checks.unregistered_events import unregistered_events_checks
from event_platform.events.catalog import Catalog


def build_checks(
    catalog: Catalog, partitions: dg.DailyPartitionsDefinition, *, published: bool
) -> list[dg.AssetChecksDefinition]:
    """Return all checks: one operation for each platform asset, and two for all event tables.

    With `published`, also the check that the Iceberg catalog has every table.
    """
    return [
        build_operation(
            "raw_events_checks", [raw_events_checks(catalog.envelope, partitions.start.date())], partitions
        ),
        build_operation("deduplicated_events_checks", [DEDUPLICATED_EVENTS_CHECKS], partitions),
        build_operation("unregistered_events_checks", [unregistered_events_checks(catalog)], partitions),
        build_operation("typed_events_checks", list(map(typed_events_checks, catalog.event_types)), partitions),
        build_table_schema_checks(catalog),
        *([build_publication_check(catalog)] if published else []),
    ]
