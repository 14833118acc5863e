"""Tests of event_platform.defs.automation.requests."""
