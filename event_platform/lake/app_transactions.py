"""Read all app transactions of a table at once, because delta-rs reads the whole log for each one."""

import io
import json
from collections.abc import Mapping

import polars as pl

from event_platform.events.errors import MissingError
from event_platform.lake.commits import ReadCommit
from event_platform.lake.location import TableLocation

#: Cache by the address of the table: the version that was read, and its transactions.
_READ: dict[str, tuple[int, Mapping[str, int]]] = {}

#: Up to this many new commits are read one by one, else the checkpoint.
_COMMITS = 20

_TXN = b'{"txn"'


def app_transactions(table: TableLocation, version: int, read_commit: ReadCommit) -> Mapping[str, int] | None:
    """Return all app transactions of a version of a table, or None if its log has another form than that of delta-rs.

    Of the log, this process reads each commit once.
    """
    known, found = _READ.get(table.uri, (-1, {}))
    try:
        if table.uri not in _READ or not version - _COMMITS <= known <= version:
            known, found = _checkpoint(table, version)
        for number in range(known + 1, version + 1):
            found = {**found, **_in_commit(read_commit(number))}
    except MissingError:
        return None
    _READ[table.uri] = (version, found)
    return found


def forget(uri: str) -> None:
    """Forget what was read of a table: its log may be another one now."""
    _READ.pop(uri, None)


def _in_commit(lines: bytes) -> dict[str, int]:
    actions = [json.loads(line)["txn"] for line in lines.splitlines() if line.startswith(_TXN)]
    return {action["appId"]: action["version"] for action in actions}


def _checkpoint(table: TableLocation, version: int) -> tuple[int, Mapping[str, int]]:
    """Return the version of the last checkpoint and the transactions in it; -1 where there is none yet.

    Raises MissingError where it is younger than `version`, or of another kind than those in one file.
    """
    log = f"{table.uri}/_delta_log"
    try:
        last = json.loads(table.storage.read(f"{log}/_last_checkpoint"))["version"]
    except MissingError:
        return -1, {}
    if last > version:
        raise MissingError(f"{log}: the checkpoint of version {version} is not the last one")
    checkpoint = table.storage.read(f"{log}/{last:020}.checkpoint.parquet")
    rows = pl.read_parquet(io.BytesIO(checkpoint), columns=["txn"]).unnest("txn").drop_nulls("appId")
    return last, dict(rows.select("appId", "version").iter_rows())
