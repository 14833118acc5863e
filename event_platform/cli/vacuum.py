"""`event-platform vacuum`: delete the files that no table needs any more."""

from datetime import timedelta

from event_platform.cli.output import ERR, OUT
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import TableError
from event_platform.lake.vacuum import vacuum
from event_platform.provision import open_lake


def vacuum_tables(environment: Environment, keep: timedelta, *, dry_run: bool) -> int:
    """Vacuum every table, those of retired types too, and print how many files nobody needs; return the exit code."""
    lake, event_types = open_lake(environment.lake), load_catalog(environment.catalog).event_types
    tables = [*lake.tables(event_types), *lake.retired_tables(event_types)]
    failed = gone = 0
    for table in tables:
        try:
            paths = vacuum(table, keep, dry_run=dry_run)
        except TableError as error:
            failed += 1
            ERR.print(f"{error}", style="red", soft_wrap=True, highlight=False, markup=False)
            continue
        gone += len(paths)
        if paths:
            OUT.print(f"{len(paths):,} files of {table.name}", soft_wrap=True, highlight=False, markup=False)
    done = "would be deleted" if dry_run else "are deleted"
    OUT.print(
        f"{gone:,} files of {len(tables):,} tables that nobody needs {done}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    return 1 if failed else 0
