"""Files of deduplicated_events → files of the event tables, and of unregistered_events."""

import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.catalog import EventType
from event_platform.events.derivation.evaluation import Deriver
from event_platform.events.envelope import Envelope
from event_platform.events.errors import StorageError, raise_panics_as_errors
from event_platform.events.event import EVENT_COLUMNS, RESCUED_COLUMN
from event_platform.events.figures import FAILED_DERIVATIONS
from event_platform.events.path_columns import path_columns
from event_platform.events.payload import PayloadReader
from event_platform.lake.file_writer import FileWriter
from event_platform.lake.files import DataFile, in_batches, scan_files
from event_platform.lake.lake import Lake
from event_platform.pipeline.sizing import Sizing
from event_platform.storage.threads import map_threads

#: Not a valid column name: the key of the event's type, null if it has none.
_TYPE = "$type"


@dataclass(frozen=True)
class Unit:
    """The events of some names and one created_date, and their files; `rows` counts these events only."""

    created_date: date
    files: tuple[DataFile, ...]
    names: frozenset[str]

    @property
    def rows(self) -> int:
        """Number of events."""
        return sum(file.rows for file in self.files)


@dataclass
class TypedFile:
    """The file of a task for one event type (None: the unregistered names) and created_date."""

    key: str | None
    created_date: date
    adds: list[AddAction] = field(default_factory=list)
    rows: int = 0
    rescued: int = 0
    error: str | None = None
    transient: bool = False  # the error is the storage's


def count_names(lake: Lake, files: list[DataFile]) -> pl.DataFrame:
    """Count the events in each file by name: uri, event_name, rows."""
    counts = [
        scan_files(lake.deduplicated_events, [file])
        .group_by("event_name")
        .agg(pl.len().alias("rows"))
        .with_columns(uri=pl.lit(file.uri))
        for file in files
    ]
    empty = pl.DataFrame(schema={"event_name": pl.String, "rows": pl.UInt32, "uri": pl.String})
    return pl.concat([empty, *pl.collect_all(counts)])


def plan(files: list[DataFile], counts: pl.DataFrame, names: Collection[str], sizing: Sizing) -> list[Unit]:
    """Cut the work on some event names into units. A name is in several units only if it needs several files."""
    units: list[Unit] = []
    counts = counts.filter(pl.col("event_name").is_in(list(names)))
    rows = int(counts["rows"].cast(pl.Int64).sum())
    max_rows = sizing.events_per_type_task
    unit_rows = min(max_rows, max(max_rows // 2, rows // sizing.min_type_tasks))
    for created_date in sorted({file.partition for file in files}):
        day_files = {file.uri: file for file in files if file.partition == created_date}
        day_counts = counts.filter(pl.col("uri").is_in(list(day_files)))
        # There may be any number of names, so the work per name must be negligible.
        totals = day_counts.group_by("event_name").agg(total=pl.col("rows").cast(pl.Int64).sum()).sort("event_name")
        unit_numbers = totals.with_columns(
            unit=pl.Series(_numbers(totals["total"].to_list(), unit_rows), dtype=pl.UInt32)
        )
        for unit_counts in (
            day_counts.join(unit_numbers, on="event_name").sort("unit").partition_by("unit", maintain_order=True)
        ):
            units.extend(_units(created_date, day_files, unit_counts, sizing))
    return units


def _numbers(totals: Iterable[int], unit_rows: int) -> Iterator[int]:
    """Yield the number of each name's unit, by its rows. The rows of a single name are not divided here."""
    number, rows = 0, 0
    for total in totals:
        if rows and rows + total > unit_rows:
            number, rows = number + 1, 0
        rows += total
        yield number


def _units(
    created_date: date, day_files: Mapping[str, DataFile], unit_counts: pl.DataFrame, sizing: Sizing
) -> Iterator[Unit]:
    """Yield the unit of some names (event_name, uri, rows), or several units for one large name."""
    names = frozenset(unit_counts["event_name"])
    files = _in_order(day_files, dict(unit_counts.group_by("uri").agg(pl.col("rows").cast(pl.Int64).sum()).iter_rows()))
    max_rows = sizing.events_per_file if len(names) == 1 else sum(file.rows for file in files)
    yield from (Unit(created_date, tuple(batch), names) for batch in in_batches(files, max_rows))


def _in_order(files_by_uri: Mapping[str, DataFile], rows: Mapping[str, int]) -> list[DataFile]:
    """Return files with their rows in the order of arrival, which is nearly the order of time."""
    files = (replace(files_by_uri[uri], rows=count) for uri, count in rows.items())
    return sorted(files, key=lambda file: (str(file.minimum["source_object"]), file.uri))


def type_events(
    lake: Lake, sizing: Sizing, unit: Unit, event_types: dict[str, EventType], envelope: Envelope
) -> list[TypedFile]:
    """Write one file for each event type of a unit. `event_types` are by name; other names are unregistered.

    A failing type is returned with its error; the others are not affected.
    """
    files: dict[str | None, _EventFile] = {}
    keys = {name: event_type.key for name, event_type in event_types.items()}
    by_key = {event_type.key: event_type for event_type in event_types.values()}
    for batch in in_batches(unit.files, sizing.events_per_type_batch):
        is_typed = unit.names <= event_types.keys()
        columns = columns_to_type(envelope) if is_typed else lake.deduplicated_events.schema.names()
        events = scan_names(lake, batch, unit.names).select(columns).collect()
        type_key = pl.col("event_name").replace_strict(keys, default=None, return_dtype=pl.String).alias(_TYPE)
        # Unregistered names are one part: there may be any number of them.
        for (key,), part in (
            events.with_columns(type_key)
            .partition_by(_TYPE, as_dict=True, include_key=False, maintain_order=True)
            .items()
        ):
            if key not in files:
                files[key] = _EventFile(lake, unit.created_date, by_key.get(key), envelope)
            files[key].write(part)
    # To a bucket, side by side: each is a request.
    run = map if lake.storage.is_local else map_threads
    return list(run(_EventFile.close, files.values()))


def columns_to_type(envelope: Envelope) -> list[str]:
    """Return the columns of deduplicated_events that typing reads."""
    return [*EVENT_COLUMNS, "body", *(["source_object"] if envelope.path_columns else [])]


def scan_names(lake: Lake, files: Sequence[DataFile], names: Collection[str]) -> pl.LazyFrame:
    """Scan the events of some names in files of deduplicated_events."""
    return (
        scan_files(lake.deduplicated_events, files)
        .filter(pl.col("event_name").is_between(pl.lit(min(names)), pl.lit(max(names))))
        .filter(pl.col("event_name").is_in(list(names)))
    )


class EventReader:
    """Reads events of one type (`columns_to_type`) into rows of its table."""

    def __init__(self, event_type: EventType, envelope: Envelope) -> None:
        """Compile the schema."""
        self._payload, self._path_columns = PayloadReader(event_type, envelope), envelope.path_columns
        self._deriver = Deriver(event_type.derived) if event_type.derived else None

    def read(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each event, in order."""
        frames = [events.select(list(EVENT_COLUMNS)), self._payload.read(events["body"])]
        if self._path_columns:
            frames.insert(1, path_columns(events["source_object"], self._path_columns))
        rows = pl.concat(frames, how="horizontal")
        return rows if self._deriver is None else self._deriver.add(rows)

    def note_failures(self, file: FileWriter) -> None:
        """Store with a file the failed derivations of its events."""
        if self._deriver is not None:
            file.note(FAILED_DERIVATIONS, self._deriver.failures())


class _EventFile:
    """A file of an event table, or of unregistered_events, while it is written."""

    def __init__(self, lake: Lake, day: date, event_type: EventType | None, envelope: Envelope) -> None:
        self._result = TypedFile(event_type.key if event_type else None, day)
        self._reader: EventReader | None = None
        self._file = FileWriter(lake.event_table(event_type) if event_type else lake.unregistered_events, day)
        if event_type is not None:
            with self._catch_errors():
                self._reader = EventReader(event_type, envelope)

    def write(self, events: pl.DataFrame) -> None:
        """Add events, in typed columns if they have a type."""
        if self._result.error:
            return
        with self._catch_errors():
            frame = events
            if self._reader is not None:
                frame = self._reader.read(events)
                self._result.rescued += frame.height - frame[RESCUED_COLUMN].null_count()
            # After typing: sorting bodies as well would take longer, and keep the input in memory.
            order = ["created_datetime"] if self._reader is not None else ["event_name", "created_datetime"]
            self._file.write(frame.sort(order, maintain_order=True))
            self._result.rows += frame.height

    def close(self) -> TypedFile:
        """Close the file, and return its contents or the error."""
        if not self._result.error:
            with self._catch_errors():
                if self._reader is not None:
                    self._reader.note_failures(self._file)
                self._result.adds.append(self._file.close())
        return self._result

    @contextmanager
    def _catch_errors(self) -> Iterator[None]:
        try:
            with raise_panics_as_errors():
                yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the other types
            self._result.error = "".join(traceback.format_exception_only(error)).strip()
            self._result.transient = isinstance(error, StorageError) and error.transient
