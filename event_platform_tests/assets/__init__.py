"""Tests of event_platform.assets."""
