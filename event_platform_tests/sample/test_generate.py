"""The sample stream: the same seed gives the same bytes, and the truth about it is the truth."""

import gzip
import re
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
import yaml

from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog
from event_platform.events.corruption import CorruptionReason
from event_platform.lake.totals import lake_totals
from event_platform.sample.faults import OF_OTHER_STREAMS, REASONS, corrupt_record
from event_platform.sample.generate import Sample, generate
from event_platform_tests.support.world import World, noon

FIRST_DAY = date(2025, 6, 1)


def made(folder: Path, seed: int, events: int = 4_000) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Generate a sample; return the objects by name, and the truth."""
    truth = generate(Sample(folder, events, FIRST_DAY, 3, seed), lambda *_: None)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}, truth


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Another one gives other events: two samples in one lake are no duplicates of each other."""
    first, again, other = (made(tmp_path / name, seed) for name, seed in [("a", 1), ("b", 1), ("c", 2)])
    assert first == again
    assert len(uuids(first[0])) >= 4_000
    assert not uuids(first[0]) & uuids(other[0])


def uuids(objects: dict[str, bytes]) -> set[bytes]:
    """Return the event_uuid of all events in objects, but for the one that is broken on purpose."""
    whole = b"".join(gzip.decompress(data) for name, data in objects.items() if "broken" not in name)
    return set(re.findall(rb'"event_uuid":"([0-9a-f-]{36})"', whole))


@pytest.fixture
def sample_world(tmp_path: Path) -> World:
    """A world with the sample's catalog."""
    schemas = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in SAMPLE_CATALOG.glob("*.yaml")}
    return World(tmp_path, {stem: schema for stem, schema in schemas.items() if stem != "envelope"})


def test_the_truth_is_what_the_ledger_finds(sample_world: World) -> None:
    """Figure by figure, day by day, with something of everything. But for the drifting type, nothing is rescued."""
    _, truth = made(sample_world.root / "landing", seed=3, events=30_000)
    sample_world.build(*(FIRST_DAY.replace(day=day) for day in (1, 2, 3)))
    sample_world.deduplicate(FIRST_DAY.replace(month=5, day=31))
    sample_world.type(FIRST_DAY.replace(month=5, day=31))
    totals = lake_totals(sample_world.lake, sample_world.catalog)
    assert totals["balanced"]
    by_day = {day["created_date"]: day["deduplicated"] for day in totals["by_created_date"]}
    assert truth.pop("deduplicated_by_created_date") == {day: rows for day, rows in by_day.items() if rows}
    assert {name: totals[name] for name in truth} == truth
    assert (totals["deduplicated"], totals["event_tables"]) == (30_000, 100)
    assert all(totals["duplicates"].values())
    assert totals["unregistered"]
    assert len(totals["corrupt_by_reason"]) > len(CorruptionReason) / 2
    tables = {
        event_type.key: sample_world.lake.event_table(event_type)
        for event_type in load_catalog(SAMPLE_CATALOG).event_types
    }
    rescued = {key: table.snapshot().scan().collect()["_rescued"] for key, table in tables.items()}
    assert {key for key, column in rescued.items() if column.null_count() < len(column)} == {"lesson_started"}


@pytest.mark.parametrize("reason", REASONS)
def test_a_corrupt_record_gets_the_reason_that_it_was_made_for(world: World, reason: CorruptionReason) -> None:
    """However it looks, of the several looks that a reason has."""
    records = {corrupt_record(reason, f"u{seed}", noon(FIRST_DAY), Random(seed)) for seed in range(12)}  # noqa: S311
    world.deliver(FIRST_DAY, "a", *records)
    world.load(FIRST_DAY)
    assert world.raw()["corruption_reason"].to_list() == [reason] * len(records)


def test_every_reason_occurs_in_a_sample_of_the_usual_size(tmp_path: Path) -> None:
    """Large records and broken objects too."""
    _, truth = made(tmp_path, seed=1, events=200_000)
    assert set(truth["corrupt_by_reason"]) == set(CorruptionReason) - OF_OTHER_STREAMS


def test_only_names_made_to_be_unregistered_are_missing_from_the_catalog(sample_world: World) -> None:
    """All others have a table."""
    _, truth = made(sample_world.root / "landing", seed=1, events=10_000)
    sample_world.load(*(FIRST_DAY.replace(day=day) for day in (1, 2, 3)))
    names = sample_world.raw().filter(pl.col("corruption_reason").is_null())["event_name"].unique()
    assert truth["unregistered"]
    assert set(names) - sample_world.catalog.names == {"lesson:teleported", "beta:widget:clicked", "internal_ping"}
