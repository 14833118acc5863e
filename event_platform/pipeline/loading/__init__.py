"""Landing → raw_events and corrupt_events. What makes a record corrupt is `events.classification`."""
