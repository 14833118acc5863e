"""DuckDB with its extension for Delta, which is on this machine already: nothing is downloaded."""

import importlib.util
import shutil
from pathlib import Path

import duckdb

_FILE = "delta.duckdb_extension"


def connect(database: Path | str = ":memory:") -> duckdb.DuckDBPyConnection:
    """Open a database that reads Delta tables."""
    connection = duckdb.connect(str(database))
    connection.load_extension(str(_extension()))
    connection.execute("set timezone = 'UTC'")
    return connection


def install_extension(home: Path) -> None:
    """Put the extension where DuckDB looks for it by itself, if this folder is its home."""
    (platform,) = duckdb.connect().execute("pragma platform").fetchone() or ()
    folder = home / ".duckdb" / "extensions" / f"v{duckdb.__version__}" / platform
    folder.mkdir(parents=True)
    shutil.copy(_extension(), folder / _FILE)


def _extension() -> Path:
    spec = importlib.util.find_spec("duckdb_extension_delta")
    assert spec is not None
    assert spec.origin is not None
    (path,) = Path(spec.origin).parent.glob(f"extensions/*/{_FILE}")
    return path
