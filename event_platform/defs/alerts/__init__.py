"""Alerts: which failures are new, their text, their recipients and their delivery."""
