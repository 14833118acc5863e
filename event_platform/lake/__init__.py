"""Delta tables: one registry of all of them, their schemas, snapshots, commits and maintenance. No Dagster."""
