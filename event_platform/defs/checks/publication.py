"""The check that every table is published in the Iceberg catalog. Tables that are behind are published first.

It is one check of the last asset rather than one per asset: its result names the tables. A run of this check alone
publishes the leftovers of earlier runs.
"""

from collections.abc import Iterator

import dagster as dg

from event_platform.checks import publication
from event_platform.checks.publication import check_publication, no_catalog
from event_platform.checks.result import Result
from event_platform.defs.assets.quality_report import QUALITY_REPORT
from event_platform.defs.checks.operation import is_worth_reading
from event_platform.defs.checks.results import Check, to_evaluation
from event_platform.defs.resources.platform import LakeResource, PublishingResource
from event_platform.events.catalog import Catalog
from event_platform.lake.lake import Lake
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.pipeline.publication import publish_outdated

PUBLISHED: Check[None] = Check(
    publication.NAME,
    QUALITY_REPORT,
    "the Iceberg catalog has the current version of every table; tables that are behind are published first",
    lambda _: (),
)


def build_publication_check(catalog: Catalog) -> dg.AssetChecksDefinition:
    """Return the operation that publishes tables that are behind, and evaluates the check."""

    @dg.multi_asset_check(name="publication_check", specs=[PUBLISHED.spec(None)], can_subset=True)
    def evaluate(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, publishing: PublishingResource
    ) -> Iterator[dg.AssetCheckEvaluation]:
        context.log.addFilter(is_worth_reading)
        yield to_evaluation(PUBLISHED, None, _publish(lake.open(), publishing, catalog))

    return evaluate


def _publish(lake: Lake, publishing: PublishingResource, catalog: Catalog) -> Result:
    tables = PinnedLake(lake.storage).every_table(catalog.event_types)
    unpublished = [table for table in tables if not publishing.has_published(table)]
    status = publish_outdated(publishing.open_iceberg(lake), unpublished)
    if status.fault:
        return no_catalog(status.fault)
    # A table that is behind without a reason was written to since.
    failed = {table.table: table.reason for table in status.outdated if table.reason}
    return check_publication(len(tables) - len(unpublished) + len(status.tables), failed)
