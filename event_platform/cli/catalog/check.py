"""`event-platform catalog check`: the faults of a catalog."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
from deltalake import Schema

from event_platform.cli.output import ERR, OUT
from event_platform.events.catalog import EventType, load_catalog
from event_platform.events.columns import typed
from event_platform.events.derivation.evaluation import Deriver
from event_platform.events.envelope import Envelope
from event_platform.events.errors import CatalogError, raise_panics_as_errors
from event_platform.events.mending.opening import require_runnable
from event_platform.events.payload import PayloadReader
from event_platform.events.wording import counted
from event_platform.lake.schemas import to_delta


def check_catalog(folder: Path) -> int:
    """Print the faults of a catalog, or its size if it has none; return the exit code."""
    return print_faults(folder, *load_with_faults(folder))


def load_with_faults(folder: Path) -> tuple[Sequence[EventType], Sequence[str]]:
    """Return the event types of a catalog, and one line for each of its faults."""
    try:
        catalog = load_catalog(folder)
        require_runnable(catalog.mending)
    except CatalogError as error:
        return (), str(error).splitlines()
    types = catalog.event_types
    return types, [fault for event_type in types for fault in _build_faults(event_type, catalog.envelope)]


def print_faults(folder: Path, event_types: Sequence[EventType], faults: Sequence[str]) -> int:
    """Print the faults of a catalog, or its size if it has none; return the exit code."""
    for line in faults:
        ERR.print(line, soft_wrap=True)
    if faults:
        return 1
    columns = sum(len(event_type.schema) for event_type in event_types)
    OUT.print(
        f"{folder}: {counted(len(event_types), 'event type')}, {counted(columns, 'column')}, no faults", soft_wrap=True
    )
    return 0


def _build_faults(event_type: EventType, envelope: Envelope) -> Iterator[str]:
    """Build everything that a run builds from a schema before it reads events; yield the faults."""
    comments = {column.name: column.description for column in typed(event_type.stored)}
    try:
        with raise_panics_as_errors():
            Schema.from_json(to_delta(event_type.schema, comments).to_json())
            PayloadReader(event_type, envelope).read(pl.Series(["{}"]))
            deriver = Deriver(event_type.derived)
            deriver.add(pl.DataFrame(schema=event_type.schema).drop(each.name for each in event_type.derived))
    except Exception as error:  # noqa: BLE001 - any error of a library would stop a run as well
        yield f"{event_type.name}: no table can be created from its schema: {' '.join(str(error).split())}"
        return
    for column, error_text, _ in deriver.failures().iter_rows():
        yield f"{event_type.name}: x-derive.{column}: fails without any rows: {error_text}"
