"""The sample stream: the same seed gives the same bytes, and the truth about it is the truth."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog
from event_platform.events.event import CorruptionReason
from event_platform.lake.balance import ledger
from event_platform.sample.generate import Sample, generate
from event_platform_tests.world import World

FIRST_DAY = date(2025, 6, 1)


def made(folder: Path, seed: int, events: int = 4_000) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Generate a sample; return the objects by name, and the truth."""
    truth = generate(Sample(folder, events, FIRST_DAY, 3, seed), lambda *_: None)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}, truth


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Another one gives others."""
    first, again, other = (made(tmp_path / name, seed) for name, seed in [("a", 1), ("b", 1), ("c", 2)])
    assert first == again
    assert first[0] != other[0]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world with the sample's catalog."""
    schemas = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in SAMPLE_CATALOG.glob("*.yaml")}
    return World(tmp_path, {stem: schema for stem, schema in schemas.items() if stem != "envelope"})


def test_the_truth_is_what_the_ledger_finds(world: World) -> None:
    """Figure by figure, day by day, with something of everything."""
    _, truth = made(world.root / "landing", seed=3, events=30_000)
    world.build(*(FIRST_DAY.replace(day=day) for day in (1, 2, 3)))
    world.deduplicate(FIRST_DAY.replace(month=5, day=31))
    world.type(FIRST_DAY.replace(month=5, day=31))
    books = ledger(world.lake, world.catalog)
    assert books["balanced"]
    by_day = {day["created_date"]: day["deduplicated"] for day in books["by_created_date"]}
    assert truth.pop("deduplicated_by_created_date") == {day: rows for day, rows in by_day.items() if rows}
    assert {name: books[name] for name in truth} == truth
    assert (books["deduplicated"], books["event_tables"]) == (30_000, 100)
    assert all(books["duplicates"].values())
    assert books["unregistered"]
    assert len(books["corrupt_by_reason"]) > len(CorruptionReason) / 2
    assert any(world.events("lesson_started")["_rescued"].is_not_null())


def test_the_sample_keeps_to_its_catalog(world: World) -> None:
    """But for the drifting type, nothing has to be rescued."""
    made(world.root / "landing", seed=1)
    world.build(*(FIRST_DAY.replace(day=day) for day in (1, 2, 3)))
    for event_type in load_catalog(SAMPLE_CATALOG).event_types:
        rescued = world.lake.event_table(event_type).snapshot().scan().collect()["_rescued"]
        assert rescued.null_count() == len(rescued) or event_type.key == "lesson_started", event_type.key
