"""Writes the first commit of each table, and all commits to tables in a bucket.

delta-rs writes these commits into a copy of the log; then they are put into the log itself. The put is the commit: it
is refused if that version exists already. delta-rs itself would send a dozen requests for what the copy has.
"""

import json
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deltalake import DeltaTable

from event_platform.events.errors import StorageError, TableError
from event_platform.lake.field_ids import json_fields, number_fields
from event_platform.lake.log_copy import (
    LAST_CHECKPOINT,
    LOG,
    LogCopy,
    catch_up,
    checkpoint_name,
    commit_name,
    temporary_table,
)
from event_platform.lake.schemas import to_delta
from event_platform.lake.specs import TableSpec
from event_platform.storage.store import ChangedError, Store

#: Other partitions' writers may get in between this often; each try costs a round to the store.
COMMIT_RETRIES = 100

#: The version of Delta's protocol that all types of a table's columns go with.
_PROTOCOL = {"minReaderVersion": 1, "minWriterVersion": 2}

#: Opening a table takes a request for each commit since its last checkpoint, and each run opens all tables. With
#: Delta's default of a hundred commits, these requests would be most of the cost of small loads.
_CONFIGURATION = {"delta.checkpointInterval": "10"}

#: A version of a table, and the copy of its log.
NewVersion = tuple[DeltaTable, LogCopy]


def create_log(spec: TableSpec, store: Store, folder: str) -> LogCopy:
    """Store the log of a new table; return its copy.

    delta-rs would take twice as long to write and open the same log. Raises ChangedError if another writer was first,
    TableError or DeltaError if Delta does not support the table, and StorageError if the store does not answer.
    """
    name, data = commit_name(0), _first_commit(spec, store.uri(folder.removesuffix(f"/{LOG}")))
    return LogCopy(folder, 0, store.create(f"{folder}/{name}", data), {name: data})


def write_commit(copy: LogCopy, store: Store, write: Callable[[DeltaTable], None]) -> NewVersion:
    """Let `write` commit on top of a version of the copy, and put that commit into the log.

    If another writer was first, `write` is repeated on top of its commits: it raises CommitFailedError if delta-rs
    detects a conflict. Raises ChangedError if the log was replaced, and StorageError if the put failed.
    """
    latest: LogCopy | None = copy
    for _ in range(COMMIT_RETRIES):
        if latest is None:
            break
        with temporary_table(latest.files) as folder:
            delta = DeltaTable(str(folder), copy.version)
            write(delta)
            delta.update_incremental()
            with suppress(ChangedError):
                return delta, _put_next(latest, store, folder / LOG)
        latest = catch_up(latest, store)
    raise ChangedError(f"{store.uri(copy.folder)}: others have written it")


def _put_next(copy: LogCopy, store: Store, log: Path) -> LogCopy:
    """Put delta-rs's local commit, and its checkpoint, into the log; return the copy with both."""
    name = commit_name(copy.version + 1)
    data = (log / name).read_bytes()
    copy = copy.with_commit(data, store.swap(copy.path(name), data, None))
    checkpoint = log / checkpoint_name(copy.version)
    if not checkpoint.exists():
        return copy
    with suppress(StorageError):  # the commit is made, and the next checkpoint has all of this one
        for path in (checkpoint, log / LAST_CHECKPOINT):
            store.write(copy.path(path.name), path.read_bytes())
    return copy.with_checkpoint(checkpoint.read_bytes())


def _first_commit(spec: TableSpec, uri: str) -> bytes:
    fields = number_fields(json_fields(to_delta(spec.schema, spec.comments, spec.variants)), [])
    if not fields or not set(spec.partition_by) <= spec.schema.keys():
        raise TableError(
            f"{uri}: the table cannot be created with the columns [{', '.join(spec.schema)}]: expected at least one, "
            f"and those that it is partitioned by, [{', '.join(spec.partition_by)}]"
        )
    created = time.time_ns() // 1_000_000
    metadata = {
        "id": str(uuid.uuid4()),
        "name": spec.name.replace("/", "."),
        "description": spec.description or None,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": spec.partition_by,
        "createdTime": created,
        "configuration": _CONFIGURATION,
    }
    parameters = {"location": uri, "mode": "ErrorIfExists", "protocol": json.dumps(_PROTOCOL)}
    parameters["metadata"] = json.dumps(metadata)
    info = {"timestamp": created, "operation": "CREATE TABLE", "operationParameters": parameters}
    actions = [{"commitInfo": info}, {"protocol": _PROTOCOL}, {"metaData": metadata}]
    return "\n".join(json.dumps(action, separators=(",", ":")) for action in actions).encode()
