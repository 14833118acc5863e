"""Tests of event_platform.defs.alerts."""
