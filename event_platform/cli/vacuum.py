"""`event-platform vacuum`: delete the files that no table refers to any more."""

from datetime import timedelta
from functools import partial

from event_platform.cli.output import ERR, OUT
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.wording import counted
from event_platform.lake.lake import Lake
from event_platform.lake.vacuum import Expire, vacuum_all
from event_platform.pipeline.opening import open_lake
from event_platform.pipeline.publication import open_iceberg_catalog


def vacuum_tables(environment: Environment, keep: timedelta, *, dry_run: bool) -> int:
    """Vacuum every table and print how many unreferenced files it had; return the exit code."""
    lake, catalog = open_lake(environment.lake), load_catalog(environment.catalog)
    tables = failed = files = 0
    for vacuumed in vacuum_all(
        lake, catalog, keep, dry_run=dry_run, expire=_expire(environment, lake, dry_run=dry_run)
    ):
        tables, files = tables + 1, files + len(vacuumed.files)
        if vacuumed.error is not None:
            failed += 1
            ERR.print(f"{vacuumed.error}", style="red", soft_wrap=True, highlight=False, markup=False)
        elif vacuumed.files:
            OUT.print(f"{vacuumed.table.name}: {counted(len(vacuumed.files), 'unreferenced file')}", soft_wrap=True)
    verb = "would delete" if dry_run else "deleted"
    OUT.print(f"{verb} {counted(files, 'unreferenced file')} ({counted(tables, 'table')} checked)", soft_wrap=True)
    return 1 if failed else 0


def _expire(environment: Environment, lake: Lake, *, dry_run: bool) -> Expire | None:
    """Return a function that expires old snapshots of the Iceberg tables, which refer to the same files.

    None if no catalog is set.
    """
    if environment.iceberg is None:
        return None
    return partial(open_iceberg_catalog(environment, lake).expire, dry_run=dry_run)
