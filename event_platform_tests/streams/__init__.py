"""Streams as their systems deliver them: a handful of made-up records each, written after the public documentation."""
