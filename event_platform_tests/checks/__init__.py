"""Tests of event_platform.checks."""
