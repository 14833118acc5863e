"""Options that several commands share."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

DAY = click.DateTime(formats=["%Y-%m-%d"])

WARN_ONLY = click.option("--warn-only", is_flag=True, help="End with 0, not 3, if a check failed with severity error.")

ALL = click.option("--all", "every", is_flag=True, help="Show every day, and every failed check of every day.")


def to_folder(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option of the folder that files are written to."""
    return click.option(
        "--to",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=default,
        show_default=True,
        help="Folder to write to.",
    )


def date_of(moment: datetime | None) -> date | None:
    """Return the date of an option of type DAY; None if the option is not given."""
    return None if moment is None else moment.date()
