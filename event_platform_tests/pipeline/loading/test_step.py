"""Landing → raw_events: every object once, whole, in one commit."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pytest

from event_platform.compute.pool import local_pool
from event_platform.events.errors import LandingError, ObjectError, WorkerError
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import LandedObject
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import Limits, Piece
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.loading.report import raise_unreadable
from event_platform.pipeline.loading.step import load
from event_platform.pipeline.loading.tasks import batches, is_large
from event_platform.pipeline.sizing import Sizing
from event_platform_tests.support.deadly import load_or_die
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

MIB = 1024 * 1024


def version(world: World) -> int:
    """Return the version of raw_events: it counts the commits."""
    return world.lake.raw_events.snapshot().version


def test_a_load_is_one_commit_whatever_the_days_and_objects(world: World) -> None:
    """A batch is in the table as a whole, or not at all."""
    for day in (MONDAY, TUESDAY):
        for name in ("a", "b.gz", "c"):
            world.deliver(day, name, event(f"{day}-{name}"))
    world.load(MONDAY, TUESDAY)
    assert world.raw().height == 6
    assert version(world) == 1  # 0 created the table


def test_a_load_tells_what_it_did_for_each_day(world: World) -> None:
    """These are the figures of the materialization."""
    path = world.deliver(MONDAY, "a", event("u1", TUESDAY), event("u2"), "{broken", "[]")
    world.deliver(TUESDAY, "a", event("u3", TUESDAY))
    reports = world.load(MONDAY, TUESDAY)
    monday = reports[MONDAY]
    assert (monday.objects, monday.records, monday.bytes_read) == (1, 4, path.stat().st_size)
    assert dict(monday.reasons) == {"not_json": 1, "not_an_object": 1}
    assert monday.created_dates == {MONDAY, TUESDAY}
    world.deliver(MONDAY, "a", event("u4"))
    world.deliver(MONDAY, "b", event("u5"))
    reports = world.load(MONDAY, TUESDAY)
    assert (reports[MONDAY].objects, reports[MONDAY].replaced_objects, reports[MONDAY].known_objects) == (2, 1, 0)
    assert (reports[TUESDAY].objects, reports[TUESDAY].known_objects) == (0, 1)


def test_an_object_in_the_ledger_is_not_read_again(world: World) -> None:
    """A second load makes no commit; it would not even see a content that neither size nor time gives away."""
    path = world.deliver(MONDAY, "a", event("u1"))
    modified = path.stat().st_mtime_ns
    world.load(MONDAY)
    world.deliver(MONDAY, "a", event("u2"))
    os.utime(path, ns=(modified, modified))
    report = world.load(MONDAY)[MONDAY]
    assert (report.objects, report.known_objects, report.bytes_read) == (0, 1, 0)
    assert (world.raw()["event_uuid"].to_list(), version(world)) == (["u1"], 1)


def test_objects_are_read_side_by_side_and_stay_in_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store takes longer to answer than it takes to parse what it sends: here it answers three at once or none."""
    for name in ("a", "b", "c"):
        world.deliver(MONDAY, name, event(f"u-{name}"))
    barrier, read = threading.Barrier(3), FolderLanding.read

    def slow(landing: FolderLanding, name: str) -> bytes:
        barrier.wait(timeout=60)
        return read(landing, name)

    monkeypatch.setattr(FolderLanding, "read", slow)
    world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == ["u-a", "u-b", "u-c"]


def test_a_changed_object_replaces_its_rows_in_one_commit(world: World) -> None:
    """And leaves those of its neighbours, which are in the same file of the table."""
    world.deliver(MONDAY, "a", event("u1"), event("u2"))
    world.deliver(MONDAY, "b", event("u3"))
    world.load(MONDAY)
    world.deliver(MONDAY, "a", event("u2"), event("u4"), event("u5"))
    world.load(MONDAY)
    raw = world.raw()
    assert [name[-1] for name in raw["source_object"]] == ["a", "a", "a", "b"]
    assert raw["event_uuid"].to_list() == ["u2", "u4", "u5", "u3"]
    assert raw["source_offset"].to_list() == [0, 1, 2, 0]
    assert version(world) == 2


def test_the_files_of_a_table_hold_what_the_log_says(world: World) -> None:
    """A replacement leaves no trace of what was replaced in the files that are in use."""
    world.deliver(MONDAY, "a", event("u1"))
    world.deliver(MONDAY, "b", event("u2"))
    world.load(MONDAY)
    for number in range(3):
        world.deliver(MONDAY, "a", event(f"v{number}"))
        world.load(MONDAY)
    snapshot = world.lake.raw_events.snapshot()
    assert sum(file.rows for file in snapshot.files()) == snapshot.scan().collect().height == 2


def test_only_the_days_asked_for_are_loaded(world: World) -> None:
    """A partition is an arrival date."""
    world.deliver(MONDAY, "a", event("u1"))
    world.deliver(TUESDAY, "a", event("u2"))
    world.load(TUESDAY)
    assert world.raw()["event_uuid"].to_list() == ["u2"]


def test_a_day_without_objects_is_loaded_too(world: World) -> None:
    """There is nothing to commit, and nothing wrong."""
    report = world.load(MONDAY)[MONDAY]
    assert (report.objects, report.records, report.created_dates) == (0, 0, set())
    assert world.raw().is_empty()


@pytest.mark.parametrize("fault", [Path.unlink, lambda path: (path.unlink(), path.mkdir())])
def test_an_object_that_cannot_be_read_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Path], object]
) -> None:
    """It is reported and stays due; new and changed objects are loaded in one commit, and this one later."""
    world.deliver(MONDAY, "a", event("u1"))
    world.load(MONDAY)
    world.deliver(MONDAY, "a", event("u2"))
    missing_name = world.deliver(MONDAY, "b", event("u3"))
    listed = list(world.landing.list_objects())
    with monkeypatch.context() as stale:
        stale.setattr("event_platform.landing.folder.FolderLanding.list_objects", lambda *_: iter(listed))
        fault(missing_name)
        with pytest.raises(LandingError, match=f"{missing_name}: .* this one stays due"):
            world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == ["u2"]
    assert version(world) == 2
    if missing_name.is_dir():
        missing_name.rmdir()
    world.deliver(MONDAY, "b", event("u3"))
    world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == ["u2", "u3"]


def test_a_changed_object_that_cannot_be_read_keeps_its_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it held before is not lost, and not told to be replaced."""
    world.deliver(MONDAY, "a", event("u1"))
    world.load(MONDAY)
    changed = world.deliver(MONDAY, "a", event("u1"), event("u2"))
    world.deliver(MONDAY, "b", event("u3"))
    listed = list(world.landing.list_objects())
    monkeypatch.setattr("event_platform.landing.folder.FolderLanding.list_objects", lambda *_: iter(listed))
    changed.unlink()
    with pytest.raises(LandingError, match=f"{changed}: No such file"):
        world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == ["u1", "u3"]


@pytest.mark.parametrize("error", [MemoryError(), ValueError("no such codec"), pl.exceptions.PanicException("index")])
@pytest.mark.parametrize("pieces_before", [0, 1])
def test_an_object_that_makes_the_program_fail_is_named_and_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, error: BaseException, pieces_before: int
) -> None:
    """It stays due as a whole, and is loaded when the program is mended; the others are loaded, in one commit."""
    for name in ("a", "b", "c"):
        world.deliver(MONDAY, name, event(f"{name}1"), event(f"{name}2"))

    def fail(name: str, file: BinaryIO, limits: Limits) -> Iterator[Piece]:
        for piece in pieces(name, file, limits):
            if name.endswith("/b"):
                yield from [piece] * pieces_before
                raise error
            yield piece

    world.limits = Limits(task_bytes=16)  # each piece is written as soon as it is read
    with monkeypatch.context() as patch:
        patch.setattr("event_platform.pipeline.loading.objects.pieces", fail)
        with pytest.raises(
            ObjectError, match=f"^2025/06/02/12/b: cannot be loaded: {type(error).__name__}: .* stays due"
        ):
            world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == ["a1", "a2", "c1", "c2"]
    assert version(world) == 1
    world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_an_object_that_kills_its_process_is_named_and_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are committed; it stays due."""
    names = ["a", "b", "c", "deadly", "e"]
    for name in names:
        world.deliver(MONDAY, name, event(name))
    monkeypatch.setattr("event_platform.pipeline.loading.step.load_objects", load_or_die)
    monkeypatch.setattr("event_platform.pipeline.loading.step.is_large", lambda *_: True)
    source = ObjectSource(world.landing, world.catalog.envelope, world.start_date)
    with local_pool(2) as pool:
        reports = load(PipelineContext(world.lake, pool), source, [MONDAY], 7)
    assert world.raw()["event_uuid"].to_list() == ["a", "b", "c", "e"]
    assert version(world) == 1
    with pytest.raises(WorkerError, match=r"worked on 2025/06/02/12/deadly was ended .* this one stays due"):
        raise_unreadable(reports.values())
    monkeypatch.undo()
    world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == names


@pytest.mark.parametrize("name", ["a.gz", "a", "a.parquet"])
def test_a_large_object_is_read_a_range_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The rows equal those of the whole object, numbered from beginning to end, for any number of pieces."""
    events = [event(f"u{number:03}", plan=hashlib.sha256(b"%d" % number).hexdigest()) for number in range(500)]
    path = world.deliver(MONDAY, name, *events)
    if name.endswith(".parquet"):
        pl.DataFrame(events).write_parquet(path)
    ranges: list[int] = []
    read = FolderLanding.read_range

    def note_range(landing: FolderLanding, name: str, start: int, size: int) -> bytes:
        ranges.append(start)
        return read(landing, name, start, size)

    monkeypatch.setattr(FolderLanding, "read_range", note_range)
    world.sizing = Sizing(large_object_bytes=1_000, range_bytes=1_024)
    monkeypatch.setattr("event_platform.landing.objects._BITE", 500)
    world.limits = Limits(task_bytes=16 * 5_000 if not name.endswith(".parquet") else 16 * 50_000)
    assert world.load(MONDAY)[MONDAY].records == 500
    raw = world.raw()
    assert raw["event_uuid"].to_list() == [each["event_uuid"] for each in events]
    assert raw["source_offset"].to_list() == list(range(500))
    assert len(ranges) == len(set(ranges)) > 3  # each once


def test_an_object_has_no_more_records_than_its_bytes_allow(world: World) -> None:
    """However short they are: each would be a row. What is read is kept, and the last row says that the rest is not."""
    world.deliver(MONDAY, "a").write_text("{}\n" * 200_000, encoding="utf-8")
    world.limits = Limits(object_bytes=64 * 10_000, task_bytes=16 * 3_000)
    loaded = world.load(MONDAY)[MONDAY]
    assert loaded.reasons["unreadable_object"] == 1
    assert 10_000 <= loaded.records < 50_000
    last = world.raw().sort("source_offset").tail(1).to_dicts()[0]
    assert last["body"].startswith("it has more than 10,000 records, the most that an object may have")
    assert world.load(MONDAY)[MONDAY].objects == 0  # it is in the ledger


@pytest.mark.parametrize(
    ("size", "name", "large"),
    [(100_000, "a", False), (1_000_000, "a.gz", False), (20 * MIB, "a", True), (4 * MIB, "a.zst", True)],
)
def test_a_task_tells_whether_it_is_too_much_for_the_driver(size: int, name: str, large: bool) -> None:
    """By the bytes of its objects; packed ones are more than they seem."""
    assert is_large([LandedObject(name, size, "etag", MONDAY)], Sizing()) is large


def test_records_that_are_late_have_files_of_their_own(world: World) -> None:
    """So that a created_date is in few files, by their statistics, and the others are not read for it."""
    world.deliver(
        TUESDAY, "a", *(event(f"u{number}", TUESDAY) for number in range(5)), event("late", MONDAY.replace(day=1))
    )
    world.load(TUESDAY)
    bounds = {
        (file.minimum["created_date"], file.maximum["created_date"])
        for file in world.lake.raw_events.snapshot().files()
    }
    assert bounds == {(TUESDAY, TUESDAY), (MONDAY.replace(day=1), MONDAY.replace(day=1))}


@pytest.mark.parametrize(
    ("number", "size", "name", "expected"),
    [
        (4_500, 10, "a.gz", 3),
        (30, 5 * MIB, "a.gz", 15),
        (30, 5 * MIB, "a", 4),
        (3, 100 * MIB, "a.gz", 3),
        (0, 0, "", 0),
    ],
)
def test_memory_is_bounded_by_tasks(number: int, size: int, name: str, expected: int) -> None:
    """By the objects and the bytes that one takes, in the order of names; an object is never cut."""
    objects = [LandedObject(f"{index:05d}/{name}", size, "etag", MONDAY) for index in range(number)]
    tasks = batches(reversed(objects), Sizing())
    assert [landed for task in tasks for landed in task] == objects
    assert len(tasks) == expected
