"""Landed objects → their classified records, with the columns of raw_events about their source."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import BinaryIO

import polars as pl

from event_platform.events.classification import classify
from event_platform.events.envelope import Envelope
from event_platform.events.errors import ObjectError, StorageError, UnreadableError
from event_platform.events.event import MENDED_BY
from event_platform.events.mending.files import NO_MENDING, Mending
from event_platform.events.mending.mender import Mender
from event_platform.events.reader import EnvelopeReader
from event_platform.events.wrappers import WrappedReader
from event_platform.lake.registry import RAW_EVENTS
from event_platform.landing.landing import LandedObject, Landing
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import DEFAULT_LIMITS, Limits, Piece, unreadable
from event_platform.pipeline.sizing import Sizing

_TOO_MANY = (
    "it has more than {:,} records, the most that an object may have (object_limit_bytes of the rules, at 64 bytes a "
    "record); the rest is not read: land smaller objects, or raise the limit"
)


@dataclass(frozen=True)
class Loading:
    """The location of objects, and how they are read."""

    landing: Landing
    envelope: Envelope
    first_date: date
    limits: Limits = DEFAULT_LIMITS
    mending: Mending = NO_MENDING

    @property
    def limits_of_object(self) -> Limits:
        """The limits within which an object is read: a wrapper may be as large as a piece."""
        return replace(self.limits, record_bytes=self.limits.piece_bytes) if self.envelope.records else self.limits


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


def open_object(loading: Loading, sizing: Sizing, landed: LandedObject) -> BinaryIO | UnreadableError | ObjectError:
    """Return the content of an object, or why it cannot be read: a large one is read range by range."""
    try:
        with _naming(landed):
            if landed.size > sizing.large_object_bytes:
                return io.BufferedReader(_LandedFile(loading.landing, landed), sizing.range_bytes)
            return io.BytesIO(loading.landing.read(landed.name))
    except (UnreadableError, ObjectError) as error:
        return error


@contextmanager
def _naming(landed: LandedObject) -> Iterator[None]:
    """Add the object's name to an unexpected error: otherwise one object could stop all others for ever."""
    try:
        yield
    except StorageError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        raise ObjectError(
            f"{landed.name}: cannot be loaded: {type(error).__name__}: {error}. It is left out until it changes or the "
            "program is fixed; a name that begins with _ hides it."
        ) from error


def read_records(
    loading: Loading,
    reader: EnvelopeReader | WrappedReader,
    landed: LandedObject,
    content: BinaryIO,
    mender: Mender | None = None,
) -> Iterator[tuple[pl.DataFrame, int]]:
    """Yield the classified records of an object piece by piece, with the bytes of each piece.

    If an object has more records than allowed, one `unreadable_object` replaces the rest: short records could be
    hundreds of millions within the limit of bytes. A `mender` requires a reader that keeps bytes.
    """
    offset, most = 0, loading.limits.object_rows
    read = pieces(landed.name, content, loading.limits_of_object)
    ended = False
    while not ended:
        with _naming(landed):
            piece = next(read, None)
            if piece is None:
                return
            ended = offset >= most
            piece = unreadable(b"", _TOO_MANY.format(most)) if ended else piece
            records = _classified(loading, landed, _read(reader, piece), offset, mender)
        yield records, len(piece.data)
        offset += records.height


def _read(reader: EnvelopeReader | WrappedReader, piece: Piece) -> pl.DataFrame:
    records = reader.read(piece.data)
    if piece.reason is None:
        return records
    row = pl.DataFrame([{"body": piece.text, "fault": piece.reason.value}], schema=records.schema)
    return pl.concat([records, row])


def _classified(
    loading: Loading, landed: LandedObject, records: pl.DataFrame, offset: int, mender: Mender | None
) -> pl.DataFrame:
    classified = (
        classify(records, loading.envelope, landed.arrival_date, loading.first_date)
        .with_row_index("source_offset", offset)
        .with_columns(
            pl.col("source_offset").cast(pl.Int64),
            pl.lit(None, pl.String).alias(MENDED_BY),
            arrival_date=pl.lit(landed.arrival_date),
            source_object=pl.lit(landed.name),
            source_size=pl.lit(landed.size, pl.Int64),
            source_etag=pl.lit(landed.etag),
        )
        .select(RAW_EVENTS.schema.names())
    )
    return classified if mender is None else mender.mend(classified, records["written"])
