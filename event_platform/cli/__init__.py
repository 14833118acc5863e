"""The command line `event-platform`."""
