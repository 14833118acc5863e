"""Automation: sensors that request due runs, a daily reconciliation, and maintenance jobs."""
