"""Mending: functions of the catalog that make sound records of dead letters. Their files import these names."""

from event_platform.events.mending.declared import DeadLetter, MendedRecord, mends

__all__ = ["DeadLetter", "MendedRecord", "mends"]
