"""Dagster's records: event logs, storages, the run launcher, and all private names of Dagster that they need."""
