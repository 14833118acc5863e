"""The check of the Iceberg catalog: it answers, and has the current version of every table."""

from collections.abc import Sequence
from dataclasses import replace

from event_platform.doctor.finding import Finding, Verdict, bad, good, skipped
from event_platform.doctor.services import check_glue
from event_platform.doctor.settings import Settings
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import EventPlatformError
from event_platform.lake.tables import Table
from event_platform.pipeline.opening import open_lake
from event_platform.pipeline.publication import open_iceberg_catalog, read_status
from event_platform.publishing.iceberg import CatalogKind, IcebergCatalog

_NAME = "iceberg catalog"

_ACCESS = (
    "check the catalog's address and the network. In Glue, create the database, and allow glue:GetDatabase, GetTable, "
    "CreateTable, UpdateTable and DeleteTable on it and its tables"
)


def check_iceberg(settings: Settings) -> Finding:
    """Check that the catalog answers and no table is behind. A missing namespace is created."""
    environment = settings.environment
    if environment.iceberg is None:
        return skipped(_NAME, "EVENT_PLATFORM_ICEBERG is not set: tables are not published for warehouses")
    if not settings.are_valid("LAKE", "CATALOG"):
        return skipped(_NAME, "EVENT_PLATFORM_LAKE or EVENT_PLATFORM_CATALOG is invalid")
    try:
        lake, types = open_lake(environment.lake), load_catalog(environment.catalog).event_types
        return _check_tables(open_iceberg_catalog(environment, lake), lake.every_table(types))
    except EventPlatformError as error:
        return bad(_NAME, str(error), _ACCESS)


def _check_tables(catalog: IcebergCatalog, tables: Sequence[Table]) -> Finding:
    if catalog.setting.kind is CatalogKind.GLUE:  # to pyiceberg, a database that is missing has no tables
        database = check_glue(catalog.setting.namespace)
        if database.verdict is Verdict.BAD:
            return replace(database, name=_NAME)
    status = read_status(catalog, tables)
    unknown = [table for table in status.outdated if table.reason]
    if unknown:
        return bad(_NAME, f"{catalog.name}: {unknown[0].table}: {unknown[0].reason}", _ACCESS)
    if status.outdated:
        return bad(
            _NAME, f"{catalog.name}: {status.sentence}", "event-platform publish publishes them, or says why it cannot"
        )
    return good(_NAME, f"{catalog.name}, with {len(status.tables)} tables as they are now")
