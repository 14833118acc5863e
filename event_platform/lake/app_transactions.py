"""Read all app transactions of a table together, because delta-rs reads the whole log for each one."""

import io
import json
from collections.abc import Mapping

import polars as pl

from event_platform.events.errors import MissingError
from event_platform.lake.commits import ReadCommit
from event_platform.lake.location import TableLocation
from event_platform.lake.log_copy import LAST_CHECKPOINT, LogCopy, checkpoint_name

#: Cache by the key of the table: a version, and its transactions.
_CACHE: dict[str, tuple[int, Mapping[str, int]]] = {}

#: Up to this number of new commits are read one by one; for more, the checkpoint is read.
_COMMITS = 20

_TXN = b'{"txn"'


def app_transactions(
    table: TableLocation, version: int, read_commit: ReadCommit, copy: LogCopy | None = None
) -> Mapping[str, int] | None:
    """Return all app transactions of a version of a table; None if its log is not in the form of delta-rs.

    This process reads each commit of the log once, and none if there is a copy of the log.
    """
    known, transactions = _CACHE.get(table.key, (-1, {}))
    try:
        if copy is not None:
            if not copy.first <= known <= version:
                known, transactions = _in_copy(copy)
        elif table.key not in _CACHE or not version - _COMMITS <= known <= version:
            known, transactions = _checkpoint(table, version)
        for number in range(known + 1, version + 1):
            transactions = {**transactions, **_in_commit(read_commit(number))}
    except MissingError:
        return None
    _CACHE[table.key] = (version, transactions)
    return transactions


def forget(key: str) -> None:
    """Clear the cache of a table: another log may have replaced its own."""
    _CACHE.pop(key, None)


def _in_commit(lines: bytes) -> dict[str, int]:
    actions = [json.loads(line)["txn"] for line in lines.splitlines() if line.startswith(_TXN)]
    return {action["appId"]: action["version"] for action in actions}


def _checkpoint(table: TableLocation, version: int) -> tuple[int, Mapping[str, int]]:
    """Return the version of the last checkpoint and its transactions; -1 if there is no checkpoint.

    Raises MissingError if it is newer than `version`, or not a single file.
    """
    try:
        last = json.loads(table.read_log_file(LAST_CHECKPOINT))["version"]
    except MissingError:
        return -1, {}
    if last > version:
        raise MissingError(f"{table.uri}: the checkpoint of version {version} is not the last one")
    return last, _in_checkpoint(table.read_log_file(checkpoint_name(last)))


def _in_copy(copy: LogCopy) -> tuple[int, Mapping[str, int]]:
    return (-1, {}) if copy.checkpoint is None else (copy.checkpoint[0], _in_checkpoint(copy.checkpoint[1]))


def _in_checkpoint(checkpoint: bytes) -> Mapping[str, int]:
    rows = pl.read_parquet(io.BytesIO(checkpoint), columns=["txn"]).unnest("txn").drop_nulls("appId")
    return dict(rows.select("appId", "version").iter_rows())
