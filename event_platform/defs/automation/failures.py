"""The error of a failed step that says what to do."""

import dagster as dg

_OURS = "event_platform."


def cause_of(error: "dg.SerializableErrorInfo | None") -> str:
    """Return the error of this project in a chain of causes, which names the thing and what to do; else the first."""
    while error is not None and error.cause is not None and not error.message.startswith(_OURS):
        error = error.cause
    return error.message.strip() if error else "no error was recorded"
