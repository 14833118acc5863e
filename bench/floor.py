"""The floor: the lowest cost of the job with the best libraries, without a platform.

    python -m bench.floor landing catalog output

Two processes take half of the objects each, and do with them, one object after another:

1. read the object, decompress it (isal), and scan every line of it as strict JSON for the three common fields
   (msgspec, `decode_lines` into a struct that skips the rest); damaged lines are left out, and found in blocks of 128;
2. make columns of the fields and of the lines (polars) and write them to a Parquet file (zstd 1): the bytes of raw;
3. sort them by name and write them once more: the bytes of deduplicated.

Then each process decodes the lines that it has kept, type by type, into the columns of the catalog (polars'
`json_decode`; where a value does not fit, `read_ndjson`, which makes it null) and writes them, with the three fields,
to a Parquet file for each type: the bytes of typed.

There is no deduplication, no rule of what is sound beyond "an object with these three fields", no date, no reason,
`_rescued`, statistics, Delta log, commit or check, nothing is read back, and a process holds the lines of all of its
objects.
"""

import io
import multiprocessing
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
import polars as pl
from isal import igzip, isal_zlib

from event_platform.events.catalog import load_catalog

_PROCESSES = 2
_LINES_AT_ONCE = 128


class _Envelope(msgspec.Struct, gc=False):
    event_uuid: str
    event_name: str
    created_at: float


_SCAN = msgspec.json.Decoder(_Envelope)


def work(objects: Sequence[Path], catalog: Path, output: Path, number: int) -> int:
    """Do the work of one process; return how many events it wrote."""
    kept: dict[str, list[pl.DataFrame]] = defaultdict(list)
    for index, path in enumerate(objects):
        frame = _read(path)
        if frame.height:
            _write(frame, output / "raw" / f"{number}-{index}.parquet")
            ordered = frame.sort("event_name")
            _write(ordered, output / "deduplicated" / f"{number}-{index}.parquet")
            for (name,), part in ordered.partition_by("event_name", as_dict=True).items():
                kept[str(name)].append(part)
    for event_type in load_catalog(catalog).event_types:
        if event_type.name in kept:
            schema = pl.Schema({column.name: column.dtype for column in event_type.columns})
            events = pl.concat(kept[event_type.name])
            typed = _typed(events["body"], schema)
            _write(
                pl.concat([events.drop("body"), typed], how="horizontal"),
                output / "events" / event_type.key / f"{number}.parquet",
            )
    return sum(part.height for parts in kept.values() for part in parts)


def _read(path: Path) -> pl.DataFrame:
    try:
        lines = igzip.decompress(path.read_bytes()).split(b"\n")
    except (OSError, EOFError, isal_zlib.error):  # type: ignore[misc] # its stub calls the class an instance
        lines = []
    heads: list[_Envelope] = []
    bodies: list[bytes] = []
    for block, scanned in _scanned(lines):
        bodies += block
        heads += scanned
    return pl.DataFrame(
        {
            "body": pl.Series(bodies, dtype=pl.Binary).cast(pl.String),
            "event_uuid": pl.Series([head.event_uuid for head in heads], dtype=pl.String),
            "event_name": pl.Series([head.event_name for head in heads], dtype=pl.String),
            "created_at": pl.Series([head.created_at for head in heads], dtype=pl.Float64),
        }
    )


def _scanned(lines: list[bytes]) -> Iterator[tuple[list[bytes], list[_Envelope]]]:
    """Yield blocks of lines with their common fields; a block with a malformed line is split into its lines."""
    blocks = [lines[start : start + _LINES_AT_ONCE] for start in range(0, len(lines), _LINES_AT_ONCE)]
    while blocks:
        block = [line for line in blocks.pop() if line]
        data = b"\n".join(block)
        try:
            data.decode()
            yield block, _SCAN.decode_lines(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            if len(block) > 1:
                blocks += [[line] for line in block]


def _typed(bodies: pl.Series, schema: pl.Schema) -> pl.DataFrame:
    try:
        return bodies.str.json_decode(pl.Struct(schema)).struct.unnest()
    except pl.exceptions.ComputeError:
        return pl.read_ndjson(io.BytesIO(bodies.str.join("\n").item().encode()), schema=schema, ignore_errors=True)


def _write(frame: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, compression="zstd", compression_level=1)


def main(arguments: Sequence[str]) -> None:
    """Do the work of `<landing> <catalog> <output>`."""
    landing, catalog, output = map(Path, arguments)
    objects = sorted(landing.rglob("*.gz"), key=lambda path: path.stat().st_size)
    os.environ["POLARS_MAX_THREADS"] = "1"  # of the processes: there is one for each core
    with ProcessPoolExecutor(_PROCESSES, multiprocessing.get_context("spawn")) as pool:
        parts = [
            pool.submit(work, objects[number::_PROCESSES], catalog, output, number) for number in range(_PROCESSES)
        ]
        print(sum(part.result() for part in parts))  # noqa: T201 - how many events there were


if __name__ == "__main__":
    main(sys.argv[1:])
