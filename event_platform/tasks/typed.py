"""Files of deduplicated_events → files of the event tables, and of unregistered_events."""

import traceback
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.catalog import EventType
from event_platform.events.envelope import Envelope
from event_platform.events.errors import StorageError, panics_as_errors
from event_platform.events.event import EVENT_COLUMNS, RESCUED_COLUMN
from event_platform.events.payload import PayloadReader
from event_platform.lake.files import DataFile, FileWriter, in_batches, scan_files
from event_platform.lake.lake import DEDUPLICATED_SCHEMA
from event_platform.lake.storage import Storage

#: What one task takes of types that are small. The fewer tasks there are, the fewer read the row groups that hold the
#: events of two of them; unless there is little: then tasks are at least so many, where each has half as much.
ROWS_PER_TASK, _TASKS = 200_000, 20

#: What one file takes of a type that is large: about 64 MB.
ROWS_PER_FILE = 1_500_000

#: What a task holds at a time, as records and as columns.
ROWS_AT_ONCE = 200_000

_PARTITION = "created_date"


@dataclass(frozen=True)
class Unit:
    """The events of some names and one created_date, and the files that hold them; `rows` there are these events'."""

    created_date: date
    files: tuple[DataFile, ...]
    names: frozenset[str]

    @property
    def rows(self) -> int:
        """How many events there are."""
        return sum(file.rows for file in self.files)


@dataclass
class Typed:
    """What a task wrote for one event type (None: the unregistered names) and created_date."""

    key: str | None
    created_date: date
    adds: list[AddAction] = field(default_factory=list)
    rows: int = 0
    rescued: int = 0
    error: str | None = None
    may_pass: bool = False  # the error is the storage's


def count_names(storage: Storage, files: list[DataFile]) -> pl.DataFrame:
    """Count the events in each file by name: uri, event_name, rows."""
    counts = [
        scan_files([file], DEDUPLICATED_SCHEMA, _PARTITION, storage)
        .group_by("event_name")
        .agg(pl.len().alias("rows"))
        .with_columns(uri=pl.lit(file.uri))
        for file in files
    ]
    nothing = pl.DataFrame(schema={"event_name": pl.String, "rows": pl.UInt32, "uri": pl.String})
    return pl.concat([nothing, *pl.collect_all(counts)])


def plan(files: list[DataFile], counts: pl.DataFrame, wanted: Collection[str]) -> list[Unit]:
    """Cut the work on the `wanted` names into units. A name is in several only where it has to be in several files."""
    units: list[Unit] = []
    counts = counts.filter(pl.col("event_name").is_in(list(wanted)))
    allowed = min(ROWS_PER_TASK, max(ROWS_PER_TASK // 2, counts["rows"].cast(pl.Int64).sum() // _TASKS))
    for created_date in sorted({file.partition for file in files}):
        own = {file.uri: file for file in files if file.partition == created_date}
        named = counts.filter(pl.col("uri").is_in(list(own)))
        held: dict[str, dict[str, int]] = {}
        for (name,), part in (
            named.sort("event_name", "uri").partition_by("event_name", as_dict=True, maintain_order=True).items()
        ):
            rows = dict(part.select("uri", "rows").iter_rows())
            if held and sum(map(_total, held.values())) + _total(rows) > allowed:
                units.append(_unit(created_date, own, held))
                held = {}
            if _total(rows) > ROWS_PER_FILE:
                batches = in_batches(_in_order(own, rows), ROWS_PER_FILE)
                units.extend(_unit(created_date, own, {name: {f.uri: f.rows for f in batch}}) for batch in batches)
            else:
                held[name] = rows
        units.extend([_unit(created_date, own, held)] if held else [])
    return units


def _total(rows: Mapping[str, int]) -> int:
    return sum(rows.values())


def _unit(created_date: date, own: Mapping[str, DataFile], held: Mapping[str, Mapping[str, int]]) -> Unit:
    """Return a unit of names, each with its rows by file."""
    rows = Counter[str]()
    for each in held.values():
        rows.update(each)
    return Unit(created_date, tuple(_in_order(own, rows)), frozenset(held))


def _in_order(own: Mapping[str, DataFile], rows: Mapping[str, int]) -> list[DataFile]:
    """Return files with so many rows each, in the order of arrival, which is nearly that of time."""
    files = (replace(own[uri], rows=count) for uri, count in rows.items())
    return sorted(files, key=lambda file: (str(file.minimum["source_object"]), file.uri))


def type_events(storage: Storage, unit: Unit, event_types: dict[str, EventType], envelope: Envelope) -> list[Typed]:
    """Write one file for each event type of a unit. `event_types` are by name; other names are unregistered.

    A type that fails is returned with its error; the others are not touched by it.
    """
    files: dict[str | None, _EventFile] = {}
    for batch in in_batches(unit.files, ROWS_AT_ONCE):
        events = _read(storage, batch, unit.names, whole=not unit.names <= event_types.keys())
        for (name,), part in events.partition_by("event_name", as_dict=True, maintain_order=True).items():
            key = name if name in event_types else None
            if key not in files:
                files[key] = _EventFile(storage, unit.created_date, event_types.get(name), envelope)
            files[key].write(part)
    return [file.close() for file in files.values()]


def _read(storage: Storage, files: list[DataFile], names: frozenset[str], *, whole: bool) -> pl.DataFrame:
    """Read the events of some names: what typed ones are made of, or `whole`."""
    columns = DEDUPLICATED_SCHEMA.names() if whole else [*EVENT_COLUMNS, "body"]
    return (
        scan_files(files, DEDUPLICATED_SCHEMA, _PARTITION, storage)
        .filter(pl.col("event_name").is_between(pl.lit(min(names)), pl.lit(max(names))))
        .filter(pl.col("event_name").is_in(list(names)))
        .select(columns)
        .collect()
    )


class _EventFile:
    """A file of an event table, or of unregistered_events, while it is written."""

    def __init__(self, storage: Storage, day: date, event_type: EventType | None, envelope: Envelope) -> None:
        self._typed = Typed(event_type.key if event_type else None, day)
        self._reader: PayloadReader | None = None
        table = f"events/{event_type.key}" if event_type else "unregistered_events"
        self._file = FileWriter(storage, table, _PARTITION, day)
        if event_type is not None:
            with self._keeping_errors():
                self._reader = PayloadReader(event_type, envelope)

    def write(self, events: pl.DataFrame) -> None:
        """Add events, in typed columns where they have a type."""
        if self._typed.error:
            return
        with self._keeping_errors():
            frame = events
            if self._reader is not None:
                payload = self._reader.read(events["body"])
                frame = pl.concat([events.select(list(EVENT_COLUMNS)), payload], how="horizontal")
                self._typed.rescued += frame.height - frame[RESCUED_COLUMN].null_count()
            # Not before they are typed: bodies would be sorted too, and what they were read from kept.
            self._file.write(frame.sort("created_datetime", maintain_order=True))
            self._typed.rows += frame.height

    def close(self) -> Typed:
        """Store the file, and return what is in it, or why it is not there."""
        if not self._typed.error:
            with self._keeping_errors():
                self._typed.adds.append(self._file.close())
        return self._typed

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            with panics_as_errors():
                yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the other types
            self._typed.error = "".join(traceback.format_exception_only(error)).strip()
            self._typed.may_pass = isinstance(error, StorageError) and error.may_pass
