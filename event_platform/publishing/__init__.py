"""Publication of the lake's tables in other catalogs: Glue and Iceberg."""
