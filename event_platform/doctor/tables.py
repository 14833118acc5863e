"""A check of the lake's tables: whether every file that their logs have is there, and nobody else wrote to them."""

from event_platform.doctor.finding import Finding, bad, good, left_out
from event_platform.doctor.settings import Settings
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import EventPlatformError
from event_platform.lake.deployments import deployment_of, other_deployment
from event_platform.lake.verification import look_for_files
from event_platform.pipeline.opening import open_lake


def check_tables(settings: Settings) -> Finding:
    """Tell of files that are missing or of another size, and of partitions that others changed. No row is read."""
    name = "lake tables"
    if not settings.are_valid("LAKE", "CATALOG"):
        return left_out(name, "EVENT_PLATFORM_LAKE or EVENT_PLATFORM_CATALOG is wrong")
    here = settings.environment
    try:
        lake, catalog = open_lake(here.lake), load_catalog(here.catalog)
        if other := other_deployment(lake.unregistered_events.snapshot(), deployment_of(catalog)):
            return bad(name, other, "see which of them is meant, and stop the other one")
        found = look_for_files(lake.every_table(catalog.event_types))
    except EventPlatformError as error:
        return left_out(name, f"the tables cannot be looked at: {error}")
    files = f"{found.files:,} files of {found.tables:,} tables"
    if found.faults:
        told = f"{len(found.faults):,} faults in {files}, such as {found.faults[0]}"
        return bad(name, told, "event-platform run rebuilds these days; event-platform status --verify tells more")
    return good(name, f"{files} are there, as the platform left them")
