"""Tests of event_platform.events."""
