"""Where events live: landed objects and Delta tables, on a folder or on S3. No Dagster."""
