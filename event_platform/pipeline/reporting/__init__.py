"""deduplicated_events and the tables made of it → quality_report and its pages."""
