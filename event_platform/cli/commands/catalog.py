"""`event-platform catalog draft` and `event-platform catalog check`."""

from pathlib import Path

import click

from event_platform.environment import SAMPLE_CATALOG, load_environment


@click.group()
def catalog() -> None:
    """Draft and check the catalog: a JSON Schema for each event name, and envelope.yaml.

    \b
    Example, for a stream that has no catalog yet:
      event-platform catalog draft ./catalog
      event-platform catalog check ./catalog
    """


@catalog.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option(
    "--envelope",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="envelope.yaml to read the stream with; by default the one in FOLDER.",
)
@click.option("--force", is_flag=True, help="Replace the schemas of these events, and envelope.yaml if it differs.")
def draft(folder: Path | None, envelope: Path | None, force: bool) -> None:  # noqa: FBT001 - as click passes it
    """Read landing and write a schema for every event name in it to FOLDER (or EVENT_PLATFORM_CATALOG).

    Every property gets the widest type that loses none of the values in landing. Values of mixed types go to the
    column _rescued, and so do later values that do not fit. Review the draft before you build on it. An existing
    schema is found by its title, whatever its file is called; no other file is overwritten. Exit code 1 if an event
    was left out.

    \b
    Example, for a stream with its own field names:
      mkdir catalog && cat > catalog/envelope.yaml <<EOF
      event_uuid: id
      event_name: [type, payload.action]
      created_at: {field: created_at, unit: iso8601}
      EOF
      event-platform catalog draft catalog
    """
    from event_platform.cli.catalog import draft_catalog  # noqa: PLC0415

    environment = load_environment()
    chosen = folder or environment.catalog
    if chosen == SAMPLE_CATALOG:
        raise click.UsageError("give a FOLDER to write to, or set EVENT_PLATFORM_CATALOG")
    raise SystemExit(draft_catalog(environment, chosen, envelope, force=force))


@catalog.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
def check(folder: Path | None) -> None:
    """Validate a catalog: FOLDER, or EVENT_PLATFORM_CATALOG.

    Prints a line for each fault with its file and key, and exits with 1 if there is any. A run accepts what passes.

    \b
    Example, before a schema is merged:
      event-platform catalog check ./catalog
    """
    from event_platform.cli.catalog import check_catalog  # noqa: PLC0415

    raise SystemExit(check_catalog(folder or load_environment().catalog))
