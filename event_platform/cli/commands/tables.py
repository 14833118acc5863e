"""Commands for the tables of the lake: `event-platform query`, `register`, `publish` and `vacuum`."""

from datetime import timedelta

import click

from event_platform.environment import load_environment


@click.command()
@click.argument("sql")
@click.option("--json", "form", flag_value="json", help="Print a JSON array of rows.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV with a header.")
def query(sql: str, form: str | None) -> None:
    """Run SQL (polars' dialect) over the tables of the lake.

    Tables: raw_events, corrupt_events, deduplicated_events, duplicate_events, unregistered_events, quality_report,
    events.<key>, such as events.lesson_started, and those of your own assets by their keys. Nothing else can be read,
    and nothing is written.

    The first 100 rows are shown: as a table if it fits the terminal, else with a line for each value. --json and
    --csv print all rows; in CSV, lists and objects are JSON.

    \b
    Examples:
      event-platform query "show tables"
      event-platform query "describe events.lesson_started"
      event-platform query "select created_date, count(*) n from events.lesson_started group by created_date"
      event-platform query --csv "select corruption_reason, count(*) n from corrupt_events group by 1"
    """
    from event_platform.cli.query import run_query  # noqa: PLC0415

    run_query(load_environment(), sql, form)


@click.command()
def register() -> None:
    """Register the tables of the lake in the Glue Data Catalog, so that Athena and Spark find them.

    The database is EVENT_PLATFORM_GLUE_DATABASE. Runs register the tables that they write; use this command the first
    time, and if somebody changed or dropped a table in the database. A second call does nothing. A registered table
    is never removed. Exit code 1 if a table could not be registered.

    \b
    Example:
      EVENT_PLATFORM_GLUE_DATABASE=event_platform_prod event-platform register
    """
    from event_platform.cli.register import register_tables  # noqa: PLC0415

    raise SystemExit(register_tables(load_environment()))


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def publish(tables: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Publish the tables of the lake in an Iceberg catalog, so that warehouses read them where they are.

    The catalog is EVENT_PLATFORM_ICEBERG. Iceberg's metadata get the same Parquet files as the Delta table: nothing is
    copied. Runs publish the tables that they write; use this command the first time, and where `event-platform status`
    says that tables are behind. Without TABLE, all are published, your own included. A second call does nothing.
    Files of the metadata that were lost or damaged are made again: what is up to date is read for that.

    \b
    Outcomes:
      created       the table was not in the catalog
      caught up     its files are those of the Delta table again
      rebuilt       from nothing: the Delta table was replaced, or changed as Iceberg cannot, or metadata were damaged
      unchanged     it was up to date
      no table yet  nothing was written to the Delta table so far
      failed        with the reason; the others are published. Exit code 1

    \b
    Examples:
      EVENT_PLATFORM_ICEBERG=sql event-platform publish
      event-platform publish events/lesson_started deduplicated_events
    """
    from event_platform.cli.publish import publish_tables  # noqa: PLC0415

    raise SystemExit(publish_tables(load_environment(), tables, as_json=as_json))


@click.command()
@click.option(
    "--keep-days",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    help="Keep files of versions that were replaced within so many days.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be deleted, and delete nothing.")
def vacuum(keep_days: int, dry_run: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Delete files that no table refers to any more.

    Compaction, rebuilds and replacements leave their old files behind for readers of old versions, and a killed run
    leaves files that it had not committed. The current version of every table stays as it is; versions that were
    replaced before --keep-days can no longer be read. Landing is not touched, nor are younger files, which a running
    step may be about to commit. Where tables are published in an Iceberg catalog, they are published and their old
    snapshots are expired first. Exit code 1 if a table could not be read, or not be published: it stays as it is.

    \b
    Example, once a week, if Dagster's schedule weekly_vacuum is off:
      event-platform vacuum --keep-days 7
    """
    from event_platform.cli.vacuum import vacuum_tables  # noqa: PLC0415

    raise SystemExit(vacuum_tables(load_environment(), timedelta(days=keep_days), dry_run=dry_run))
