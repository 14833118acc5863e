"""`event-platform catalog`: `draft`, `check`, `diff`, `accept`, `backfill` and `site`."""

from pathlib import Path

import click

from event_platform.cli.commands.options import WARN_ONLY, to_folder
from event_platform.environment import SAMPLE_CATALOG, load_environment


@click.group()
def catalog() -> None:
    """Draft, check, compare, change and show the catalog: a JSON Schema for each event name, and envelope.yaml.

    \b
    Examples, for a stream that has no catalog yet, and for a stream that has changed:
      event-platform catalog draft ./catalog
      event-platform catalog check ./catalog
      event-platform catalog diff
      event-platform catalog accept
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
    from event_platform.cli.catalog.draft import draft_catalog  # noqa: PLC0415

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
    would fail; where the catalog's type is a wider one, a run rebuilds the table.

    \b
    Examples, before a schema is merged, and before it is deployed:
      event-platform catalog check ./catalog
      event-platform catalog check ./catalog --against-lake
    """
    if as_json and not against_lake:
        raise click.UsageError("--json shows the tables of the lake: use it with --against-lake")
    from event_platform.cli.catalog.check import check_catalog  # noqa: PLC0415

    environment = load_environment()
    chosen = folder or environment.catalog
    if not against_lake:
        raise SystemExit(check_catalog(chosen))
    from event_platform.cli.catalog.in_lake import show_clashes  # noqa: PLC0415

    raise SystemExit(show_clashes(environment, chosen, as_json=as_json))


_BROKEN_SHARE = click.option(
    "--broken-share",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Events of a type that may break a rule before it is shown. Default: 1.",
)
_DEFAULT_BROKEN_SHARE = 1.0


@catalog.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option(
    "--against",
    metavar="FOLDER|git:REF",
    help="The catalog before: a folder, or a branch, tag or commit, at which FOLDER is read. Default: what arrives.",
)
@_BROKEN_SHARE
@click.option("--format", "output", type=click.Choice(["table", "json", "github"]), help="Default: table.")
@click.option("--json", "output", flag_value="json", help="The same as --format json.")
def diff(folder: Path | None, against: str | None, broken_share: float | None, output: str | None) -> None:
    """Show how what arrives differs from the catalog: FOLDER, or EVENT_PLATFORM_CATALOG.

    \b
    It reads the lake, the newest 30 days of each type, and shows
      new name           names of events without a schema, and the schema that would fit
      like a known name  those that look like a name of the catalog: Order Completed, order:completed
      new field          fields without a column, and their type
      changed type       values that do not fit their column, and the type that holds all of them
      broken rule        rules that more than 1 % of the events break (--broken-share)
      unseen field       fields that no event of 30 days has
      rebuild            values that have a column now, of days that are not rebuilt
    each with its events, days and an example, and what to do. `catalog accept` writes it.

    \b
    With --against, it shows the changes from another catalog to this one. Each change is
      compatible  whatever was accepted is accepted, in the same column
      back-fill   days that are built already differ from those to come until they are rebuilt
      breaking    events that were accepted are not, a column has no values any more, a run would fail,
                  or values that x-personal masked are shown
    A change of a rule is compatible if the new schema provably accepts every value that the old one accepted.
    Descriptions are not compared.

    \b
    Exit codes:
      0  no difference but unseen fields and days to rebuild; with --against: nothing is breaking
      1  another difference; with --against: a change is breaking
      2  usage or configuration error, such as a fault in one of the catalogs

    With --format github, differences are annotations of a pull request in GitHub Actions.

    \b
    Examples, the first after a run, the second before a commit, the third in a workflow:
      event-platform catalog diff ./catalog
      event-platform catalog diff ./catalog --against git:HEAD
      event-platform catalog diff ./catalog --against git:origin/main --format github
    """
    from event_platform.cli.catalog.diff import show_changes  # noqa: PLC0415
    from event_platform.cli.catalog.listing import Format  # noqa: PLC0415

    environment, chosen = load_environment(), Format(output or "table")
    folder = folder or environment.catalog
    if against is None:
        from event_platform.cli.catalog.arrivals import show_differences  # noqa: PLC0415

        share = _DEFAULT_BROKEN_SHARE if broken_share is None else broken_share
        raise SystemExit(show_differences(environment, folder, share, chosen))
    if broken_share is not None:
        raise click.UsageError("--broken-share is about what arrives: use it without --against")
    raise SystemExit(show_changes(folder, against, chosen))


@catalog.command()
@click.argument("types", nargs=-1, metavar="[TYPE]...")
@click.option(
    "--field", "fields", multiple=True, metavar="PATH", help="Accept this field, and what is in it; several times."
)
@click.option("--new", "as_new", is_flag=True, help="Each TYPE is an event of its own, though it is like a known name.")
@click.option("--dry-run", is_flag=True, help="Write nothing, show the patch; exit code 1 if there is one.")
@_BROKEN_SHARE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def accept(
    types: tuple[str, ...],
    fields: tuple[str, ...],
    as_new: bool,  # noqa: FBT001 - as click passes it
    dry_run: bool,  # noqa: FBT001 - as click passes it
    broken_share: float | None,
    as_json: bool,  # noqa: FBT001 - as click passes it
) -> None:
    """Write what `catalog diff` proposes into the schemas of EVENT_PLATFORM_CATALOG.

    Of all types, or of those named: TYPE is the name of an event or its table. Comments, order, quoting and line breaks
    stay as they are. A new name gets a schema in a file of its own; one that differs from a known name in case and
    separators becomes a name of that type (x-names). A schema gets a version (x-version) and an entry in its list of
    changes (x-changes).

    What a person has to judge is accepted only where it is named: broken rules and unseen fields, which may as well be
    a fault of the producer, with --field; a name that differs from a known one in a few letters, as TYPE, and with
    --new if that is another event.

    The outcome is loaded before anything is written: nothing is, if it has a fault, or if a run with it would fail.
    Days that are built already stay as they are until they are rebuilt.

    \b
    Exit codes:
      0  written, or there was nothing to accept
      1  with --dry-run: there is something to accept
      2  usage or configuration error, or a schema that cannot be edited

    \b
    Examples, to look at it first, for one type, for one field of it, and for a name that is no misspelled one:
      event-platform catalog accept --dry-run
      event-platform catalog accept lesson:started
      event-platform catalog accept lesson:started --field device.os
      event-platform catalog accept lesson:restarted --new
    """
    if as_new and not types:
        raise click.UsageError("--new is about names: name each TYPE that is an event of its own")
    from event_platform.cli.catalog.accept import Selection, accept_differences  # noqa: PLC0415

    environment = load_environment()
    if environment.catalog == SAMPLE_CATALOG:
        raise click.UsageError("set EVENT_PLATFORM_CATALOG to the folder of your catalog")
    share = _DEFAULT_BROKEN_SHARE if broken_share is None else broken_share
    chosen = Selection(types, fields, as_new=as_new)
    raise SystemExit(accept_differences(environment, chosen, share, dry_run=dry_run, as_object=as_json))


@catalog.command()
@click.option("--plan", is_flag=True, help="Show what would be built, and build nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --plan: print one JSON object instead of a table.")
@WARN_ONLY
def backfill(plan: bool, as_json: bool, warn_only: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Rebuild the days of event tables whose rows would differ under EVENT_PLATFORM_CATALOG as it is now.

    Such as days with values in _rescued for which a property was added since. Days on which the rows would be the same
    are not due, and other event types are not touched. Where statistics and _rescued do not say, events with a key
    that the catalog reads in another way are read again and compared. Quality reports that are due, and your own assets
    over these tables, are built as well. Everything else that is due is left to `run`, which does this, too, as do the
    sensors.

    \b
    --plan shows for each event type
      days    that are due
      rows    in them
      CPU s   an estimate: by what it cost to type a row in the last 30 days; without the quality reports
      why     the first reason that was found, for each one that some day has

    \b
    Exit codes:
      0  with --plan: whatever is due, also nothing
      1  a run failed, the totals do not balance, or a table cannot get the columns of the catalog
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
            from event_platform.cli.catalog.backfill import read_plan, show_plan  # noqa: PLC0415

            found = read_plan(environment, progress)
        else:
            from event_platform.cli.run import finish, run_backfill  # noqa: PLC0415

            outcome = run_backfill(environment, progress)
    raise SystemExit(show_plan(found, as_json=as_json) if plan else finish(outcome, warn_only=warn_only))


@catalog.command()
@click.argument("catalog_folder", metavar="[FOLDER]", type=click.Path(path_type=Path, file_okay=False), required=False)
@to_folder("exports/tracking-plan")
def site(catalog_folder: Path | None, folder: Path) -> None:
    """Write the tracking plan as static pages: the catalog in FOLDER, or EVENT_PLATFORM_CATALOG.

    index.html has every event type with its owner and group, a search over names, fields and descriptions, the newest
    changes that the schemas note (x-changes), and the fields of the envelope. Each type has a page: fields with types,
    rules and descriptions, version and changes, volume of 30 days, an example, lineage, and a link to its page of the
    quality report.

    Volumes, examples and tables made of a type are read from EVENT_PLATFORM_LAKE, if it is there. Values that a schema
    calls personal (x-personal) are masked. The pages load nothing from elsewhere and open from a folder: publish them
    as they are. The same catalog and lake give the same bytes; pages of types that left the catalog are removed.
    Exit code 1 if a table cannot be read.

    \b
    Examples, the second one beside a branch of the catalog:
      event-platform catalog site
      event-platform catalog site ./catalog --to public/events
    """
    from event_platform.cli.catalog.site import write_site  # noqa: PLC0415

    environment = load_environment()
    raise SystemExit(write_site(environment, catalog_folder or environment.catalog, folder))
