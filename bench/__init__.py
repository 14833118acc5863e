"""Benchmarks: what the platform costs, by commands that can be repeated."""
