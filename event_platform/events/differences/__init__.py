"""Differences between arriving events and the catalog, and the schema changes that resolve them."""
