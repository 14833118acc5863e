"""Schema evolution: the changes between two catalogs, and the impact of each on events, tables and readers."""
