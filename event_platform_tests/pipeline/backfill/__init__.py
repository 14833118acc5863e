"""Tests of event_platform.pipeline.backfill."""
