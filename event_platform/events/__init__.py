"""What an event is: envelope, rules, catalog and typed payloads. No Dagster, no storage, no environment."""
