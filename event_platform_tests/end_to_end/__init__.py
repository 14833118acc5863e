"""Tests of whole runs: live Dagster instances, browsers, real streams, kills."""
