"""Tests of event_platform.cli."""
