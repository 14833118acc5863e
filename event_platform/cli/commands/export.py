"""`event-platform export`: files with which other tools read the lake."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from event_platform.cli.commands.options import to_folder
from event_platform.environment import load_environment

#: In the order of `WAREHOUSES`, which a test compares: to import that would slow down every command.
WAREHOUSE_NAMES = ("redshift", "snowflake", "athena", "trino", "bigquery", "databricks", "duckdb")


@click.group()
def export() -> None:
    """Write files for other tools: views for warehouses, a dbt project, data contracts, a JSON Schema of all events.

    Files are written to a folder that you keep in version control. A second export of the same catalog and tables
    changes nothing; with --check nothing is written, and the exit code is 1 if something would change.
    """


def _value(_: click.Context, __: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise click.BadParameter(f"expected <name>=<value>, got {pair}")
    return dict(pair.split("=", 1) for pair in pairs)


_CHECK = click.option("--check", is_flag=True, help="Write nothing, show the differences; exit code 1 if any.")


def _options(folder: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of an export, which by default goes to `folder`."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(
            (
                click.option("--for", "warehouse", type=click.Choice(WAREHOUSE_NAMES), required=True),
                to_folder(folder),
                click.option(
                    "--set",
                    "values",
                    multiple=True,
                    callback=_value,
                    metavar="NAME=VALUE",
                    help="A value of your account, such as iam_role; repeat it. Heads of files list all of them.",
                ),
                _CHECK,
            )
        ):
            function = option(function)
        return function

    return add


@export.command()
@_options("exports")
def views(warehouse: str, folder: Path, values: dict[str, str], check: bool) -> None:  # noqa: FBT001 - as click passes it
    """Write the SQL that makes every table of the lake readable in a warehouse, to <folder>/<warehouse>.sql.

    There is one view for each table: events.<key> for the typed events, platform.<name> for the platform's tables, and
    <first folder>.<name>, or platform.<name>, for those of your own assets. Columns are in the order of the catalog and
    have its comments. The role `engineers` is granted all views, `analysts` all but those of whole records
    (raw_events, corrupt_events, deduplicated_events, duplicate_events, unregistered_events, filtered_events).

    The statements can be run again, and no file has a secret in it. Values of your account are given with --set; the
    head of the file lists them. A table that was not written yet, or that the warehouse cannot read, is left out with
    the reason. Exit code 1 if a table cannot be read, or --check finds a difference.

    \b
    Examples, the second one for CI:
      event-platform export views --for redshift --set iam_role=arn:aws:iam::123456789012:role/reader
      event-platform export views --for snowflake --set external_volume=lake --check
      event-platform export views --for duckdb && duckdb warehouse.duckdb < exports/duckdb.sql
    """
    from event_platform.cli.export import export_views  # noqa: PLC0415

    raise SystemExit(export_views(load_environment(), warehouse, folder, values, check=check))


@export.command()
@_options("exports/dbt")
def dbt(warehouse: str, folder: Path, values: dict[str, str], check: bool) -> None:  # noqa: FBT001 - as click passes it
    """Write a dbt project over the views of a warehouse: sources, staging models, tests and exposures.

    The sources are the views that `export views` writes; give both the same --set. Each event type of the catalog has a
    staging model stg_<key>, with the tests that its schema implies: required → not_null, enum → accepted_values,
    minimum and maximum → in_range, and a unique event_uuid. Rules of fields inside of objects, and patterns, are
    checked by the platform alone.

    Staging models of types that left the catalog are removed; files that others add to the folder are left alone.
    The profile is called event_platform.

    \b
    Example:
      event-platform export dbt --for snowflake --to warehouse/dbt
      cd warehouse/dbt && dbt build
    """
    from event_platform.cli.export import export_dbt  # noqa: PLC0415

    raise SystemExit(export_dbt(load_environment(), warehouse, folder, values, check=check))


@export.command()
@to_folder("exports/odcs")
@_CHECK
def odcs(folder: Path, check: bool) -> None:  # noqa: FBT001 - as click passes it
    """Write a data contract of each event type of the catalog, to <folder>/<key>.odcs.yaml.

    They are documents of the Open Data Contract Standard, version 3.1.0. A contract has the columns of the type's table
    with their types, rules (pattern, minimum, maximum, required; enum as a check) and descriptions; the owner as its
    team, the group as its domain; classification `personal` for x-personal, the version from x-version, x-freshness as
    latency, the address of the table if the lake is in S3, and its page of the quality report if
    EVENT_PLATFORM_REPORT_URL is set.

    Contracts of types that left the catalog are removed; other files in the folder are left alone. Exit code 1 if
    --check finds a difference.

    \b
    Examples, the second one for CI:
      event-platform export odcs --to contracts
      event-platform export odcs --to contracts --check
    """
    from event_platform.cli.export import export_contracts  # noqa: PLC0415

    raise SystemExit(export_contracts(load_environment(), folder, check=check))


@export.command()
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default="exports/events.schema.json",
    show_default=True,
    help="File to write.",
)
@_CHECK
def jsonschema(file: Path, check: bool) -> None:  # noqa: FBT001 - as click passes it
    """Write the catalog as one JSON Schema (2020-12), with which producers validate their events.

    A record is valid if it is an event of the catalog that keeps all rules: the fields of the envelope are there, the
    name is known, and the payload is valid for the schema of that name, which is in $defs by its key. As in the tables,
    a property that is not required may be null, and a field that the schema does not know is a fault unless it is
    empty. Types of dates and times are formats: a validator has to be set to check these.

    Not checked: whether created_at is near the arrival, and whether an event_uuid was used before. Exit code 1 if
    --check finds a difference.

    \b
    Example:
      event-platform export jsonschema --to events.schema.json
    """
    from event_platform.cli.export import export_json_schema  # noqa: PLC0415

    raise SystemExit(export_json_schema(load_environment(), file, check=check))
