"""Readers of Iceberg: pyiceberg, polars and DuckDB here, ClickHouse (chdb) and daft in processes of their own."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from pyiceberg.table import StaticTable

from event_platform_tests.support.extensions import connect_with
from event_platform_tests.support.live import PROJECT

#: The interpreter that has daft, which does not go together with the platform.
READERS_PYTHON = PROJECT / ".venv-readers" / "bin" / "python"


@dataclass(frozen=True)
class Store:
    """How readers reach a store: nothing for a folder."""

    endpoint: str = ""
    access_key: str = ""
    secret_key: str = ""
    token: str = ""
    region: str = ""

    @property
    def properties(self) -> dict[str, str]:
        """The properties of pyiceberg, which polars knows as well."""
        found = {
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": self.access_key,
            "s3.secret-access-key": self.secret_key,
            "s3.session-token": self.token,
            "s3.region": self.region,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def of_duckdb(self) -> str:
        """The options of a secret of DuckDB."""
        found = {
            "key_id": self.access_key,
            "secret": self.secret_key,
            "session_token": self.token,
            "region": self.region,
            "endpoint": self.endpoint.removeprefix("http://"),
            "url_style": "path",
        }
        return ", ".join(["use_ssl false", *(f"{name} '{value}'" for name, value in found.items() if value)])


#: Reads tables by the locations of their metadata. The folder is for what a process leaves.
Reader = Callable[[Sequence[str], Store, Path], list[pl.DataFrame]]


def by_pyiceberg(locations: Sequence[str], store: Store, _: Path) -> list[pl.DataFrame]:
    """Read tables with pyiceberg."""
    tables = [StaticTable.from_metadata(location, store.properties) for location in locations]
    return [pl.DataFrame(pl.from_arrow(table.scan().to_arrow())) for table in tables]


def by_polars(locations: Sequence[str], store: Store, _: Path) -> list[pl.DataFrame]:
    """Read tables with polars."""
    options = store.properties
    scans = [pl.scan_iceberg(each, storage_options=options, reader_override="native") for each in locations]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # it warns that another package is faster
        return pl.collect_all(scans)


def by_duckdb(locations: Sequence[str], store: Store, _: Path) -> list[pl.DataFrame]:
    """Read tables with DuckDB."""
    with connect_with("avro", "httpfs", "iceberg") as connection:
        if store.endpoint:
            connection.execute(f"create secret (type s3, {store.of_duckdb})")
        return [connection.execute(f"from iceberg_scan('{location}')").pl() for location in locations]


_CHDB = """
import json, sys, chdb, pyarrow as pa
locations, store, folder = (json.loads(text) for text in sys.argv[1:])
for number, location in enumerate(locations):
    table, _, name = location.partition("/_iceberg/")
    where = f"icebergLocal('{table}'"
    if store["endpoint"]:
        keys = ", ".join(f"'{store[name]}'" for name in ("access_key", "secret_key", "token") if store[name])
        where = f"icebergS3('{store['endpoint']}/{table.removeprefix('s3://')}', {keys}"
    query = f"select * from {where}, SETTINGS iceberg_metadata_file_path='_iceberg/{name}')"
    query += " settings output_format_arrow_string_as_string=0"
    rows = chdb.query(query, "ArrowTable")
    with pa.ipc.new_file(f"{folder}/{number}.arrow", rows.schema) as file:
        file.write_table(rows)
"""

_DAFT = """
import json, sys, daft, pyarrow as pa
from daft.io import IOConfig, S3Config
from pyiceberg.table import StaticTable
locations, store, folder = (json.loads(text) for text in sys.argv[1:])
s3 = S3Config(
    endpoint_url=store["endpoint"] or None, key_id=store["access_key"], access_key=store["secret_key"],
    session_token=store["token"] or None, region_name=store["region"] or None, force_virtual_addressing=False,
) if store["endpoint"] else S3Config()
for number, location in enumerate(locations):
    table = StaticTable.from_metadata(location, store["properties"])
    rows = daft.read_iceberg(table, io_config=IOConfig(s3=s3)).to_arrow()
    with pa.ipc.new_file(f"{folder}/{number}.arrow", rows.schema) as file:
        file.write_table(rows)
"""


def by_chdb(locations: Sequence[str], store: Store, folder: Path) -> list[pl.DataFrame]:
    """Read tables with ClickHouse. It reads local files below its working directory alone."""
    return _elsewhere(Path(sys.executable), _CHDB, locations, store, folder)


def by_daft(locations: Sequence[str], store: Store, folder: Path) -> list[pl.DataFrame]:
    """Read tables with daft."""
    return _elsewhere(READERS_PYTHON, _DAFT, locations, store, folder)


def _elsewhere(python: Path, script: str, locations: Sequence[str], store: Store, folder: Path) -> list[pl.DataFrame]:
    """Have another process read tables, and write the rows of each to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    reached = {**vars(store), "properties": store.properties}
    arguments = [json.dumps(each) for each in (list(locations), reached, str(folder))]
    command = [str(python), "-c", script, *arguments]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [pl.read_ipc(folder / f"{number}.arrow") for number in range(len(locations))]


READERS: dict[str, Reader] = {
    "pyiceberg": by_pyiceberg,
    "polars": by_polars,
    "DuckDB": by_duckdb,
    "ClickHouse": by_chdb,
    "daft": by_daft,
}
