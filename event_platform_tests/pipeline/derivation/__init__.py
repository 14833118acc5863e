"""Columns that are derived, from the schema to the page."""
