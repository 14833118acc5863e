"""Checks of an installation: faults and remedies. Each check runs independently of the others."""
