"""Dagster resources: landing, the lake, compute and the limits that rules and checks go by."""
