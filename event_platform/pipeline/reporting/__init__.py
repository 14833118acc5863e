"""deduplicated_events and the tables derived from it → quality_report and its pages."""
