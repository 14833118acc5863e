"""`event-platform catalog`: `draft`, `check`, `diff` and `backfill`."""

from pathlib import Path

import click

from event_platform.cli.commands.options import WARN_ONLY
from event_platform.environment import SAMPLE_CATALOG, load_environment


@click.group()
def catalog() -> None:
    """Draft, check and compare the catalog: a JSON Schema for each event name, and envelope.yaml.

    \b
    Examples, for a stream that has no catalog yet, and for a change of one:
      event-platform catalog draft ./catalog
      event-platform catalog check ./catalog
      event-platform catalog diff ./catalog --against git:main
      event-platform catalog backfill --plan
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
@click.option(
    "--against-lake", is_flag=True, help="Compare the catalog with the tables of EVENT_PLATFORM_LAKE as well."
)
@click.option("--json", "as_json", is_flag=True, help="With --against-lake: print one JSON object instead of a table.")
def check(folder: Path | None, against_lake: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Validate a catalog: FOLDER, or EVENT_PLATFORM_CATALOG.

    Prints a line for each fault with its file and key, and exits with 1 if there is any. A run accepts what passes.

    With --against-lake, it shows as well what the next run would meet in the tables: columns of another type than the
    catalog's, names that differ in case only, and tables of types that the catalog has no more. Exit code 1 if a run
    would fail.

    \b
    Examples, before a schema is merged, and before it is deployed:
      event-platform catalog check ./catalog
      event-platform catalog check ./catalog --against-lake
    """
    if as_json and not against_lake:
        raise click.UsageError("--json shows the tables of the lake: use it with --against-lake")
    from event_platform.cli.catalog import check_catalog  # noqa: PLC0415

    environment = load_environment()
    chosen = folder or environment.catalog
    if not against_lake:
        raise SystemExit(check_catalog(chosen))
    from event_platform.cli.catalog_in_lake import show_clashes  # noqa: PLC0415

    raise SystemExit(show_clashes(environment, chosen, as_json=as_json))


@catalog.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option(
    "--against",
    required=True,
    metavar="FOLDER|git:REF",
    help="The catalog before: a folder, or a branch, tag or commit, at which FOLDER is read.",
)
@click.option("--format", "output", type=click.Choice(["table", "json", "github"]), help="Default: table.")
@click.option("--json", "output", flag_value="json", help="The same as --format json.")
def diff(folder: Path | None, against: str, output: str | None) -> None:
    """Show the changes from another catalog to this one: FOLDER, or EVENT_PLATFORM_CATALOG.

    \b
    Each change of a type, a property, a setting or the envelope is
      compatible  whatever was accepted is accepted, in the same column
      back-fill   days that are built already differ from those to come until they are rebuilt
      breaking    events that were accepted are not, a column has no values any more, or a run would fail
    A change of a rule is compatible if the new schema provably accepts every value that the old one accepted.
    Descriptions are not compared. For each change there is what to do.

    \b
    Exit codes:
      0  nothing is breaking
      1  a change is breaking
      2  usage or configuration error, such as a fault in one of the catalogs

    With --format github, changes are annotations of a pull request in GitHub Actions.

    \b
    Examples, the first before a commit, the second in a workflow:
      event-platform catalog diff ./catalog --against git:HEAD
      event-platform catalog diff ./catalog --against git:origin/main --format github
    """
    from event_platform.cli.catalog_diff import Format, show_changes  # noqa: PLC0415

    raise SystemExit(show_changes(folder or load_environment().catalog, against, Format(output or "table")))


@catalog.command()
@click.option("--plan", is_flag=True, help="Show what would be built, and build nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --plan: print one JSON object instead of a table.")
@WARN_ONLY
def backfill(plan: bool, as_json: bool, warn_only: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Rebuild the days of event tables whose rows would differ under EVENT_PLATFORM_CATALOG as it is now.

    Such as days with values in _rescued for which a property was added since. Days on which the rows would be the same
    are not due, and other event types are not touched. Where statistics and _rescued do not tell, events with a key
    that the catalog reads in another way are read again and compared. The quality report of the days, and your own
    assets over these tables, are built as well. Everything else that is due is left to `run`, which does this, too, as
    do the sensors.

    \b
    --plan shows for each event type
      days    that are due
      rows    in them
      CPU s   an estimate: by what it cost to type a row in the last 30 days; without the quality reports
      why     the first reason that was found, for each one that some day has

    \b
    Exit codes:
      0  with --plan: whatever is due, also nothing
      1  a run failed, the totals do not balance, or (with --plan) a table cannot get the columns of the catalog
      2  usage or configuration error
      3  a check failed with severity error (0 with --warn-only)

    \b
    Examples, after a property was added to a schema:
      event-platform catalog backfill --plan
      event-platform catalog backfill
    """
    if as_json and not plan:
        raise click.UsageError("--json shows what would be built: use it with --plan")
    from event_platform.cli.progress import show_progress  # noqa: PLC0415

    environment = load_environment()
    with show_progress("tasks") as progress:
        progress.begin("loading the catalog")
        if plan:
            from event_platform.cli.catalog_backfill import read_plan, show_plan  # noqa: PLC0415

            found = read_plan(environment, progress)
        else:
            from event_platform.cli.run import finish, run_backfill  # noqa: PLC0415

            outcome = run_backfill(environment, progress)
    raise SystemExit(show_plan(found, as_json=as_json) if plan else finish(outcome, warn_only=warn_only))
