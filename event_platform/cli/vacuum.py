"""`event-platform vacuum`: delete the files that no table needs any more."""

from datetime import timedelta

from event_platform.cli.output import ERR, OUT
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.lake.vacuum import vacuum_all
from event_platform.pipeline.opening import open_lake


def vacuum_tables(environment: Environment, keep: timedelta, *, dry_run: bool) -> int:
    """Vacuum every table and print how many files nobody needs; return the exit code."""
    lake, catalog = open_lake(environment.lake), load_catalog(environment.catalog)
    tables = failed = gone = 0
    for each in vacuum_all(lake, catalog, keep, dry_run=dry_run):
        tables, gone = tables + 1, gone + len(each.files)
        if each.error is not None:
            failed += 1
            ERR.print(f"{each.error}", style="red", soft_wrap=True, highlight=False, markup=False)
        elif each.files:
            OUT.print(f"{len(each.files):,} files of {each.table.name}", soft_wrap=True, highlight=False, markup=False)
    done = "would be deleted" if dry_run else "are deleted"
    OUT.print(
        f"{gone:,} files of {tables:,} tables that nobody needs {done}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    return 1 if failed else 0
