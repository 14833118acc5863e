"""The rules behind build fingerprints: texts in the log of a table, each stored once, as app transactions.

A partition stores a fingerprint of the rules that it was built with. The text of these rules shows how they differ from
the present ones.
"""

from event_platform.lake.snapshot import Snapshot

_PREFIX = "build_rules:"


def rules_in(snapshot: Snapshot) -> dict[int, str]:
    """Return the texts of the rules that a log has, by their fingerprints."""
    noted = (snapshot.transactions or {}).items()
    return {number: app_id.removeprefix(_PREFIX) for app_id, number in noted if app_id.startswith(_PREFIX)}


def note_rules(snapshot: Snapshot, text: str, fingerprint: int) -> dict[str, int]:
    """Return the app transaction that stores the text of rules; empty if the log has it already.

    It is not stored again, because writers of other partitions would conflict.
    """
    app_id = f"{_PREFIX}{text}"
    return {} if snapshot.transaction(app_id) == fingerprint else {app_id: fingerprint}
