"""What several commands share."""

from datetime import date, datetime

import click

DAY = click.DateTime(formats=["%Y-%m-%d"])

WARN_ONLY = click.option("--warn-only", is_flag=True, help="End with 0, not 3, if a check failed with severity error.")

ALL = click.option("--all", "every", is_flag=True, help="Show every day, and every failed check of every day.")


def date_of(moment: datetime | None) -> date | None:
    """Return the date of an option of the type DAY; None where it is not given."""
    return None if moment is None else moment.date()
