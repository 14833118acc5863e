"""Dagster's own records: event logs, storages, the run launcher, and every private name of Dagster that they need."""
