"""Files of deduplicated_events → files of the event tables, and of unregistered_events."""

import traceback
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.catalog import EventType
from event_platform.events.envelope import Envelope
from event_platform.events.errors import StorageError
from event_platform.events.event import EVENT_COLUMNS
from event_platform.events.payload import PayloadReader
from event_platform.lake.files import DataFile, scan_files, write_file
from event_platform.lake.lake import DEDUPLICATED_SCHEMA
from event_platform.lake.storage import Storage

ROWS_PER_TASK = 75_000

_PARTITION = "created_date"


@dataclass(frozen=True)
class Unit:
    """The events of some names and one created_date, and the files that hold them."""

    created_date: date
    files: tuple[DataFile, ...]
    names: frozenset[str]
    rows: int


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
    """Cut the work on the `wanted` names into units of about ROWS_PER_TASK. No two units share a name and a file."""
    units: list[Unit] = []
    for created_date in sorted({file.partition for file in files}):
        own = {file.uri: file for file in files if file.partition == created_date}
        named = counts.filter(pl.col("uri").is_in(list(own)) & pl.col("event_name").is_in(list(wanted)))
        held: list[tuple[str, list[str], int]] = []
        for (name,), part in (
            named.sort("event_name", "uri").partition_by("event_name", as_dict=True, maintain_order=True).items()
        ):
            if held and sum(rows for *_, rows in held) + part["rows"].sum() > ROWS_PER_TASK:
                units.append(_unit(created_date, own, held))
                held = []
            if part["rows"].sum() > ROWS_PER_TASK:
                units.extend(_unit(created_date, own, [(name, [uri], rows)]) for _, rows, uri in part.iter_rows())
            else:
                held.append((name, part["uri"].to_list(), int(part["rows"].sum())))
        units.extend([_unit(created_date, own, held)] if held else [])
    return units


def _unit(created_date: date, own: dict[str, DataFile], held: list[tuple[str, list[str], int]]) -> Unit:
    uris = sorted({uri for _, name_uris, _ in held for uri in name_uris})
    names = frozenset(name for name, *_ in held)
    return Unit(created_date, tuple(own[uri] for uri in uris), names, sum(rows for *_, rows in held))


def type_events(storage: Storage, unit: Unit, event_types: dict[str, EventType], envelope: Envelope) -> list[Typed]:
    """Write one file for each event type of a unit. `event_types` are by name; other names are unregistered.

    A type that fails is returned with its error; the others are not touched by it.
    """
    events = (
        scan_files(list(unit.files), DEDUPLICATED_SCHEMA, _PARTITION, storage)
        .filter(pl.col("event_name").is_between(pl.lit(min(unit.names)), pl.lit(max(unit.names))))
        .filter(pl.col("event_name").is_in(list(unit.names)))
        .collect()
    )
    unregistered = events.filter(~pl.col("event_name").is_in(list(event_types)))
    results = [_write_unregistered(storage, unregistered, unit.created_date)] if unregistered.height else []
    for (name,), part in events.partition_by("event_name", as_dict=True).items():
        if name in event_types:
            results.append(_write_type(storage, part, event_types[name], envelope, unit.created_date))
    return results


def _write_type(storage: Storage, events: pl.DataFrame, event_type: EventType, envelope: Envelope, day: date) -> Typed:
    result = Typed(event_type.key, day)
    try:
        payload = PayloadReader(event_type, envelope).read(events["body"])
        frame = pl.concat([events.select(list(EVENT_COLUMNS)), payload], how="horizontal")
        result.adds.append(write_file(frame, storage, f"events/{event_type.key}", _PARTITION, day))
        result.rows = frame.height
        result.rescued = frame.height - frame["_rescued"].null_count()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the other types
        result.error = "".join(traceback.format_exception_only(error)).strip()
        result.may_pass = isinstance(error, StorageError)
    return result


def _write_unregistered(storage: Storage, events: pl.DataFrame, day: date) -> Typed:
    add = write_file(events, storage, "unregistered_events", _PARTITION, day)
    return Typed(None, day, [add], events.height)
