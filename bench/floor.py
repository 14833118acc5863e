"""The floor: the lowest cost of the job with the fastest known way for each step, without a platform.

    python -m bench.floor landing catalog output

Two processes take half of the objects each, and do with them, one object after another:

1. read the object, decompress it (isal), and decode the three common fields of its lines as strict JSON, in blocks of
   16 kB (msgspec); malformed lines are left out;
2. make columns of the fields and of the lines (polars), sort them by name, and write them to a Parquet file (zstd 1):
   the bytes of raw;
3. write them once more: the bytes of deduplicated.

Then each process parses the lines that it still holds, type by type, into the columns of the catalog (pyarrow's JSON
reader; where a value does not fit, polars' `read_ndjson`, which makes it null) and writes them, with the three fields,
to a Parquet file for each type: the bytes of typed.

Left out: deduplication, rules of what is sound beyond "an object with these three fields", columns that follow from
the three fields, reasons, `_rescued`, statistics, Delta logs, commits and checks. Nothing is read back, and a process
holds the lines of all of its objects.

What was tried, in CPU µs an event of one thread (232,000 events of the sample, 348 bytes each). First what is taken:

- decompress: isal 0.5; DuckDB's own gunzip 1.2.
- fields and lines as columns: msgspec in blocks and polars' `scan_lines` 1.05; DuckDB's `read_ndjson` from memory 1.0,
  but it takes NaN for JSON, its `->>` 2.1; pyarrow 1.5; polars' `read_ndjson` 1.5, `json_decode` 3.0; msgspec on a
  list of lines 1.6.
- write raw, or deduplicated: polars 1.1, sorted (not sorted 1.2, and a quarter more bytes); pyarrow 1.1; DuckDB 1.2.
- parse by type: pyarrow 2.0; DuckDB's `read_ndjson` 2.1, of a file that had to be written first, `json_transform` 3.2;
  polars' `json_decode` 3.6, `read_ndjson` 4.7; msgspec, with a struct for each type in place of the three fields, 2.4
  for the structs alone.
- write by type: polars 1.1, 0.15 of it to take over pyarrow's columns; pyarrow 0.95 without dictionaries, 1.2 with,
  but dates and what does not fit are polars' columns; DuckDB 2.3.
- together: DuckDB in SQL, typed events alone (`bench/peers/duckdb_sql.py --lean`): 7.1.
"""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from operator import attrgetter
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa
from isal import igzip, isal_zlib
from pyarrow import json as arrow_json

from event_platform.events.catalog import load_catalog
from event_platform.events.columns import Column, Kind, typed
from event_platform.events.wire import arrow_schema

_BLOCK_BYTES = 16_384
_ROWS, _ROWS_IN_DOUBT = 4_096, 512

#: Texts → the values of a column.
_MOMENTS = {
    Kind.DATE_TIME: lambda name: pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False),
    Kind.DATE: lambda name: pl.col(name).str.to_date("%Y-%m-%d", strict=False),
}


class _Envelope(msgspec.Struct, gc=False):
    event_uuid: str
    event_name: str
    created_at: float


_DTYPES = {"event_uuid": pl.String, "event_name": pl.String, "created_at": pl.Float64}
_ENVELOPE = msgspec.json.Decoder(_Envelope)


def work(objects: Sequence[Path], catalog: Path, output: Path, number: int) -> int:
    """Do the work of one process; return how many events it wrote."""
    held = []
    for index, path in enumerate(objects):
        events = _read(path)
        for table in ("raw", "deduplicated"):
            _write(events, output / table / f"{number}-{index}.parquet")
        held.append(events)
    by_name = pl.concat(held).partition_by("event_name", as_dict=True)
    for event_type in load_catalog(catalog).event_types:
        if (own := by_name.get((event_type.name,))) is not None:
            payload = _typed(own["body"], typed(event_type.columns))
            events = pl.concat([own.drop("body"), payload], how="horizontal")
            _write(events, output / "events" / event_type.key / f"{number}.parquet")
    return sum(frame.height for frame in held)


def _read(path: Path) -> pl.DataFrame:
    """Return the events of an object, sorted by name; none of one that cannot be decompressed."""
    try:
        data = igzip.decompress(path.read_bytes())
    except (OSError, EOFError, isal_zlib.error):  # type: ignore[misc] # its stub calls the class an instance
        data = b""
    heads: list[_Envelope] = []
    texts: list[bytes] = []
    for text, decoded in _decoded(data):
        texts.append(text)
        heads += decoded
    body = pl.scan_lines(b"".join(texts)).collect().to_series().alias("body")
    columns = [pl.Series(name, [*map(attrgetter(name), heads)], dtype) for name, dtype in _DTYPES.items()]
    events = pl.DataFrame([body.filter(body != ""), *columns])
    # Sorting categories takes a third of the time of sorting texts.
    return events.sort(pl.col("event_name").cast(pl.Enum(events["event_name"].unique())))


def _decoded(data: bytes) -> Iterator[tuple[bytes, list[_Envelope]]]:
    """Yield blocks of whole lines with their common fields; a block with a malformed line is split into its lines."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _BLOCK_BYTES) + 1 or len(data)
        block, start = data[start:end], end
        pieces = [block]
        while pieces:
            piece = pieces.pop()
            try:
                piece.decode()  # fields that are skipped are not looked at
                yield piece, _ENVELOPE.decode_lines(piece)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                lines = piece.splitlines(keepends=True)
                pieces += lines if len(lines) > 1 else []


def _typed(bodies: pl.Series, columns: Sequence[Column]) -> pl.DataFrame:
    """Return the columns of an event type, one row for each body."""
    schema = arrow_schema(columns)
    return pl.concat([_parsed(part, columns, schema) for part in bodies.to_frame().iter_slices(_ROWS)])


def _parsed(part: pl.DataFrame, columns: Sequence[Column], schema: pa.Schema) -> pl.DataFrame:
    *_, texts = part["body"].to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    options = arrow_json.ReadOptions(use_threads=False, block_size=len(texts))
    expected = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    moments = [_MOMENTS[column.kind](column.name) for column in columns if column.kind in _MOMENTS]
    try:
        return pl.DataFrame(arrow_json.read_json(pa.BufferReader(texts), options, expected)).with_columns(moments)
    except pa.ArrowInvalid:
        if part.height > _ROWS_IN_DOUBT:
            return pl.concat([_parsed(half, columns, schema) for half in part.iter_slices(part.height // 2 + 1)])
        dtypes = {column.name: column.dtype for column in columns}
        return pl.read_ndjson(part["body"].str.join("\n").item().encode(), schema=dtypes, ignore_errors=True)


def _write(frame: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, compression="zstd", compression_level=1, statistics=False)


def main(arguments: Sequence[str]) -> None:
    """Do the work of `<landing> <catalog> <output>`."""
    landing, catalog, output = map(Path, arguments)
    objects = sorted(landing.rglob("*.gz"), key=lambda path: path.stat().st_size)
    os.environ["POLARS_MAX_THREADS"] = "1"  # of this process and the other: there is one for each core
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        other = pool.submit(work, objects[1::2], catalog, output, 1)
        print(work(objects[::2], catalog, output, 0) + other.result())  # noqa: T201 - how many events there were


if __name__ == "__main__":
    main(sys.argv[1:])
