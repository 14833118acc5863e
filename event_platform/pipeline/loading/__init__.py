"""Landing → raw_events and corrupt_events. `events.classification` decides which records are corrupt."""
