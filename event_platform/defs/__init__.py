"""Everything that Dagster sees: assets, checks, automation, alerts, resources, instance.

Their work is in lower layers.
"""
