"""Tests of event_platform.pipeline.loading."""
