"""Automation: sensors that request what is due, a daily reconciliation, and maintenance jobs."""
