"""Tests of event_platform.lake."""
