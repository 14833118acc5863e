"""Landed objects → files of raw_events."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.classification import classify
from event_platform.events.envelope import Envelope
from event_platform.events.errors import ObjectError, StorageError
from event_platform.events.event import CorruptionReason
from event_platform.events.reader import EnvelopeReader
from event_platform.lake.files import DataFile, scan_files, write_file
from event_platform.lake.lake import RAW_SCHEMA
from event_platform.lake.landing import LandedObject, Landing
from event_platform.lake.objects import decode
from event_platform.lake.storage import Storage

#: Landed bytes that one task takes. Compressed JSON grows about fourfold, its columns as much again.
BYTES_PER_TASK = 12 * 1024 * 1024
PLAIN_BYTES_PER_TASK = 48 * 1024 * 1024
OBJECTS_PER_TASK = 2_000

_COMPRESSED = (".gz", ".zst", ".parquet")


@dataclass(frozen=True)
class Loading:
    """What a raw task needs beside its objects."""

    landing: Landing
    envelope: Envelope
    first_date: date
    storage: Storage


@dataclass(frozen=True)
class Loaded:
    """What a raw task did for one arrival date."""

    arrival_date: date
    adds: list[AddAction]
    created_dates: frozenset[date]
    records: int
    reasons: Counter[str]
    bytes_read: int
    empty_objects: list[LandedObject]


def load_objects(loading: Loading, objects: list[LandedObject]) -> Loaded:
    """Read objects of one arrival date and write their records."""
    reader = EnvelopeReader(loading.envelope)
    frames: list[pl.DataFrame] = []
    empty: list[LandedObject] = []
    for landed in objects:
        frame = _records_or_error(loading, reader, landed)
        (frames if frame.height else empty).append(frame if frame.height else landed)  # type: ignore[arg-type]
    records = _ordered(pl.concat(frames)) if frames else pl.DataFrame(schema=RAW_SCHEMA)
    arrival_date = objects[0].arrival_date
    return Loaded(
        arrival_date=arrival_date,
        adds=_write(records, loading.storage, arrival_date),
        created_dates=frozenset(records["created_date"].drop_nulls().unique()),
        records=records.height,
        reasons=Counter(dict(records["corruption_reason"].drop_nulls().value_counts().iter_rows())),
        bytes_read=sum(landed.size for landed in objects),
        empty_objects=empty,
    )


def drop_objects(storage: Storage, file: DataFile, names: list[str]) -> list[AddAction]:
    """Write a file of raw_events anew, without the records of the named objects."""
    kept = scan_files([file], RAW_SCHEMA, "arrival_date", storage).filter(~pl.col("source_object").is_in(names))
    return _write(kept.collect(), storage, file.partition)


def batches(objects: Iterable[LandedObject]) -> list[list[LandedObject]]:
    """Group the objects of one arrival date into tasks of about equal work, in the order of their names."""
    result: list[list[LandedObject]] = []
    held = 0.0
    for landed in sorted(objects, key=lambda each: each.name):
        allowed = BYTES_PER_TASK if landed.name.endswith(_COMPRESSED) else PLAIN_BYTES_PER_TASK
        share = landed.size / allowed + 1 / OBJECTS_PER_TASK
        if not result or held + share > 1:
            result.append([])
            held = 0
        result[-1].append(landed)
        held += share
    return result


def _records_or_error(loading: Loading, reader: EnvelopeReader, landed: LandedObject) -> pl.DataFrame:
    """Name the object that nobody was prepared for: one among thousands, it would stop all of them at each try."""
    try:
        return _records(loading, reader, landed)
    except StorageError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        raise ObjectError(
            f"{landed.name}: cannot be loaded: {type(error).__name__}: {error}. Nothing was committed. To load the "
            "others meanwhile, give it a name in landing that begins with _, and its own again when this is mended."
        ) from error


def _records(loading: Loading, reader: EnvelopeReader, landed: LandedObject) -> pl.DataFrame:
    content = decode(landed.name, loading.landing.read(landed.name))
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
    return pl.concat([records.filter(~sound), records.filter(sound).sort("event_name", maintain_order=True)])


def _unreadable(fault: str, schema: pl.Schema) -> pl.DataFrame:
    row = {"body": fault, "fault": CorruptionReason.UNREADABLE_OBJECT.value}
    return pl.DataFrame([row], schema=schema)


def _write(records: pl.DataFrame, storage: Storage, arrival_date: date) -> list[AddAction]:
    """Write late records to a file of their own, so that the statistics of the others stay narrow."""
    late = (pl.col("created_date") < arrival_date - timedelta(days=1)).fill_null(value=False)
    return [
        write_file(part, storage, "raw_events", "arrival_date", arrival_date)
        for part in (records.filter(~late), records.filter(late))
        if part.height
    ]
