"""Publication of the lake's tables in other systems: the Glue Data Catalog."""
