"""Landed objects: listing, reading every format in bounded pieces, and notifications of new objects. No Dagster."""
