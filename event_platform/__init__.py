"""An event lakehouse: landed JSON events become deduplicated, typed Delta tables, and nothing is lost on the way."""
