"""The rows of the benchmark: the command of each, and whether it can run on this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.commands import module

_ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / "peers"
PEER_PYTHON = _ROOT / ".venv-peers/bin/python"

#: Prints the versions of the packages that it is given, or ends with the error.
_VERSIONS = (
    "import sys, importlib.metadata as m; print(*(f'{each} {m.version(each)}' for each in sys.argv[1:]), sep=', ')"
)


class MissingError(Exception):
    """A requirement of a row is missing."""


@dataclass(frozen=True)
class Row:
    """One row of the table. `command` gets landing, catalog and a new folder for what is written."""

    key: str
    label: str
    command: Callable[[Path, Path, Path], list[str]]
    form: str = "parquet"  # or delta: what is in the folders events/<key> that it writes
    packages: tuple[str, ...] = ()  # of the peers' environment
    java: bool = False
    framing: str = ""  # of the objects, where it is another one than lines: see `framings`

    def versions(self) -> str:
        """Return the versions of the packages of a row; "" for the platform's. Raises MissingError."""
        if not self.packages:
            return ""
        java = _java() if self.java else ""
        return ", ".join(filter(None, [peer_versions(*self.packages), java]))


def peer_versions(*packages: str) -> str:
    """Return the versions of packages of the peers' environment. Raises MissingError."""
    if not PEER_PYTHON.exists():
        raise MissingError("the peers' environment .venv-peers is missing: make .venv-peers/.tried")
    completed = subprocess.run(  # noqa: S603 - names of packages that stand in modules of bench
        [PEER_PYTHON, "-c", _VERSIONS, *packages], capture_output=True, text=True, check=False
    )
    if completed.returncode:
        raise MissingError(f"not installed: {completed.stderr.strip().splitlines()[-1]}")
    return completed.stdout.strip()


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if program is None:
        raise MissingError("no Java on this machine (Spark needs version 17 or later)")
    printed = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - Java's own
    named = re.search(r'"([^"]+)"', printed)
    return f"Java {named[1] if named else 'of an unknown version'}"


def _peer(script: str, *options: str) -> Callable[[Path, Path, Path], list[str]]:
    return lambda *folders: [str(PEER_PYTHON), str(PEERS / script), *map(str, folders), *options]


def _run_with(landing: Path, catalog: Path, lake: Path) -> list[str]:
    values = {"LANDING": landing, "CATALOG": catalog, "LAKE": lake}
    own = [f"EVENT_PLATFORM_{name}={value}" for name, value in values.items()]
    return ["env", *own, *module("event_platform", "run", "--warn-only")]


ROWS = (
    Row("platform", "this platform, whole job", lambda *_: module("event_platform", "run", "--warn-only")),
    Row("array", "the same, an array an object", _run_with, form="delta", framing="array"),
    Row("wrapper", "the same, in wrappers of 100", _run_with, form="delta", framing="wrapper"),
    Row("floor", "the floor", lambda *folders: module("bench.floor", *map(str, folders))),
    Row("duckdb", "DuckDB SQL → Parquet", _peer("duckdb_sql.py"), packages=("duckdb",)),
    Row(
        "duckdb_lean",
        "DuckDB SQL, lean: typed alone",
        _peer("duckdb_sql.py", "--lean"),
        packages=("duckdb",),
    ),
    Row(
        "spark",
        "PySpark local → Parquet",
        _peer("pyspark_local.py"),
        packages=("pyspark",),
        java=True,
    ),
    Row(
        "dlt",
        "dlt of rows → Delta, not deduplicated",
        _peer("dlt_delta.py"),
        form="delta",
        packages=("dlt", "deltalake", "pyarrow"),
    ),
    Row(
        "dlt_arrow",
        "dlt of Arrow tables → Delta, not deduplicated",
        _peer("dlt_delta.py", "--arrow"),
        form="delta",
        packages=("dlt", "deltalake", "pyarrow"),
    ),
)

PLATFORM = ROWS[0]


def variables(landing: Path | str, catalog: Path, lake: Path | str) -> Mapping[str, str]:
    """Return the environment of every command: the platform's settings, and no DAGSTER_HOME, so no records of runs."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "EVENT_PLATFORM_"))}
    return own | {
        "EVENT_PLATFORM_ENV": "local",
        "EVENT_PLATFORM_LANDING": str(landing),
        "EVENT_PLATFORM_CATALOG": str(catalog),
        "EVENT_PLATFORM_LAKE": str(lake),
        "EVENT_PLATFORM_START_DATE": "2025-01-01",  # as the peers have it
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
