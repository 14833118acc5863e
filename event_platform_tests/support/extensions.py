"""DuckDB with extensions that are installed as packages: nothing is downloaded."""

from importlib.util import find_spec
from pathlib import Path

import duckdb


def connect_with(*extensions: str) -> duckdb.DuckDBPyConnection:
    """Open a database in memory that has loaded some extensions, in this order."""
    connection = duckdb.connect()
    for extension in extensions:
        spec = find_spec(f"duckdb_extension_{extension}")
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}"
        connection.execute(f"load '{folder / extension}.duckdb_extension'")
    return connection
