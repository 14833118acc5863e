"""What tells other systems of the tables of the lake: the Glue Data Catalog."""
