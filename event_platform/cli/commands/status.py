"""`event-platform status`."""

from contextlib import suppress

import click

from event_platform.cli.commands.options import ALL, WARN_ONLY
from event_platform.environment import Environment, load_environment


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--verify", is_flag=True, help="Check that every file exists and count its rows: reads the whole lake.")
@ALL
@WARN_ONLY
@click.option("--watch", is_flag=True, help="Redraw it every few seconds until ctrl-C; needs a terminal.")
def status(as_json: bool, verify: bool, every: bool, warn_only: bool, watch: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Show the totals of the lake: what landed, where it is now, what is wrong with it, and what is due.

    The totals balance if landed = sound + corrupt for every arrival date, and sound = deduplicated + duplicates and
    deduplicated = typed + unregistered for every created date. The last line says whether they do, and names the
    objects that wait to be loaded and the days that are due, including those of your own assets. Days whose newer
    records are not built, as while a run is at work or after one that failed, do not balance yet.

    With a filter in the stream and its EVENT_PLATFORM_REDELIVERIES_QUEUE, totals begin with sent = landed + filtered,
    and the last line counts the messages that wait in the queue.

    Of the days, the last two weeks are shown, and earlier ones that do not balance, are due, or have a check that
    failed with severity error. Below them is a line for each failed check, the worst ten first: severity, asset, check,
    days and figures, and below it the likely cause and what to do. Checks are those of the last 31 days that have
    events; with --all, of every day.

    \b
    Exit codes:
      0  the totals balance, or will when newer records are built, and new objects are loaded, as while a stream runs
      1  the totals do not balance, or cannot be counted, or work is overdue:
           an object waits that landed on an earlier day (UTC, plus an hour)
           a day is due whose records have waited for an hour
           landing cannot be listed, or the queue does not answer, so that nobody knows what waits
      2  usage or configuration error
      3  a check failed with severity error (0 with --warn-only)

    With --json, "completeness" has the details; its "complete" is true if nothing is due and no object waits. "checks"
    lists the failed checks: severity, asset, check, days, description, cause, next.

    Where an Iceberg catalog is set, a line says which tables are behind in it, and "iceberg" has the details; the exit
    code does not depend on it.

    With --verify, nothing is taken from the logs: every file of every table must exist with its size, keys and rows
    are counted in the files, and the event_uuids of each day are compared between tables, unless newer records of the
    day are not built yet: a run may be at work. Exit code 1, and the days, if there is any fault.

    \b
    Examples, the first in a script that must not continue if the totals do not balance:
      event-platform status --json > totals.json || exit 1
      event-platform status --watch
      event-platform status --verify
    """
    if watch and (as_json or verify):
        raise click.UsageError("--watch draws on a terminal: use it without --json and --verify")
    environment = load_environment()
    if verify:
        raise SystemExit(_verify(environment, as_json=as_json, every=every))
    if watch:
        _watch(environment, every=every)
        return
    from event_platform.cli.progress import show_progress  # noqa: PLC0415

    with show_progress("tables") as progress:
        progress.begin("loading the catalog")
        from event_platform.cli.status import current_status, exit_code, print_status  # noqa: PLC0415

        found = current_status(environment, progress, every=every)
    print_status(found, as_json=as_json, every=every)
    failed = found.rest.is_overdue or not (found.balanced or found.is_under_way)
    raise SystemExit(exit_code(found.results, failed=failed, warn_only=warn_only))


def _verify(environment: Environment, *, as_json: bool, every: bool) -> int:
    from event_platform.cli.verify import show_verification  # noqa: PLC0415
    from event_platform.events.catalog import load_catalog  # noqa: PLC0415

    return show_verification(environment, load_catalog(environment.catalog), as_json=as_json, every=every)


def _watch(environment: Environment, *, every: bool) -> None:
    from event_platform.cli.output import OUT  # noqa: PLC0415
    from event_platform.cli.status import watch_status  # noqa: PLC0415

    if not OUT.is_interactive:
        raise click.UsageError("--watch draws on a terminal that can be redrawn: do not use it in a pipe")
    with suppress(KeyboardInterrupt):
        watch_status(environment, every=every)
