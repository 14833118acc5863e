"""A full window of raw_events, and the search for duplicates of its last day.

    python -m bench.scale_window fill lake keys
    python -m bench.scale_window judge lake

`fill` writes eight days of so many records each into a new lake, as loading would have: random uuids, short bodies,
files of 800,000 records. On the last day one record in a hundred is one of the same day again, and one in a thousand
has the uuid of one on a day of the window before, with another body. `judge` deduplicates the last day, in a process of
its own to be measured, and prints what it found as JSON.
"""

import json
import random
import sys
from collections.abc import Sequence
from concurrent.futures import as_completed
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
from deltalake.transaction import AddAction

from bench.scale_inputs import FIRST, type_name
from event_platform.compute.pool import local_pool
from event_platform.lake.file_writer import FileWriter
from event_platform.lake.lake import Lake
from event_platform.lake.registry import RAW_EVENTS
from event_platform.lake.table_commit import TableCommit
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.deduplication.step import deduplicate
from event_platform.pipeline.sizing import Sizing
from event_platform.storage.storage import Storage

WINDOW_DAYS = 7
_LAST = FIRST + timedelta(WINDOW_DAYS)
_TYPES = 100

#: An object of the landing zone that there might have been. A file holds several.
_ROWS_PER_OBJECT = 100_000
_OBJECTS_PER_FILE = Sizing().rows_per_split_task // _ROWS_PER_OBJECT
_SECONDS_PER_DAY = 86_400

#: One in so many of the last day.
_REDELIVERED, _CONFLICTING = 100, 1_000


def fill(lake: Lake, keys: int) -> None:
    """Write `keys` records of each day to raw_events, in one commit."""
    days = [FIRST + timedelta(day) for day in range(WINDOW_DAYS + 1)]
    objects = range(len(_rows_of_objects(keys)))
    target = lake.raw_events.snapshot_to_write()
    with local_pool() as pool:
        written = as_completed(
            pool.submit(write_file, lake, day, objects[start : start + _OBJECTS_PER_FILE], keys)
            for day in days
            for start in objects[::_OBJECTS_PER_FILE]
        )
        adds = [future.result() for future in written]
    dates = [day.isoformat() for day in days]
    commit = TableCommit(target, {"arrival_dates": dates, "created_dates": dates})
    commit.append(days, adds, dict.fromkeys(days, target.version + 1)).commit()


def truth(keys: int) -> dict[str, int]:
    """Return the expected result of `judge` for the last day."""
    objects = _rows_of_objects(keys)
    redelivered, conflicting = (sum(rows // part for rows in objects) for part in (_REDELIVERED, _CONFLICTING))
    return {"unique": keys - redelivered - conflicting, "redelivery": redelivered, "conflict": conflicting}


def judge(lake: Lake) -> dict[str, int]:
    """Deduplicate the last day; return its unique records, and its duplicates by kind."""
    with local_pool() as pool:
        report = deduplicate(PipelineContext(lake, pool), [_LAST], WINDOW_DAYS)[_LAST]
    return {"unique": report.unique, "redelivery": report.kinds["redelivery"], "conflict": report.kinds["conflict"]}


def write_file(lake: Lake, day: date, objects: Sequence[int], keys: int) -> AddAction:
    """Write a file of raw_events with the records of some objects of a day. This is a task."""
    writer = FileWriter(lake.raw_events, day)
    for number in objects:
        writer.write(_records(day, number, keys))
    return writer.close()


def _rows_of_objects(keys: int) -> list[int]:
    return [min(_ROWS_PER_OBJECT, keys - start) for start in range(0, keys, _ROWS_PER_OBJECT)]


def _records(day: date, number: int, keys: int) -> pl.DataFrame:
    """Return the rows of an object as they are in raw_events, sorted by event name."""
    rows = _rows_of_objects(keys)
    events = _events(day, number, rows)
    if day == _LAST:
        again, same_uuid = rows[number] // _REDELIVERED, rows[number] // _CONFLICTING
        events, others = events.head(events.height - again - same_uuid), events.tail(same_uuid)
        earlier = _events(day - timedelta(1 + number % WINDOW_DAYS), number, rows)["event_uuid"].head(same_uuid)
        # The first ones of the object before, which are none again themselves.
        events = pl.concat([events, _events(day, max(number - 1, 0), rows).head(again), others.with_columns(earlier)])
    second = number * _ROWS_PER_OBJECT * _SECONDS_PER_DAY // keys
    hour = datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=second)
    parts = pl.col("event_name").str.split(":").list
    return (
        events.with_row_index("source_offset")
        .with_columns(
            pl.col("source_offset").cast(pl.Int64),
            arrival_date=pl.lit(day),
            source_object=pl.lit(f"{hour:%Y/%m/%d/%H}/events-{number:06d}.gz"),
            source_size=pl.lit(rows[number] * 100, pl.Int64),
            source_etag=pl.lit(f"{number:x}"),
            body=pl.concat_str(
                pl.lit('{"event_uuid":"'),
                "event_uuid",
                pl.lit('","event_name":"'),
                "event_name",
                pl.lit('","created_at":'),
                "second",
                pl.lit(',"level":7}'),
            ),
            created_at=pl.col("second").cast(pl.Float64),
            created_datetime=pl.from_epoch("second", "s").cast(RAW_EVENTS.schema["created_datetime"]),
            created_date=pl.from_epoch("second", "s").cast(pl.Date),
            event_type=parts.get(0),
            event_subtype=parts.get(1),
            corruption_reason=pl.lit(None, pl.String),
            mended_by=pl.lit(None, pl.String),
        )
        .select(RAW_EVENTS.schema.names())
        .sort("event_name", maintain_order=True)
    )


def _events(day: date, number: int, rows: Sequence[int]) -> pl.DataFrame:
    """Return uuid, name and second of creation of the events of an object; the same ones each time."""
    count = rows[number]
    rng = random.Random(f"{day}:{number}")  # noqa: S311 - a sample, no secret
    bits = pa.Array.from_buffers(pa.binary(16), count, [None, pa.py_buffer(rng.randbytes(16 * count))])
    digits = pl.Series("digits", bits).bin.encode("hex").to_frame()
    uuid = [pl.col("digits").str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    start = int(datetime.combine(day, datetime.min.time(), UTC).timestamp())
    first, index = sum(rows[:number]), pl.int_range(count)
    return digits.select(
        event_uuid=pl.concat_str(uuid, separator="-"),
        event_name=index.mod(_TYPES).replace_strict(
            dict(enumerate(map(type_name, range(_TYPES)))), return_dtype=pl.String
        ),
        second=start + (first + index) * _SECONDS_PER_DAY // sum(rows),
    )


def main(arguments: Sequence[str]) -> None:
    """Do `fill <lake> <keys>` or `judge <lake>`."""
    what, root, *keys = arguments
    lake = Lake(Storage(root))
    if what == "fill":
        fill(lake, int(keys[0]))
    else:
        print(json.dumps(judge(lake)))  # noqa: T201 - for bench.scale_cases


if __name__ == "__main__":
    main(sys.argv[1:])
