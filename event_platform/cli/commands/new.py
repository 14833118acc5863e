"""`event-platform new`."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Create a project of your own in FOLDER, which must be empty or not exist.

    It contains an example asset with its test, an empty catalog, and a definitions.py that adds your assets to those
    of this package. The name of the folder becomes the name of its Python package.

    \b
    Example, from nothing to the Dagster UI:
      event-platform new my_events
      cd my_events
      make dev

    In that folder, `.env` holds the settings, and `event-platform run` builds your assets as well.
    """
    from event_platform.cli.new import make_project  # noqa: PLC0415

    make_project(folder)
