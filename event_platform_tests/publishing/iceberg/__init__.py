"""Tests of event_platform.publishing.iceberg."""
