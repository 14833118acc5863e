"""`event-platform run` and `event-platform replay`."""

from datetime import datetime

import click

from event_platform.cli.commands.options import DAY, WARN_ONLY, date_of
from event_platform.environment import load_environment


@click.command()
@click.option("--from", "first", type=DAY, help="First day; by default the first partition.")
@click.option("--to", "last", type=DAY, help="Last day; by default today.")
@click.option("--rebuild", is_flag=True, help="Rebuild all created dates of the range, even if they are up to date.")
@WARN_ONLY
def run(first: datetime | None, last: datetime | None, rebuild: bool, warn_only: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Materialize everything that is due through Dagster, and show the totals.

    First the arrival dates with new or changed objects, then the created dates of their records, and then the
    unfinished work of earlier runs: a day, the quality report, an asset over event tables. Partitions that are up to
    date are not changed: a second run does nothing. If an Iceberg catalog is set, tables that are behind are published.

    Below the totals is a line for each check that failed, in this run or on the last 31 days that have events:
    severity, asset, check, days and figures, and below it the likely cause and the remedy. Progress is on stderr.

    \b
    Exit codes:
      0  all is well; checks may have failed with severity warn
      1  a run failed, the totals do not balance, or a table cannot get the columns of the catalog
      2  usage or configuration error
      3  a check failed with severity error (0 with --warn-only)

    \b
    Examples:
      event-platform run
      event-platform run --from 2025-06-01 --to 2025-06-07
      event-platform run --rebuild --from 2025-06-01 --to 2025-06-07
    """
    if rebuild and not (first and last):
        raise click.UsageError("--rebuild needs --from and --to: it rebuilds all days of the range, due or not")
    from event_platform.cli.progress import show_progress  # noqa: PLC0415

    environment = load_environment()
    with show_progress("tasks") as progress:
        progress.begin("loading the catalog")
        from event_platform.cli.run import finish, run_due  # noqa: PLC0415

        outcome = run_due(environment, date_of(first), date_of(last), progress, rebuild=rebuild)
    raise SystemExit(finish(outcome, warn_only=warn_only))


@click.command()
@click.option("--from", "first", type=DAY, required=True, help="First arrival date to load again.")
@click.option("--to", "last", type=DAY, required=True, help="Last arrival date to load again.")
@WARN_ONLY
def replay(first: datetime, last: datetime, warn_only: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Load arrival dates from landing again, even if they are loaded, and rebuild the created dates of their records.

    Use it after a rule was fixed (envelope.yaml, the start date, a new version of this program), or if rows of
    raw_events were lost: the objects are read with the current rules, and their rows are replaced in one commit. Rows
    of objects that are no longer in landing stay. Repeating or interrupting it does no harm: the tables are the same.

    It prints what `run` prints, and has the same exit codes.

    \b
    Example:
      event-platform replay --from 2025-06-01 --to 2025-06-07
    """
    from event_platform.cli.progress import show_progress  # noqa: PLC0415

    environment = load_environment()
    with show_progress("tasks") as progress:
        progress.begin("loading the catalog")
        from event_platform.cli.run import finish  # noqa: PLC0415
        from event_platform.cli.run import replay as replay_days  # noqa: PLC0415

        outcome = replay_days(environment, first.date(), last.date(), progress)
    raise SystemExit(finish(outcome, warn_only=warn_only))
