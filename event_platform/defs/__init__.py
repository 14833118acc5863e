"""Everything that Dagster sees: assets, checks, automation, alerts, resources and the instance. The work is below."""
