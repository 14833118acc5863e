"""Everything a lake holds, so that two lakes can be laid side by side."""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from event_platform.events.catalog import Catalog
from event_platform.lake.lake import Lake
from event_platform_tests.support.world import World

#: Figures of quality_report that depend on the files that rows are in.
_OF_FILES = ["bytes", "sampled", "distinct", "value"]

#: What a materialization tells of its run and of its commit; it depends on what else was in them.
OF_THE_RUN = {
    "bytes_written",
    "dagster/uri",
    "delta_version",
    "files_written",
    "previous_delta_version",
    "step_cpu_seconds",
}


def contents(lake: Lake, catalog: Catalog, *, without: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Return the rows of every table, as sorted JSON; columns `without` which two lakes may differ are left out.

    So are the figures of files, which differ where the same rows are in other files.
    """
    tables = lake.tables(catalog.event_types)
    return {table.name: _rows(_of_rows(table.snapshot().scan().collect()), without) for table in tables}


def rebuilt(world: World, folder: Path, days: Sequence[date]) -> World:
    """Return a world with the same events and catalog whose event tables are built by that catalog alone."""
    other = World(folder, schemas={}, start_date=world.start_date)
    for name in ("catalog", "lake/raw_events", "lake/deduplicated_events"):
        shutil.copytree(world.root / name, folder / name, dirs_exist_ok=True)
    other.type(*days)
    return other


def _of_rows(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(~pl.col("figure").is_in(_OF_FILES)) if "figure" in frame.columns else frame


def _rows(frame: pl.DataFrame, without: tuple[str, ...]) -> list[str]:
    columns = sorted(name for name in frame.columns if name not in without)
    return sorted(frame.select(pl.struct(columns).struct.json_encode()).to_series())
