"""The first commit of each table, and all commits to tables that are in a bucket.

Those delta-rs writes into a copy of the log, from where they are put. The put is the commit: it is refused where there
is a commit of that version. delta-rs itself would ask the store a dozen times for what the copy has.
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
    unpacked,
)
from event_platform.lake.schemas import to_delta
from event_platform.lake.specs import TableSpec
from event_platform.storage.store import ChangedError, Store

#: Other partitions' writers may get in between this often; each try costs a round to the store.
COMMIT_RETRIES = 100

#: The version of Delta's protocol that all types of a table's columns go with.
_PROTOCOL = {"minReaderVersion": 1, "minWriterVersion": 2}

#: To open a table takes a request for each commit since its last checkpoint, and each run opens all of them. Delta's
#: own hundred would make that the largest part of the bill where there is little to do.
_CONFIGURATION = {"delta.checkpointInterval": "10"}

#: A version of a table, and the copy of its log.
Made = tuple[DeltaTable, LogCopy]


def create_log(spec: TableSpec, store: Store, folder: str) -> LogCopy:
    """Store the log of a table that is not there yet; return its copy.

    delta-rs would take twice as long to write the same and to open it. Raises ChangedError where another writer was
    first, TableError or DeltaError where Delta has no such table, and StorageError where the store does not answer.
    """
    name, data = commit_name(0), _first_commit(spec, store.uri(folder.removesuffix(f"/{LOG}")))
    return LogCopy(folder, 0, store.create(f"{folder}/{name}", data), {name: data})


def write_commit(copy: LogCopy, store: Store, write: Callable[[DeltaTable], None]) -> Made:
    """Have `write` commit on top of a version, and put the commit into the log.

    Where others were faster, it is written again on top of theirs: `write` raises CommitFailedError where delta-rs
    sees a conflict. Raises ChangedError where the log is another one, and StorageError where the put failed.
    """
    latest: LogCopy | None = copy
    for _ in range(COMMIT_RETRIES):
        if latest is None:
            break
        with unpacked(latest.files) as folder:
            delta = DeltaTable(str(folder), copy.version)
            write(delta)
            delta.update_incremental()
            with suppress(ChangedError):
                return delta, _put_next(latest, store, folder / LOG)
        latest = catch_up(latest, store)
    raise ChangedError(f"{store.uri(copy.folder)}: others have written it")


def _put_next(copy: LogCopy, store: Store, log: Path) -> LogCopy:
    """Put the commit that delta-rs has written into a folder, and its checkpoint; return the copy with both."""
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
