"""Tests of event_platform.pipeline.typing."""
