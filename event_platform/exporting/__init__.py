"""Files with which other tools read the lake: SQL for warehouses, and a dbt project."""
