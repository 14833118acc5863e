"""Tests of event_platform.pipeline.deduplication."""
