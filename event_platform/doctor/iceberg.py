"""The check of the Iceberg catalog: it answers, and every table is published as it is."""

from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.doctor.settings import Settings
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import EventPlatformError
from event_platform.pipeline.opening import open_lake
from event_platform.pipeline.publication import read_status
from event_platform.publishing.iceberg import open_iceberg

_ACCESS = (
    "check the catalog's address and the network. In Glue, create the database, and allow glue:GetDatabase, GetTable, "
    "CreateTable, UpdateTable and DeleteTable on it and its tables"
)


def check_iceberg(settings: Settings) -> Finding:
    """Check that the catalog answers, and that no table is behind. A missing namespace is created."""
    name, here = "iceberg catalog", settings.environment
    if here.iceberg is None:
        return skipped(name, "EVENT_PLATFORM_ICEBERG is not set: tables are not published for warehouses")
    if not settings.are_valid("LAKE", "CATALOG"):
        return skipped(name, "EVENT_PLATFORM_LAKE or EVENT_PLATFORM_CATALOG is invalid")
    try:
        lake, types = open_lake(here.lake), load_catalog(here.catalog).event_types
        catalog = open_iceberg(here.iceberg, lake.storage, here.glue_database)
        status = read_status(catalog, lake.every_table(types))
    except EventPlatformError as error:
        return bad(name, str(error), _ACCESS)
    unknown = [each for each in status.behind if each.reason]
    if unknown:
        return bad(name, f"{catalog.name}: {unknown[0].table}: {unknown[0].reason}", _ACCESS)
    if status.behind:
        return bad(name, f"{catalog.name}: {status.sentence}", "event-platform publish publishes them; it says why not")
    return good(name, f"{catalog.name}, with {len(status.tables)} tables as they are now")
