"""deduplicated_events → a typed table for each event type, and unregistered_events."""
