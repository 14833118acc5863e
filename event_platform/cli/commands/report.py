"""`event-platform report`."""

from datetime import datetime

import click

from event_platform.environment import load_environment


@click.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The page of a day; by default the one of all days.")
@click.option("--open", "in_browser", is_flag=True, help="Open it in a browser.")
def report(day: datetime | None, in_browser: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Print the address of a page of the quality report.

    It is below EVENT_PLATFORM_REPORT_URL if that is set. Otherwise it is a file if the lake is a folder; if the lake is
    in a bucket, it is a signed address that anybody can open for an hour. The links on a signed page do not open,
    because they are not signed: serve the folder reports/quality instead. Exit code 2 if there is no such page.

    \b
    Examples:
      event-platform report --open
      event-platform report --day 2025-06-01
    """
    from event_platform.cli.report import show_report  # noqa: PLC0415

    raise SystemExit(show_report(load_environment(), day.date() if day else None, in_browser=in_browser))
