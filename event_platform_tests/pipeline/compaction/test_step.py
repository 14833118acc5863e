"""Small files of a day become large ones: which of them, how often, and in which order their rows are then."""

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from event_platform.compute.pool import local_pool
from event_platform.lake.files import DataFile
from event_platform.lake.table_commit import TableCommit
from event_platform.pipeline.compaction.step import compact
from event_platform.pipeline.compaction.tasks import groups_to_compact
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.sizing import Sizing
from event_platform_tests.support.world import MONDAY, World, event, noon, rows

MB = 1 << 20
SIZING = Sizing()

#: Three files become one, however young they are.
YOUNG_FILES = Sizing(files_per_compaction=3, compaction_age=timedelta())


def file(number: int, size: int, rows: int = 100_000, modified: int = 0) -> DataFile:
    """Return what the log knows of a file of some size."""
    return DataFile(f"f{number}", f"f{number}", MONDAY, rows, size, modified, {"source_object": f"{number:09}"}, {}, {})


@pytest.mark.parametrize(
    ("sizes", "group_sizes"),
    [
        pytest.param([MB // 2] * 15, [], id="few small ones wait"),
        pytest.param([MB // 2] * 16, [16], id="sixteen small ones are one"),
        pytest.param([9 * MB] * 7, [], id="few that are not full together wait"),
        pytest.param([9 * MB] * 9, [8], id="those that are full together are one"),
        pytest.param([9 * MB] * 25, [8, 8, 8], id="and all of them that are there"),
        pytest.param([40 * MB] * 3, [2], id="two halves are one"),
        pytest.param([60 * MB] * 9, [], id="what is large stays"),
        pytest.param([MB // 2] * 16 + [9 * MB] * 8, [16, 8], id="each with its like"),
    ],
)
def test_files_are_compacted_where_they_are_many_or_fill_one(sizes: list[int], group_sizes: list[int]) -> None:
    """None is ever in two groups, and the first to arrive are the first in a file."""
    groups = groups_to_compact([file(number, size) for number, size in reversed(list(enumerate(sizes)))], SIZING)
    assert [len(group) for group in groups] == group_sizes
    taken = [each.uri for group in groups for each in group]
    assert len(set(taken)) == len(taken)
    assert all(group == sorted(group, key=lambda each: each.minimum["source_object"]) for group in groups)


def test_a_task_holds_no_more_rows_than_it_can() -> None:
    """However few bytes they take."""
    files = [file(number, MB // 2, rows=SIZING.rows_per_compaction // 4) for number in range(40)]
    assert groups_to_compact(files, SIZING) == []
    files = [file(n, 30 * MB, SIZING.rows_per_compaction) for n in range(4)]
    assert groups_to_compact(files, SIZING) == []


def test_files_of_the_last_hour_stay_as_they_are() -> None:
    """Somebody may not have read them yet."""
    now = int(datetime.now(UTC).timestamp() * 1_000)
    assert groups_to_compact([file(number, 9 * MB, modified=now) for number in range(20)], SIZING) == []


def test_increments_of_all_sizes_leave_a_bounded_number_of_files() -> None:
    """A day of increments by the minute, each of a few files, and every row is written anew a few times at the most."""
    files: list[DataFile] = []
    written_bytes = 0
    for number in range(1_440):
        for group in groups_to_compact(files, SIZING):
            files = [each for each in files if each not in group]
            files.append(file(number, sum(each.size for each in group), sum(each.rows for each in group)))
            written_bytes += files[-1].size
        files += [file(number, 700_000, 9_000), file(number, 50_000, 600)]
    landed = 1_440 * 750_000
    assert sum(each.size for each in files) == landed
    assert len(files) <= landed / (48 * MB) + 3 * SIZING.files_per_compaction
    assert written_bytes <= 3 * landed


def test_rows_of_compacted_files_are_in_the_order_of_time(world: World) -> None:
    """In an event table, so that the row groups of a large file are each of a part of the day."""
    world.sizing = YOUNG_FILES
    world.deliver(MONDAY, "a", *(event(f"m{number}") for number in range(30)))
    world.build(MONDAY)
    for number in range(4):
        late = {"created_at": noon(MONDAY) - 60 * number}
        world.deliver(MONDAY, f"b{number}", {**event(f"n{number}"), **late}, event(f"o{number}"))
        world.build(MONDAY)
    table = world.event_table("account_created")
    files = table.snapshot().files([MONDAY])
    assert len(files) <= 3
    largest = max(files, key=lambda each: each.rows)
    times = pq.read_table(largest.uri)["created_datetime"].to_pylist()
    assert len(times) > 30
    assert times == sorted(times)


def test_rows_of_a_day_that_is_built_at_once_are_in_the_order_of_time(world: World) -> None:
    """Whatever the order in which their objects are named, and they are in them."""
    for name, minutes in (("a", (9, 3)), ("b", (1, 8)), ("c", (2, 5))):
        records = ({**event(f"{name}{minute}"), "created_at": noon(MONDAY) + 60 * minute} for minute in minutes)
        world.deliver(MONDAY, name, *records)
    world.build(MONDAY)
    (only,) = world.event_table("account_created").snapshot().files([MONDAY])
    times = pq.read_table(only.uri)["created_datetime"].to_pylist()
    assert times == sorted(times)


def test_files_are_compacted_in_other_processes(world: World) -> None:
    """Those of several tables at once: what a task returns has to be sent from one process to another."""
    world.deliver(MONDAY, "a", *(event(f"m{number}", plan="free") for number in range(9)))
    world.build(MONDAY)
    for number in range(3):
        world.deliver(MONDAY, f"b{number}", event(f"n{number}"))
        world.build(MONDAY)
    tables = [world.lake.raw_events, world.lake.deduplicated_events, world.event_table("account_created")]
    old_rows = [rows(table, "event_uuid") for table in tables]
    snapshots = {table.name: table.snapshot_to_write() for table in tables}
    with local_pool(2) as pool:
        context = PipelineContext(world.lake, pool, sizing=YOUNG_FILES)
        actions = compact(context, {name: (each, [MONDAY]) for name, each in snapshots.items()})
    for name, snapshot in snapshots.items():
        TableCommit(snapshot).append([MONDAY], actions[name], {MONDAY: snapshot.version + 1}).commit()
    assert [len(table.snapshot().files([MONDAY])) for table in tables] == [1, 1, 1]
    assert all(rows(table, "event_uuid").equals(old) for table, old in zip(tables, old_rows, strict=True))
