"""raw_events → deduplicated_events and duplicate_events. The rule itself is `events.deduplication`."""
