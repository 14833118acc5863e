"""Compares arriving events with the catalog, from the lake: figures of files, and a bounded sample of rows."""
