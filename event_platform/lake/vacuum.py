"""Files that no table needs any more: of versions that were replaced, and of tasks that were killed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from deltalake.exceptions import DeltaError

from event_platform.events.catalog import Catalog
from event_platform.events.errors import TableError
from event_platform.lake.lake import Lake
from event_platform.lake.s3_errors import cause
from event_platform.lake.tables import Table

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Vacuumed:
    """A table, and those of its files that nobody needs, or why they are not known."""

    table: Table
    files: Sequence[str] = ()
    error: TableError | None = None


def vacuum_all(lake: Lake, catalog: Catalog, keep: timedelta, *, dry_run: bool) -> Iterator[Vacuumed]:
    """Vacuum every table of the lake, one after the other. One that fails does not stop the others."""
    for table in lake.every_table(catalog.event_types):
        try:
            yield Vacuumed(table, vacuum(table, keep, dry_run=dry_run))
        except TableError as error:
            yield Vacuumed(table, error=error)


def vacuum(table: Table, keep: timedelta, *, dry_run: bool) -> list[str]:
    """Delete the files of a table that no version of the time to `keep` needs, and return them.

    Files that no version ever had go as well, where they are older: a run that is at work has not committed its own
    yet. Old versions cannot be read any more. Files that are gone already are among those returned, until the log
    forgets them after a week. With `dry_run` nothing is deleted. Raises TableStorageError.
    """
    delta = table.snapshot().delta
    if delta is None:
        return []
    try:
        return delta.vacuum(keep // _HOUR, dry_run, enforce_retention_duration=False, full=True)
    except (DeltaError, OSError) as error:
        raise table.failed("its old files cannot be deleted", error) from cause(error)
