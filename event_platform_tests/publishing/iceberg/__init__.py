"""The Iceberg tables beside the Delta tables."""
