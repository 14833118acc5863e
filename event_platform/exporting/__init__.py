"""What other tools read the lake with, as text: SQL for warehouses, and a dbt project."""
