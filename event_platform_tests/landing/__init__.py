"""Tests of event_platform.landing."""
