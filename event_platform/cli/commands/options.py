"""What several commands share."""

from datetime import date, datetime

import click

DAY = click.DateTime(formats=["%Y-%m-%d"])


def date_of(moment: datetime | None) -> date | None:
    """Return the date of an option of the type DAY; None where it is not given."""
    return None if moment is None else moment.date()
