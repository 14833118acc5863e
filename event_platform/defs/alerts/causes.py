"""Likely cause and remedy of failures outside checks, as alerts quote them. Failures of checks are `Fault`s."""

from enum import StrEnum


class Failure(StrEnum):
    """A failure outside checks."""

    RUN = "run"
    ASSET = "asset"
    FRESHNESS = "freshness"


CAUSES = {
    Failure.RUN: "see the message. What was committed stays; the daily reconciliation requests the rest again.",
    Failure.ASSET: "its table or schema was changed by hand, or the storage failed. The other assets are up to "
    "date. Fix it, then materialize this asset again.",
    Failure.FRESHNESS: "nothing landed, or runs fail or wait in the queue. Check landing, the sensors and the run "
    "queue.",
}
