"""`event-platform report`."""

from datetime import datetime

import click

from event_platform.environment import load_environment


@click.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The page of a day; by default the one of all days.")
@click.option("--open", "in_browser", is_flag=True, help="Open it in a browser.")
def report(day: datetime | None, in_browser: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Print the address of a page of the quality report.

    It is below EVENT_PLATFORM_REPORT_URL if that is set. Otherwise it is a file where the lake is a folder; where the
    lake is in a bucket, it is a signed address that anybody can open for an hour. That is of one page: its links to
    other pages are not signed and do not open. Serve the folder reports/quality to have them. Exit code 2 if there is
    no such page.

    \b
    Examples:
      event-platform report --open
      event-platform report --day 2025-06-01
    """
    from event_platform.cli.report import show_report  # noqa: PLC0415

    raise SystemExit(show_report(load_environment(), day.date() if day else None, in_browser=in_browser))
