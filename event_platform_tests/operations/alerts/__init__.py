"""Tests of event_platform.operations.alerts."""
