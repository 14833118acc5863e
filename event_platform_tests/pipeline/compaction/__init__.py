"""Tests of event_platform.pipeline.compaction."""
