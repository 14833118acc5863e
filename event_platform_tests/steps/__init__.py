"""Tests of event_platform.steps."""
