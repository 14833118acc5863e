"""`event-platform generate`."""

from datetime import datetime

import click

from event_platform.cli.commands.options import DAY
from event_platform.environment import load_environment


@click.command()
@click.option("--events", default=200_000, show_default=True, help="Number of distinct sound events.")
@click.option("--days", default=3, show_default=True, help="Number of days over which they arrive.")
@click.option("--from", "first_day", type=DAY, help="First day of arrival (default: the days end yesterday, UTC).")
@click.option("--seed", default=1, show_default=True, help="The same seed and first day give the same bytes.")
def generate(events: int, days: int, first_day: datetime | None, seed: int) -> None:
    """Write a sample landing zone: 100 event types of a language-learning product, with every kind of fault.

    The sample contains redeliveries, conflicts, late events, corrupt records for every reason, events of an app that
    is newer than the catalog, and event names that are not in the catalog. The totals to expect are written to
    ground_truth.json beside the landing folder, in the format of `status --json`; they depend on the seed, not on the
    days. If there is no lake yet, the first day is written to start_date beside it: in the local environment, that is
    the first partition unless EVENT_PLATFORM_START_DATE is set.

    \b
    Examples, the second with the same bytes on every day:
      EVENT_PLATFORM_LANDING=/tmp/try/landing event-platform generate --events 1000000
      event-platform generate --from 2025-06-01
    """
    from event_platform.cli.sample import first_of_whole_days, generate_sample  # noqa: PLC0415

    first_date = first_day.date() if first_day else first_of_whole_days(days)
    generate_sample(load_environment(), events, days, first_date, seed)
