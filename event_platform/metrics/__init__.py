"""Metrics: the state of the lake, of landing and of Dagster's records, as Prometheus scrapes it."""
