"""`event-platform init`."""

import sys
from pathlib import Path

import click

from event_platform.environment import Environment, load_environment
from event_platform.setting_values import parse_location


@click.command()
@click.option("--landing", help="Folder or bucket to look at; by default EVENT_PLATFORM_LANDING.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: where choices are equally good, take the first.")
@click.option("--force", is_flag=True, help="Replace an existing envelope.yaml.")
def init(landing: str | None, yes: bool, force: bool) -> None:  # noqa: FBT001 - as click passes it
    """Look at what has landed, and write an envelope.yaml that reads it.

    Reads the beginnings of some objects, from the first day to the last, and detects how records are wrapped, which
    field is the id (present and distinct in all records), which fields name the event, and which one is the time,
    with its unit. Shows the figures behind each choice, and the alternatives. Writes required settings that are not
    set to .env: landing, catalog and first partition.

    \b
    Example, for a stream without a catalog:
      event-platform init --landing s3://my-bucket/events
      event-platform catalog draft
      event-platform run
    """
    from event_platform.cli.init import ask, located  # noqa: PLC0415
    from event_platform.cli.init import init as propose  # noqa: PLC0415

    try:
        location = parse_location(landing) if landing else None
    except ValueError as error:
        raise click.UsageError(f"--landing: {error}") from error
    environment = located(load_environment(), location)
    folder = propose(environment, answer=(lambda _key, _choices: 0) if yes else ask, force=force)
    if yes or not sys.stdin.isatty():
        click.echo("Next: event-platform catalog draft, then event-platform run")
    elif click.confirm("Draft a schema for each event name now?", default=True):
        raise SystemExit(_draft_and_run(environment, folder))


def _draft_and_run(environment: Environment, folder: Path) -> int:
    from event_platform.cli.catalog.draft import draft_catalog  # noqa: PLC0415

    code = draft_catalog(environment, folder, None, force=False)
    if code == 0 and click.confirm("Load and build everything now?", default=True):
        from dotenv import load_dotenv  # noqa: PLC0415

        from event_platform.cli.progress import show_progress  # noqa: PLC0415
        from event_platform.cli.run import finish, run_due  # noqa: PLC0415

        load_dotenv(".env")  # with the settings just written to it
        with show_progress("tasks") as progress:
            progress.begin("loading the catalog")
            outcome = run_due(load_environment(), None, None, progress)
        code = finish(outcome)
    return code
