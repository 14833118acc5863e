"""Schema evolution: the changes between two catalogs, and what each means for events, tables and readers."""
