"""Records of landed objects → files of raw_events, written whenever enough records are buffered."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.errors import ObjectError, UnreadableError, WorkerError
from event_platform.events.mending.outcome import MendOutcome
from event_platform.lake.file_writer import FileWriter, sort_by_name
from event_platform.lake.tables import Table
from event_platform.landing.landing import LandedObject
from event_platform.landing.pieces import RECORDS_PER_PIECE, Limits

#: Why an object is left out: it is unreadable, makes the program fail, or kills its worker process.
LoadError = UnreadableError | ObjectError | WorkerError


@dataclass
class LoadResult:
    """The outcome of a raw task for one arrival date."""

    arrival_date: date
    bytes_read: int = 0
    records: int = 0
    adds: list[AddAction] = field(default_factory=list)
    created_dates: set[date] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    mend_outcome: MendOutcome = field(default_factory=MendOutcome)  # includes objects that are left out halfway
    empty_objects: list[LandedObject] = field(default_factory=list)
    unreadable: dict[str, LoadError] = field(default_factory=dict)  # by name; they are not in the other figures


@dataclass(frozen=True)
class ObjectStart:
    """Position of the first record of an object among the records of its task."""

    flushes: int
    frames: int
    records: int


class RecordWriter:
    """Buffers records of one arrival date, and writes them in files of sufficient size.

    Late records have a separate file, so that the statistics of the other file stay narrow.
    """

    def __init__(self, table: Table, limits: Limits, result: LoadResult) -> None:
        """Begin without records. Counts are added to `result`."""
        self.result = result
        self._table, self._limits = table, limits
        self._late = pl.col("created_date") < result.arrival_date - timedelta(days=1)
        self._frames: list[pl.DataFrame] = []
        self._size = self._height = self._flushes = self._records = 0
        self._writers: dict[bool, FileWriter] = {}

    def position(self) -> ObjectStart:
        """Return the start of the records of the next object."""
        return ObjectStart(self._flushes, len(self._frames), self._records)

    def add(self, records: pl.DataFrame, size: int) -> None:
        """Buffer records with this many bytes of text."""
        if records.height:
            self._frames.append(records)
            self._records += records.height
            self._height += records.height
            self._size += size
        if self._size >= self._limits.piece_bytes or self._height >= RECORDS_PER_PIECE:
            self.flush()

    def finish(self, start: ObjectStart, landed_object: LandedObject) -> None:
        """Count an object that was read to its end."""
        self.result.bytes_read += landed_object.size
        if self._records == start.records:
            self.result.empty_objects.append(landed_object)

    def drop(self, start: ObjectStart) -> bool:
        """Drop the buffered records of an object; return whether none was written before."""
        if self._flushes != start.flushes:
            return False
        del self._frames[start.frames :]
        self._records = start.records
        return True

    def flush(self) -> None:
        """Write the buffered records."""
        frames, self._frames, self._size, self._height = self._frames, [], 0, 0
        if not frames:
            return
        self._flushes += 1
        result = self.result
        records = _sort_records(pl.concat(frames))
        result.records += records.height
        result.created_dates.update(records["created_date"].drop_nulls().unique())
        result.reasons.update(dict(records["corruption_reason"].drop_nulls().value_counts().iter_rows()))
        late = self._late.fill_null(value=False)
        for is_late, part in ((False, records.filter(~late)), (True, records.filter(late))):
            if part.height:
                if is_late not in self._writers:
                    self._writers[is_late] = FileWriter(self._table, result.arrival_date)
                self._writers[is_late].write(part)

    def close(self) -> LoadResult:
        """Store the files."""
        self.result.adds.extend(writer.close() for writer in self._writers.values())
        return self.result


def _sort_records(records: pl.DataFrame) -> pl.DataFrame:
    """Put corrupt records first, then each event name, in the order of object and record.

    Bodies of one name compress a quarter better beside each other, and readers of corrupt records skip the rest.
    """
    sound = pl.col("corruption_reason").is_null()
    return pl.concat([records.filter(~sound), sort_by_name(records.filter(sound))])
