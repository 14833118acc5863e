"""raw_events → corrupt_events: the dead letters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.table_commit import TableCommit
from event_platform.pipeline.loading import quarantine
from event_platform.pipeline.loading.quarantine import quarantine_corrupt
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect how many rows of raw_events each look for corrupt records is at."""
    rows: list[int] = []

    def scan(table: Any, files: Sequence[DataFile], schema: pl.Schema) -> pl.LazyFrame:
        rows.append(sum(file.rows for file in files))
        return scan_files(table, files, schema)

    monkeypatch.setattr(quarantine, "scan_files", scan)
    return rows


def places(world: World) -> list[tuple[str, int]]:
    """Return where the corrupt records landed, in order."""
    corrupt = pl.scan_delta(world.lake.corrupt_events.uri).collect()
    return sorted(corrupt.select("source_object", "source_offset").rows())


def test_corrupt_records_are_quarantined_with_their_reason_and_place(world: World) -> None:
    """As they landed; sound ones stay out."""
    world.deliver(MONDAY, "a", event("u1"), "{broken", event(""))
    world.load(MONDAY)
    corrupt = pl.scan_delta(world.lake.corrupt_events.uri).sort("source_offset").collect()
    assert corrupt.select("source_object", "source_offset", "corruption_reason").rows() == [
        ("2025/06/02/12/a", 1, "not_json"),
        ("2025/06/02/12/a", 2, "missing_event_uuid"),
    ]
    assert corrupt["body"][0] == "{broken"


def test_reasons_are_counted_for_each_day(world: World) -> None:
    """A day without any has none, and is not left out."""
    world.deliver(MONDAY, "a", "{broken", "[]", "{broken}")
    world.load(MONDAY)
    reports = quarantine_corrupt(world.lake, [MONDAY, TUESDAY])
    reasons = {day: report.reasons for day, report in reports.items()}
    assert reasons == {MONDAY: {"not_json": 2, "not_an_object": 1}, TUESDAY: {}}


def test_a_mended_object_takes_its_dead_letters_back(world: World) -> None:
    """What is no longer corrupt in raw_events is no longer in corrupt_events; other days are left alone."""
    world.deliver(MONDAY, "a", "{broken")
    world.deliver(TUESDAY, "a", "{broken")
    world.load(MONDAY, TUESDAY)
    world.deliver(MONDAY, "a", event("u1"))
    world.load(MONDAY)
    corrupt = pl.scan_delta(world.lake.corrupt_events.uri).collect()
    assert corrupt["arrival_date"].to_list() == [TUESDAY]


def test_a_day_that_gained_records_is_read_no_further(world: World, read: list[int]) -> None:
    """Its dead letters are appended to, and its reasons are those of the whole day."""
    world.deliver(MONDAY, "a", "{broken", event("u1"), event("u2"))
    world.load(MONDAY)
    world.deliver(MONDAY, "b", event("u3"), "[]")
    world.load(MONDAY)
    assert read == [3, 2]
    assert places(world) == [("2025/06/02/12/a", 0), ("2025/06/02/12/b", 1)]
    assert quarantine_corrupt(world.lake, [MONDAY])[MONDAY].reasons == {"not_json": 1, "not_an_object": 1}


def test_a_day_of_many_small_files_is_rebuilt(world: World, read: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they never become many."""
    monkeypatch.setattr(quarantine, "_MOST_FILES", 2)
    for name in "abc":
        world.deliver(MONDAY, name, "{broken")
        world.load(MONDAY)
    assert read == [1, 1, 3]
    assert len(world.lake.corrupt_events.snapshot().files()) == 1
    assert places(world) == [(f"2025/06/02/12/{name}", 0) for name in "abc"]


def test_a_day_that_lacks_what_it_should_have_is_rebuilt(world: World) -> None:
    """The figures of raw_events say how many corrupt records there are, whatever the source version says."""
    world.deliver(MONDAY, "a", "{broken")
    world.load(MONDAY)
    target, raw = world.lake.corrupt_events.snapshot_to_write(), world.lake.raw_events.snapshot()
    TableCommit(target).rebuild([MONDAY], [], {MONDAY: raw.version}).commit()
    world.deliver(MONDAY, "b", "{broken")
    world.load(MONDAY)
    assert places(world) == [("2025/06/02/12/a", 0), ("2025/06/02/12/b", 0)]


@pytest.mark.parametrize("lines", [[], ["{broken"]], ids=["nothing new", "a new record"])
def test_a_day_with_a_damaged_file_is_rebuilt(world: World, lines: list[str]) -> None:
    """Also where its size is the one that the log says."""
    world.deliver(MONDAY, "a", "{broken")
    world.load(MONDAY)
    (file,) = world.lake.corrupt_events.snapshot().files()
    Path(file.uri).write_bytes(bytes(file.size))
    world.deliver(MONDAY, "b", *lines)
    world.load(MONDAY)
    assert places(world) == [("2025/06/02/12/a", 0), ("2025/06/02/12/b", 0)][: 1 + len(lines)]
