"""The check of the tables: files are as the platform wrote them, and the next run can write to the tables.

It also reports records that are due for mending.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.doctor.settings import Settings
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import DamagedTableError, EventPlatformError
from event_platform.events.wording import counted
from event_platform.lake.catalog_clashes import TableClash, find_table_clashes
from event_platform.lake.deployments import deployment_of, other_deployment
from event_platform.lake.verification import Verification, look_for_files
from event_platform.pipeline.loading.mending import due_mending
from event_platform.pipeline.opening import open_lake


def check_tables(settings: Settings) -> Finding:
    """Report files that are missing or differ in size, and partitions that others changed. Reads no rows."""
    name = "lake tables"
    if not settings.are_valid("LAKE", "CATALOG"):
        return skipped(name, "EVENT_PLATFORM_LAKE or EVENT_PLATFORM_CATALOG is invalid")
    environment = settings.environment
    try:
        lake, catalog = open_lake(environment.lake), load_catalog(environment.catalog)
        if other := other_deployment(lake.unregistered_events.snapshot(), deployment_of(catalog)):
            return bad(name, other, "stop the deployment that is not meant to write to this lake")
        verification = look_for_files(lake.every_table(catalog.event_types))
        clashes = (
            []
            if verification.faults
            else [clash for clash in find_table_clashes(lake, catalog.event_types) if clash.fails]
        )
        to_mend = {} if verification.faults else due_mending(lake, catalog.mending)
    except EventPlatformError as error:
        return _unreadable(name, error)
    return _judge(name, verification, clashes, to_mend)


def _judge(
    name: str, verification: Verification, clashes: Sequence[TableClash], to_mend: Mapping[date, int]
) -> Finding:
    files = f"{counted(verification.files, 'file')} of {counted(verification.tables, 'table')}"
    if verification.faults:
        faults = f"{counted(len(verification.faults), 'fault')} in {files}, such as {verification.faults[0]}"
        return bad(
            name, faults, "event-platform run rebuilds these days; event-platform status --verify lists all faults"
        )
    if clashes:
        first, columns = clashes[0], counted(len(clashes), "column")
        example = f"{first.table}.{first.column} ({first.stored} → {first.defined})"
        return bad(name, f"a run would fail on {columns}: {example}", "event-platform catalog check --against-lake")
    if to_mend:
        days = counted(len(to_mend), "day")
        return bad(name, f"{days} loaded with other functions than catalog/mend has", "event-platform mend")
    return good(name, f"{files} exist, as the platform wrote them")


def _unreadable(name: str, error: EventPlatformError) -> Finding:
    """Return the finding of an error: of settings and of the storage, other lines report it."""
    if isinstance(error, DamagedTableError):
        return bad(name, error.fault, error.remedy)
    return skipped(name, f"the tables cannot be read: {error}")
