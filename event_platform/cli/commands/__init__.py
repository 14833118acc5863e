"""The commands as click has them: options, help and validation. What they do is in `event_platform.cli`.

Each command imports its work when it is called, so that `--help` and `status` do not pay for Dagster.
"""
