"""The click commands: options, help and validation. Their work is in `event_platform.cli`.

Each command imports its work when called, so that `--help` and `status` do not import Dagster.
"""
