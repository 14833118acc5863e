"""`event-platform status`."""

import click

from event_platform.environment import load_environment


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--verify", is_flag=True, help="Check that every file exists and count its rows: reads the whole lake.")
def status(as_json: bool, verify: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Show the totals of the lake: what landed, where it is now, and what is due.

    The totals balance if landed = sound + corrupt for every arrival date, and sound = deduplicated + duplicates and
    deduplicated = typed + unregistered for every created date. The last line says whether they do, and names the
    objects that wait to be loaded and the days that are due, including those of your own assets.

    \b
    Exit code 0 if the totals balance, even if new objects wait to be loaded, as they do while a stream runs.
    Exit code 1 if they do not balance, or if work is overdue:
      an object waits that landed on an earlier day (UTC, plus an hour)
      a day is due for which nothing was loaded within the last hour
      landing cannot be listed, so that nobody knows what waits
    With --json, "completeness" has the details; its "complete" is true if nothing is due and no object waits.

    With --verify, nothing is taken from the logs: every file of every table must exist with its size, keys and rows
    are counted in the files, and the event_uuids of each day are compared between tables. Exit code 1, and the days,
    if there is any fault.

    \b
    Examples, the first in a script that must not continue if the totals do not balance:
      event-platform status --json > totals.json || exit 1
      event-platform status --verify
    """
    from event_platform.events.catalog import load_catalog  # noqa: PLC0415

    environment = load_environment()
    if verify:
        from event_platform.cli.verify import show_verification  # noqa: PLC0415

        raise SystemExit(show_verification(environment, load_catalog(environment.catalog), as_json=as_json))
    from event_platform.cli.status import show_status  # noqa: PLC0415

    raise SystemExit(show_status(environment, load_catalog(environment.catalog), as_json=as_json))
