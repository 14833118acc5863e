"""The clients: polars, the scan of the platform, and DuckDB in an environment of its own."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import polars as pl

from bench.read_queries import Query
from bench.rows import PEER_PYTHON, PEERS, MissingError, peer_versions
from event_platform.lake.lake import Lake
from event_platform.storage.storage import Storage

#: What bench/peers/duckdb_reads.py imports from the peers' environment.
DUCKDB_PACKAGES = ("duckdb", "deltalake", "pyarrow", "fsspec")


@dataclass(frozen=True)
class Place:
    """The address of a lake (a folder or s3://<bucket>) and its storage options."""

    root: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """Duration of a query, from opening the table to the last row, and its number of rows."""

    milliseconds: float
    rows: int


Ask = Callable[[Place, Query], Answer]


def ask_scan_delta(place: Place, query: Query) -> Answer:
    """Ask with `pl.scan_delta`, as any analyst does."""

    def scan(table: str, dates: Sequence[date], column: str) -> pl.LazyFrame:
        rows = pl.scan_delta(f"{place.root}/{table}", storage_options=dict(place.options) or None)
        return rows.filter(pl.col(column).is_between(dates[0], dates[-1]))

    return _timed(lambda: query.in_polars(scan))


def ask_lake_scan(place: Place, query: Query) -> Answer:
    """Ask with `lake.scan`, as an asset does, which gets the days of its partitions."""
    lake = Lake(Storage(place.root, place.options))
    return _timed(lambda: query.in_polars(lambda table, dates, _column: lake.scan(table, dates)))


def ask_lake_sql(place: Place, query: Query) -> Answer:
    """Ask as `event-platform query` does: the days are a condition like any other."""
    lake = Lake(Storage(place.root, place.options))

    def scan(table: str, dates: Sequence[date], column: str) -> pl.LazyFrame:
        return lake.scan(table).filter(pl.col(column).is_between(dates[0], dates[-1]))

    return _timed(lambda: query.in_polars(scan))


def _timed(build: Callable[[], pl.LazyFrame]) -> Answer:
    began = time.monotonic()
    rows = build().collect(engine="streaming").height
    return Answer((time.monotonic() - began) * 1_000, rows)


@contextmanager
def clients() -> Iterator[dict[str, Ask]]:
    """Yield the available clients by name. Without its packages, DuckDB is missing."""
    found: dict[str, Ask] = {
        "polars, scan_delta": ask_scan_delta,
        "polars, lake.scan": ask_lake_scan,
        "event-platform query": ask_lake_sql,
    }
    try:
        with _duckdb() as asked:
            yield found | {
                "DuckDB, dataset": lambda place, query: asked("dataset", place, query),
                "DuckDB, read_parquet": lambda place, query: asked("read_parquet", place, query),
            }
    except MissingError:
        yield found


@contextmanager
def _duckdb() -> Iterator[Callable[[str, Place, Query], Answer]]:
    peer_versions(*DUCKDB_PACKAGES)
    with subprocess.Popen(  # noqa: S603 - a script of this package
        [PEER_PYTHON, PEERS / "duckdb_reads.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None  # noqa: S101 - pipes both
        assert process.stdout is not None  # noqa: S101
        answers, questions = process.stdout, process.stdin

        def ask(how: str, place: Place, query: Query) -> Answer:
            asked = {
                "how": how,
                "root": place.root,
                "options": dict(place.options),
                "tables": list(query.tables),
                "column": query.column,
                "first": query.dates[0].isoformat(),
                "last": query.dates[-1].isoformat(),
                "sql": query.in_sql(),
            }
            questions.write(json.dumps(asked) + "\n")
            questions.flush()
            return Answer(**json.loads(answers.readline()))

        yield ask
        questions.close()
