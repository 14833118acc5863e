"""The warehouses that views are written for, a module each."""

from event_platform.exporting.warehouses.athena import Athena
from event_platform.exporting.warehouses.base import Warehouse
from event_platform.exporting.warehouses.bigquery import BigQuery
from event_platform.exporting.warehouses.databricks import Databricks
from event_platform.exporting.warehouses.duckdb import DuckDB
from event_platform.exporting.warehouses.redshift import Redshift
from event_platform.exporting.warehouses.snowflake import Snowflake
from event_platform.exporting.warehouses.trino import Trino

WAREHOUSES: dict[str, type[Warehouse]] = {
    each.dialect.name: each for each in (Redshift, Snowflake, Athena, Trino, BigQuery, Databricks, DuckDB)
}
