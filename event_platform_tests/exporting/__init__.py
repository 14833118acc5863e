"""Tests of event_platform.exporting."""
