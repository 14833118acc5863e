"""What assets tell Dagster: figures for each partition, and progress in the log."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from typing import Any

import dagster as dg

from event_platform.compute.tasks import CpuTime, Progress
from event_platform.defs.metadata import URI, asset_key, figures_of
from event_platform.defs.registration import Registered
from event_platform.lake.files import Written
from event_platform.lake.tables import Table

_SECONDS_BETWEEN_LINES = 5.0
_LISTENER: ContextVar[Progress | None] = ContextVar("progress", default=None)


def report(
    context: dg.AssetExecutionContext,
    table: Table,
    figures: Mapping[date, Mapping[str, Any]],
    written: Mapping[date, Written],
    cpu_time: CpuTime,
    registered: Registered,
) -> dg.MaterializeResult[Any]:
    """Attach each partition's figures to its own materialization of a table, and return the result to yield.

    The CPU time is that of the whole step: of all its tables and partitions. `registered` is what to tell of tables in
    the Glue Data Catalog.
    """
    key = asset_key(table)
    for day, metadata in figures.items():
        partition = {**metadata, **figures_of(written[day])}
        context.add_asset_metadata(partition, asset_key=key, partition_key=day.isoformat())
    return dg.MaterializeResult(
        asset_key=key,
        metadata={URI: table.uri, "step_cpu_seconds": round(cpu_time.seconds, 3), **registered.get(key, {})},
        # Without it Dagster would take rows for the same whenever the code that made them is.
        data_version=dg.DataVersion(str(max(each.version for each in written.values()))),
    )


@contextmanager
def listening(listener: Progress) -> Iterator[None]:
    """Have the progress of the runs in this process told to `listener`: a command line draws it."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def is_watched() -> bool:
    """Say whether somebody follows the runs in this process."""
    return _LISTENER.get() is not None


def progress_of(context: dg.AssetExecutionContext) -> Progress:
    """Return whom a step tells how far it is: a listener, or the run's log, every few seconds at most."""
    last = time.monotonic()

    def log(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            context.log.info("%s: %s of %s tasks done", what, done, total)

    return _LISTENER.get() or log
