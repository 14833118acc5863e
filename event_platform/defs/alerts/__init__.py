"""Alerts: which failures are new, their text, who receives them, and their delivery."""
