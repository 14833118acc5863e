"""Alerts: what is told, in which words, to whom, and what is remembered until it has arrived."""
