"""Tests of event_platform.sample."""
