"""Peer: DuckDB reads Delta tables without its extension `delta`, as it has to where nothing can be downloaded.

It answers one question a line, JSON from its input to its output, and is started by bench.read_clients. Each question
opens the table again, with a new connection, so that nothing is remembered. There are two ways:

- `dataset`: deltalake reads the log and makes an Arrow dataset, with the partition and the minima and maxima of each
  file; DuckDB hands it columns and conditions, and Arrow reads the files.
- `read_parquet`: deltalake reads the log and lists the files of the days asked for; DuckDB's own reader opens them.
  From S3 that takes its extension `httpfs`. Here a file system in Python stands in for it: what is read is counted all
  the same, but the time it takes is Python's.
"""

import json
import sys
import time
from datetime import UTC, datetime
from typing import Any
from urllib.request import Request, urlopen

import duckdb
from deltalake import DeltaTable
from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile

_PROTOCOL = "counted"


class _File(AbstractBufferedFile):
    def _fetch_range(self, start: int, end: int) -> bytes:
        return self.fs.cat_file(self.path, start, end)


class _Objects(AbstractFileSystem):
    """Reads parts of objects, exactly those that it is asked for."""

    protocol = _PROTOCOL
    cachable = False

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        self._endpoint = endpoint

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        with urlopen(Request(self._address(path), method="HEAD")) as answer:  # noqa: S310 - always our own http address
            return {"name": path, "type": "file", "size": int(answer.headers["Content-Length"])}

    def modified(self, _path: str) -> datetime:
        return datetime.fromtimestamp(0, UTC)  # files of a Delta table never change

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        wanted = {"Range": f"bytes={start}-{end - 1}"} if end is not None else {}
        with urlopen(Request(self._address(path), headers=wanted)) as answer:  # noqa: S310
            return bytes(answer.read())

    def _open(self, path: str, mode: str = "rb", **_: Any) -> _File:
        return _File(self, path, mode, cache_type="none")

    def _address(self, path: str) -> str:
        return f"{self._endpoint}/{self._strip_protocol(path)}"


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    rows = sum(_rows(asked, table) for table in asked["tables"])
    return {"milliseconds": (time.monotonic() - began) * 1_000, "rows": rows}


def _rows(asked: dict[str, Any], table: str) -> int:
    delta = DeltaTable(f"{asked['root']}/{table}", storage_options=asked["options"] or None)
    with duckdb.connect() as connection:
        if asked["how"] == "dataset":
            connection.register("events", delta.to_pyarrow_dataset())
            return connection.sql(asked["sql"]).to_arrow_table().num_rows
        days = [(asked["column"], ">=", asked["first"]), (asked["column"], "<=", asked["last"])]
        files = delta.file_uris(file_pruning_predicate=days)
        if asked["options"]:
            connection.register_filesystem(_Objects(asked["options"]["endpoint"]))
            files = [f"{_PROTOCOL}://{file.removeprefix('s3://')}" for file in files]
        if not files:
            return 1 if "group by" not in asked["sql"] else 0
        source = "read_parquet(?, hive_partitioning = true)"
        query = asked["sql"].replace("from events", f"from {source}")
        return connection.sql(query, params=[files]).to_arrow_table().num_rows


for line in sys.stdin:
    print(json.dumps(_answer(json.loads(line))), flush=True)  # noqa: T201 - who started this reads it
