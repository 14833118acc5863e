"""`event-platform query`: SQL over every table of the lake."""

import polars as pl
from rich.table import Table as RichTable

from event_platform.cli.output import OUT
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import TableError
from event_platform.lake.at_once import each_at_once
from event_platform.lake.tables import Table
from event_platform.provision import open_lake


def run_query(environment: Environment, sql: str, form: str | None) -> None:
    """Print the rows of `sql` as a table, or as `json` or `csv`."""
    tables = {name: table for name, table in _tables(environment).items() if name in sql}
    scans = each_at_once(lambda table: table.snapshot().scan(), tables.values())
    context = pl.SQLContext(dict(zip(tables, scans, strict=True)))
    try:
        rows = context.execute(sql).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise TableError(f"the query failed: {error}") from error
    if form == "json":
        print(rows.write_json())  # noqa: T201 - rich would wrap it
    elif form == "csv":
        print(rows.write_csv(), end="")  # noqa: T201
    else:
        table = RichTable(*rows.columns)
        for row in rows.iter_rows():
            table.add_row(*("" if value is None else str(value) for value in row))
        OUT.print(table, markup=False)


def _tables(environment: Environment) -> dict[str, Table]:
    lake, event_types = open_lake(environment.lake), load_catalog(environment.catalog).event_types
    return {table.name.replace("/", "."): table for table in lake.every_table(event_types)}
