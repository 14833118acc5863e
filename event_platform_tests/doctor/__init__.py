"""The doctor's findings, with and without faults."""
