"""`event-platform doctor`."""

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def doctor(as_json: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Check an installation, and say how to fix what is missing. Ends within 25 seconds.

    Checks settings, versions, the catalog and Dagster's home; on S3 also credentials, permissions, conditional puts,
    the layout of landing and the clock; and, if they are set, PostgreSQL, a Dask cluster, the Glue Data Catalog,
    the Iceberg catalog and alert addresses; memory and disk. One object is written to the lake and deleted again.
    Only the object of the conditional-put check stays, as after any first run, and the namespace of the Iceberg
    catalog. No secret is shown. Exit code 1 if anything is wrong.

    \b
    Example, for a container that must not start otherwise:
      event-platform doctor || exit 1
    """
    from event_platform.cli.doctor import show_findings  # noqa: PLC0415

    raise SystemExit(show_findings(as_json=as_json))
