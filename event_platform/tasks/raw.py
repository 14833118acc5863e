"""Landed objects → files of raw_events."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.classification import classify
from event_platform.events.envelope import Envelope
from event_platform.events.errors import ObjectError, StorageError, UnreadableError
from event_platform.events.event import CorruptionReason
from event_platform.events.reader import EnvelopeReader
from event_platform.lake.at_once import each_in_turn
from event_platform.lake.files import DataFile, FileWriter, by_name, scan_files, write_file
from event_platform.lake.lake import RAW_SCHEMA
from event_platform.lake.landing import LandedObject, Landing
from event_platform.lake.objects import decode
from event_platform.lake.storage import Storage

#: Landed bytes that a task holds at a time. Compressed JSON grows about fourfold, its columns as much again.
BYTES_AT_ONCE = 12 * 1024 * 1024
PLAIN_BYTES_AT_ONCE = 48 * 1024 * 1024
OBJECTS_AT_ONCE = 2_000

#: A task takes so many times as much, one after the other, for a file of about 64 MB; unless there is little: then
#: tasks are at least so many.
_MOST_AT_ONCE, _TASKS = 6, 16

#: Objects that a task reads side by side; boto3 has so many connections.
_READ_AT_ONCE = 10

_COMPRESSED = (".gz", ".zst", ".parquet")


@dataclass(frozen=True)
class Loading:
    """What a raw task needs beside its objects."""

    landing: Landing
    envelope: Envelope
    first_date: date
    storage: Storage


@dataclass
class Loaded:
    """What a raw task did for one arrival date."""

    arrival_date: date
    bytes_read: int = 0
    records: int = 0
    adds: list[AddAction] = field(default_factory=list)
    created_dates: set[date] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    empty_objects: list[LandedObject] = field(default_factory=list)
    unreadable: dict[str, UnreadableError] = field(default_factory=dict)  # by name; they are not in the other figures


def load_objects(loading: Loading, objects: list[LandedObject]) -> Loaded:
    """Read objects of one arrival date and write their records.

    Late ones have a file of their own, so that the statistics of the other stay narrow.
    """
    reader = EnvelopeReader(loading.envelope)
    arrival_date = objects[0].arrival_date
    late = (pl.col("created_date") < arrival_date - timedelta(days=1)).fill_null(value=False)
    writers: dict[bool, FileWriter] = {}
    loaded = Loaded(arrival_date)
    for batch in batches(objects):
        read = list(_readable(loading, reader, batch, loaded))
        loaded.bytes_read += sum(landed.size for landed, _ in read)
        loaded.empty_objects.extend(landed for landed, frame in read if not frame.height)
        frames = [frame for _, frame in read if frame.height]
        if not frames:
            continue
        records = _ordered(pl.concat(frames))
        loaded.records += records.height
        loaded.created_dates.update(records["created_date"].drop_nulls().unique())
        loaded.reasons.update(dict(records["corruption_reason"].drop_nulls().value_counts().iter_rows()))
        for is_late, part in ((False, records.filter(~late)), (True, records.filter(late))):
            if part.height:
                if is_late not in writers:
                    writers[is_late] = FileWriter(loading.storage, "raw_events", "arrival_date", arrival_date)
                writers[is_late].write(part)
    loaded.adds.extend(writer.close() for writer in writers.values())
    return loaded


def drop_objects(storage: Storage, file: DataFile, names: list[str]) -> list[AddAction]:
    """Write a file of raw_events anew, without the records of the named objects."""
    kept = scan_files([file], RAW_SCHEMA, "arrival_date", storage).filter(~pl.col("source_object").is_in(names))
    rows = kept.collect()
    return [write_file(rows, storage, "raw_events", "arrival_date", file.partition)] if rows.height else []


def task_size(objects: Iterable[LandedObject]) -> float:
    """Return what each task takes of some objects, as shares of what it holds at a time."""
    return min(_MOST_AT_ONCE, max(1, sum(map(_share, objects)) / _TASKS))


def batches(objects: Iterable[LandedObject], allowed: float = 1) -> list[list[LandedObject]]:
    """Group objects of one arrival date by work, in the order of their names.

    `allowed` is how often what a task holds at a time a group may be, but for an object that is more by itself.
    """
    result: list[list[LandedObject]] = []
    held = 0.0
    for landed in sorted(objects, key=lambda each: each.name):
        share = _share(landed)
        if not result or held + share > allowed:
            result.append([])
            held = 0
        result[-1].append(landed)
        held += share
    return result


def _share(landed: LandedObject) -> float:
    """Return what an object is of what a task holds at a time."""
    allowed = BYTES_AT_ONCE if landed.name.endswith(_COMPRESSED) else PLAIN_BYTES_AT_ONCE
    return landed.size / allowed + 1 / OBJECTS_AT_ONCE


def _readable(
    loading: Loading, reader: EnvelopeReader, batch: list[LandedObject], loaded: Loaded
) -> Iterator[tuple[LandedObject, pl.DataFrame]]:
    """Yield the records of the objects that can be read; `loaded` tells of the others, which stay due.

    While one is worked on the next ones are read: a store takes longer to answer than it takes to parse an object.
    """
    contents = each_in_turn(lambda landed: _content(loading.landing, landed), batch, _READ_AT_ONCE)
    for landed, content in zip(batch, contents, strict=True):
        if isinstance(content, UnreadableError):
            loaded.unreadable[landed.name] = content
            continue
        with _naming(landed):
            records = _records(loading, reader, landed, content)
        yield landed, records


def _content(landing: Landing, landed: LandedObject) -> bytes | UnreadableError:
    try:
        with _naming(landed):
            return landing.read(landed.name)
    except UnreadableError as error:
        return error


@contextmanager
def _naming(landed: LandedObject) -> Iterator[None]:
    """Name the object that nobody was prepared for: one among thousands, it would stop all of them at each try."""
    try:
        yield
    except StorageError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        raise ObjectError(
            f"{landed.name}: cannot be loaded: {type(error).__name__}: {error}. Nothing was committed. To load the "
            "others meanwhile, give it a name in landing that begins with _, and its own again when this is mended."
        ) from error


def _records(loading: Loading, reader: EnvelopeReader, landed: LandedObject, raw: bytes) -> pl.DataFrame:
    content = decode(landed.name, raw)
    records = reader.read(content.data)
    if content.fault is not None:
        records = pl.concat([records, _unreadable(content.fault, records.schema)])
    return (
        classify(records, loading.envelope.unit, landed.arrival_date, loading.first_date)
        .with_row_index("source_offset")
        .with_columns(
            pl.col("source_offset").cast(pl.Int64),
            arrival_date=pl.lit(landed.arrival_date),
            source_object=pl.lit(landed.name),
            source_size=pl.lit(landed.size, pl.Int64),
            source_etag=pl.lit(landed.etag),
        )
        .select(RAW_SCHEMA.names())
    )


def _ordered(records: pl.DataFrame) -> pl.DataFrame:
    """Put corrupt records first, then each event name, in the order of object and record.

    Bodies of one name compress a quarter better beside each other, and whoever wants the corrupt ones skips the rest.
    """
    sound = pl.col("corruption_reason").is_null()
    return pl.concat([records.filter(~sound), by_name(records.filter(sound))])


def _unreadable(fault: str, schema: pl.Schema) -> pl.DataFrame:
    row = {"body": fault, "fault": CorruptionReason.UNREADABLE_OBJECT.value}
    return pl.DataFrame([row], schema=schema)
