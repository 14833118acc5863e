"""`event-platform run` and `event-platform replay`."""

from datetime import datetime

import click

from event_platform.cli.commands.options import DAY, date_of
from event_platform.environment import load_environment


@click.command()
@click.option("--from", "first", type=DAY, help="First day; by default the first partition.")
@click.option("--to", "last", type=DAY, help="Last day; by default today.")
@click.option("--rebuild", is_flag=True, help="Rebuild all created dates of the range, even if they are up to date.")
def run(first: datetime | None, last: datetime | None, rebuild: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Materialize everything that is due through Dagster, and show the totals.

    First the arrival dates with new or changed objects, then the created dates of their records, and then whatever an
    earlier run did not finish: a day, the quality report, an asset over event tables. Partitions that are up to date
    are not touched: a second run does nothing.

    \b
    Examples:
      event-platform run
      event-platform run --from 2025-06-01 --to 2025-06-07
      event-platform run --rebuild --from 2025-06-01 --to 2025-06-07
    """
    if rebuild and not (first and last):
        raise click.UsageError("--rebuild needs --from and --to: it rebuilds all days of the range, due or not")
    from event_platform.cli.run import run_due  # noqa: PLC0415

    raise SystemExit(run_due(load_environment(), date_of(first), date_of(last), rebuild=rebuild))


@click.command()
@click.option("--from", "first", type=DAY, required=True, help="First arrival date to load again.")
@click.option("--to", "last", type=DAY, required=True, help="Last arrival date to load again.")
def replay(first: datetime, last: datetime) -> None:
    """Load arrival dates from landing again, even if they are loaded, and rebuild the created dates of their records.

    Use it after a rule was fixed (envelope.yaml, the start date, a new version of this program), or if rows of
    raw_events were lost: the objects are read with the current rules, and their rows are replaced in one commit. Rows
    of objects that are no longer in landing stay. Repeating or interrupting it does no harm: the tables are the same.

    \b
    Example:
      event-platform replay --from 2025-06-01 --to 2025-06-07
    """
    from event_platform.cli.run import replay as replay_days  # noqa: PLC0415

    raise SystemExit(replay_days(load_environment(), first.date(), last.date()))
