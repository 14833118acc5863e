"""Tests of event_platform.storage."""
