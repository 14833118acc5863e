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
class ObjectSource:
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
    """A large object as a file that is read range by range."""

    def __init__(self, landing: Landing, landed_object: LandedObject) -> None:
        self._landing, self._landed_object, self._position = landing, landed_object, 0

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
        size = min(len(buffer), self._landed_object.size - self._position)
        data = self._landing.read_range(self._landed_object.name, self._position, size) if size > 0 else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def open_object(
    source: ObjectSource, sizing: Sizing, landed_object: LandedObject
) -> BinaryIO | UnreadableError | ObjectError:
    """Return the content of an object, or why it cannot be read: a large one is read range by range."""
    try:
        with _add_name_to_errors(landed_object):
            if landed_object.size > sizing.large_object_bytes:
                return io.BufferedReader(_LandedFile(source.landing, landed_object), sizing.range_bytes)
            return io.BytesIO(source.landing.read(landed_object.name))
    except (UnreadableError, ObjectError) as error:
        return error


@contextmanager
def _add_name_to_errors(landed_object: LandedObject) -> Iterator[None]:
    """Add the object's name to an unexpected error: otherwise one object could stop all others for ever."""
    try:
        yield
    except StorageError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        raise ObjectError(
            f"{landed_object.name}: cannot be loaded: {type(error).__name__}: {error}. It is left out until it changes "
            "or the program is fixed; a name that begins with _ hides it."
        ) from error


def read_records(
    source: ObjectSource,
    reader: EnvelopeReader | WrappedReader,
    landed_object: LandedObject,
    content: BinaryIO,
    mender: Mender | None = None,
) -> Iterator[tuple[pl.DataFrame, int]]:
    """Yield the classified records of an object piece by piece, with the bytes of each piece.

    If an object has more records than allowed, one `unreadable_object` replaces the rest: short records could be
    hundreds of millions within the limit of bytes. A `mender` requires a reader that keeps bytes.
    """
    offset, max_records = 0, source.limits.object_rows
    remaining_pieces = pieces(landed_object.name, content, source.limits_of_object)
    is_cut = False
    while not is_cut:
        with _add_name_to_errors(landed_object):
            piece = next(remaining_pieces, None)
            if piece is None:
                return
            is_cut = offset >= max_records
            piece = unreadable(b"", _TOO_MANY.format(max_records)) if is_cut else piece
            records = _classify(source, landed_object, _read_piece(reader, piece), offset, mender)
        yield records, len(piece.data)
        offset += records.height


def _read_piece(reader: EnvelopeReader | WrappedReader, piece: Piece) -> pl.DataFrame:
    records = reader.read(piece.data)
    if piece.reason is None:
        return records
    row = pl.DataFrame([{"body": piece.text, "fault": piece.reason.value}], schema=records.schema)
    return pl.concat([records, row])


def _classify(
    source: ObjectSource, landed_object: LandedObject, records: pl.DataFrame, offset: int, mender: Mender | None
) -> pl.DataFrame:
    rows = (
        classify(records, source.envelope, landed_object.arrival_date, source.first_date)
        .with_row_index("source_offset", offset)
        .with_columns(
            pl.col("source_offset").cast(pl.Int64),
            pl.lit(None, pl.String).alias(MENDED_BY),
            arrival_date=pl.lit(landed_object.arrival_date),
            source_object=pl.lit(landed_object.name),
            source_size=pl.lit(landed_object.size, pl.Int64),
            source_etag=pl.lit(landed_object.etag),
        )
        .select(RAW_EVENTS.schema.names())
    )
    return rows if mender is None else mender.mend(rows, records["written"])
