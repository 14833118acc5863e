"""`event-platform generate`."""

from datetime import datetime

import click

from event_platform.cli.commands.options import DAY
from event_platform.environment import load_environment


@click.command()
@click.option("--events", default=200_000, show_default=True, help="Number of distinct sound events.")
@click.option("--days", default=3, show_default=True, help="Number of days over which they arrive.")
@click.option("--from", "first_day", type=DAY, default="2025-06-01", show_default=True, help="First day of arrival.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same bytes.")
def generate(events: int, days: int, first_day: datetime, seed: int) -> None:
    """Write a sample landing zone: 100 event types of a language-learning product, with every kind of fault.

    The sample contains redeliveries, conflicts, late events, corrupt records for every reason, events of an app that
    is newer than the catalog, and event names that are not in the catalog. The totals to expect are written to
    ground_truth.json beside the landing folder, in the format of `status --json`.

    \b
    Example:
      EVENT_PLATFORM_LANDING=/tmp/try/landing event-platform generate --events 1000000
    """
    from event_platform.cli.sample import generate_sample  # noqa: PLC0415

    generate_sample(load_environment(), events, days, first_day.date(), seed)
