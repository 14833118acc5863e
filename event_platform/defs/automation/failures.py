"""The cause of a failed step that says what to do."""

import dagster as dg

_OURS = "event_platform."


def cause_of(error: "dg.SerializableErrorInfo | None") -> str:
    """Return the message of this project's error in a chain of causes, which has the remedy; else of the root cause."""
    while error is not None and error.cause is not None and not error.message.startswith(_OURS):
        error = error.cause
    return error.message.strip() if error else "no error was recorded"
