"""Landed objects → files of raw_events."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import BinaryIO

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.classification import classify
from event_platform.events.envelope import Envelope
from event_platform.events.errors import ObjectError, StorageError, UnreadableError, WorkerError
from event_platform.events.reader import EnvelopeReader
from event_platform.lake.files import DataFile, FileWriter, by_name, scan_files, write_file
from event_platform.lake.lake import RAW_SCHEMA
from event_platform.landing.landing import LandedObject, Landing
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import DEFAULT_LIMITS, RECORDS_PER_PIECE, Limits, Piece
from event_platform.storage.storage import Storage
from event_platform.storage.threads import imap_threads

#: Landed bytes that a task holds at a time. Compressed JSON grows about fourfold, its columns as much again.
BYTES_AT_ONCE = 12 * 1024 * 1024
PLAIN_BYTES_AT_ONCE = 48 * 1024 * 1024
OBJECTS_AT_ONCE = 2_000

#: A task takes so many times as much, one after the other, for a file of about 64 MB; unless there is little: then
#: tasks are at least so many.
_MOST_AT_ONCE, _TASKS = 6, 16

#: An object with more bytes is not read at once, and a single task with more is not done by the driver.
LARGE_OBJECT, LARGE_TASK = 64 * 1024 * 1024, 0.25  # bytes; share of what a task holds at a time

#: Bytes of a large object that are read at a time.
_RANGE = 16 * 1024 * 1024

#: Objects that a task reads side by side.
_READ_AT_ONCE = 10

_COMPRESSED = (".gz", ".zst", ".parquet")


#: Why an object is left out: it cannot be read, makes the program fail, or ends the process that works on it.
LeftOut = UnreadableError | ObjectError | WorkerError


@dataclass(frozen=True)
class Loading:
    """What a raw task needs beside its objects."""

    landing: Landing
    envelope: Envelope
    first_date: date
    storage: Storage
    limits: Limits = DEFAULT_LIMITS


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
    unreadable: dict[str, LeftOut] = field(default_factory=dict)  # by name; they are not in the other figures


def load_objects(loading: Loading, objects: list[LandedObject]) -> Loaded:
    """Read objects of one arrival date and write their records, a piece of a large object at a time.

    An object that cannot be read, or makes the program fail, is left out, and stays due.
    """
    reader = EnvelopeReader(loading.envelope)
    writing = _Writing(loading, Loaded(objects[0].arrival_date))
    for batch in batches(objects):
        # While one is worked on the next ones are read: a store takes longer to answer than an object to be parsed.
        for landed, content in zip(batch, imap_threads(partial(_content, loading), batch, _READ_AT_ONCE), strict=True):
            begun = writing.begin()
            try:
                if isinstance(content, LeftOut):
                    raise content
                for records, size in _records(loading, reader, landed, content):
                    writing.add(records, size)
            except (UnreadableError, ObjectError) as error:
                writing.loaded.unreadable[landed.name] = error
                if not writing.drop(begun):
                    return _without(loading, objects, writing.loaded.unreadable)
            else:
                writing.finish(begun, landed)
        writing.flush()
    return writing.close()


def drop_objects(storage: Storage, file: DataFile, names: list[str]) -> list[AddAction]:
    """Write a file of raw_events anew, without the records of the named objects."""
    kept = scan_files([file], RAW_SCHEMA, "arrival_date", storage).filter(~pl.col("source_object").is_in(names))
    rows = kept.collect()
    return [write_file(rows, storage, "raw_events", "arrival_date", file.partition)] if rows.height else []


def is_large(objects: Iterable[LandedObject]) -> bool:
    """Say whether a task of these objects, if it is the only one, is too much for the driver."""
    return sum(map(_share, objects)) > LARGE_TASK


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


def _without(loading: Loading, objects: list[LandedObject], left_out: dict[str, LeftOut]) -> Loaded:
    """Begin again without the objects that were left out: some of what one held is in a file already."""
    others = [landed for landed in objects if landed.name not in left_out]
    loaded = load_objects(loading, others) if others else Loaded(objects[0].arrival_date)
    loaded.unreadable.update(left_out)
    return loaded


@dataclass(frozen=True)
class _Begun:
    """Where the records of an object begin among those of its task."""

    flushes: int
    frames: int
    records: int


class _Writing:
    """Holds records until there are enough of them to be written.

    Late ones have a file of their own, so that the statistics of the other stay narrow.
    """

    def __init__(self, loading: Loading, loaded: Loaded) -> None:
        self.loaded = loaded
        self._loading = loading
        self._late = pl.col("created_date") < loaded.arrival_date - timedelta(days=1)
        self._frames: list[pl.DataFrame] = []
        self._size = self._height = self._flushes = self._records = 0
        self._writers: dict[bool, FileWriter] = {}

    def begin(self) -> _Begun:
        return _Begun(self._flushes, len(self._frames), self._records)

    def add(self, records: pl.DataFrame, size: int) -> None:
        """Hold records of so many bytes of text."""
        if records.height:
            self._frames.append(records)
            self._records += records.height
            self._height += records.height
            self._size += size
        if self._size >= self._loading.limits.piece_bytes or self._height >= RECORDS_PER_PIECE:
            self.flush()

    def finish(self, begun: _Begun, landed: LandedObject) -> None:
        """Count an object that was read to its end."""
        self.loaded.bytes_read += landed.size
        if self._records == begun.records:
            self.loaded.empty_objects.append(landed)

    def drop(self, begun: _Begun) -> bool:
        """Drop what is held of an object; return whether that is all that there was of it."""
        if self._flushes != begun.flushes:
            return False
        del self._frames[begun.frames :]
        self._records = begun.records
        return True

    def flush(self) -> None:
        """Write what is held."""
        frames, self._frames, self._size, self._height = self._frames, [], 0, 0
        if not frames:
            return
        self._flushes += 1
        loaded = self.loaded
        records = _ordered(pl.concat(frames))
        loaded.records += records.height
        loaded.created_dates.update(records["created_date"].drop_nulls().unique())
        loaded.reasons.update(dict(records["corruption_reason"].drop_nulls().value_counts().iter_rows()))
        late = self._late.fill_null(value=False)
        for is_late, part in ((False, records.filter(~late)), (True, records.filter(late))):
            if part.height:
                if is_late not in self._writers:
                    self._writers[is_late] = FileWriter(
                        self._loading.storage, "raw_events", "arrival_date", loaded.arrival_date
                    )
                self._writers[is_late].write(part)

    def close(self) -> Loaded:
        """Store the files."""
        self.loaded.adds.extend(writer.close() for writer in self._writers.values())
        return self.loaded


class _LandedFile(io.RawIOBase):
    """A large object as a file, of which a range is read at a time."""

    def __init__(self, landing: Landing, landed: LandedObject) -> None:
        self._landing, self._landed, self._position = landing, landed, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any buffer
        size = min(len(buffer), self._landed.size - self._position)
        data = self._landing.read_range(self._landed.name, self._position, size) if size > 0 else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _content(loading: Loading, landed: LandedObject) -> BinaryIO | LeftOut:
    try:
        with _naming(landed):
            if landed.size > LARGE_OBJECT:
                return io.BufferedReader(_LandedFile(loading.landing, landed), _RANGE)
            return io.BytesIO(loading.landing.read(landed.name))
    except (UnreadableError, ObjectError) as error:
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
            f"{landed.name}: cannot be loaded: {type(error).__name__}: {error}. It is left out until it changes or the "
            "program is mended; a name that begins with _ hides it."
        ) from error


def _records(
    loading: Loading, reader: EnvelopeReader, landed: LandedObject, content: BinaryIO
) -> Iterator[tuple[pl.DataFrame, int]]:
    """Yield the records of an object piece by piece, with the bytes of each piece."""
    offset = 0
    read = pieces(landed.name, content, loading.limits)
    while True:
        with _naming(landed):
            piece = next(read, None)
            if piece is None:
                return
            records = _judged(loading, landed, _read(reader, piece), offset)
        yield records, len(piece.data)
        offset += records.height


def _read(reader: EnvelopeReader, piece: Piece) -> pl.DataFrame:
    records = reader.read(piece.data)
    if piece.reason is None:
        return records
    row = pl.DataFrame([{"body": piece.text, "fault": piece.reason.value}], schema=records.schema)
    return pl.concat([records, row])


def _judged(loading: Loading, landed: LandedObject, records: pl.DataFrame, offset: int) -> pl.DataFrame:
    return (
        classify(records, loading.envelope.unit, landed.arrival_date, loading.first_date)
        .with_row_index("source_offset", offset)
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
