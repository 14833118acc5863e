"""The rules behind build fingerprints: texts in the log of a table, each once, as app transactions.

A partition keeps a fingerprint of the rules that it was built with. The text of these rules says what it lacks.
"""

from event_platform.lake.snapshot import Snapshot

_PREFIX = "build_rules:"


def rules_in(snapshot: Snapshot) -> dict[int, str]:
    """Return the texts of the rules that a log has, by their fingerprints."""
    noted = (snapshot.transactions or {}).items()
    return {number: app_id.removeprefix(_PREFIX) for app_id, number in noted if app_id.startswith(_PREFIX)}


def note_rules(snapshot: Snapshot, text: str, fingerprint: int) -> dict[str, int]:
    """Return the app transaction that keeps the text of rules; none where the log has it.

    Writers of other partitions would be in conflict with it.
    """
    app_id = f"{_PREFIX}{text}"
    return {} if snapshot.transaction(app_id) == fingerprint else {app_id: fingerprint}
