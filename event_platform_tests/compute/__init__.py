"""Tests of event_platform.compute."""
