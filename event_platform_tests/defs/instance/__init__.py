"""Tests of event_platform.defs.instance."""
