"""Files for other tools: SQL for warehouses, a dbt project, data contracts, and a JSON Schema."""
