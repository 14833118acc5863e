"""How the work is cut into tasks bounds memory, and changes nothing else."""

from datetime import date

import polars as pl
import pytest

from event_platform.lake.file_writer import FileWriter
from event_platform.lake.files import DataFile
from event_platform.lake.lake import Lake
from event_platform.pipeline.deduplication import candidates as duplicates
from event_platform.pipeline.deduplication import step as deduplicated_step
from event_platform.pipeline.deduplication.tasks import Split, split_files
from event_platform.pipeline.sizing import Sizing
from event_platform.pipeline.typing import tasks as typed
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

FILES = {"f": MONDAY, "g": MONDAY, "h": TUESDAY}


def deliver(world: World) -> None:
    """Land two days of a few types, with duplicates between objects and days."""
    for day in (MONDAY, TUESDAY):
        for name in ("a", "b.gz", "c"):
            events = [event(f"{day}{name}{number}", day, plan="free") for number in range(12)]
            lessons = [event(f"l{number}", day, "lesson:started", user="usr_1", level=number) for number in range(9)]
            world.deliver(day, name, *events, *lessons, event("x", day, "beta:clicked"), "{broken")


def test_however_small_the_tasks_are_the_tables_are_the_same(world: World) -> None:
    """A task for each object, a file or two, a handful of rows, and uuids in buckets that never meet."""
    deliver(world)
    world.build(MONDAY, TUESDAY)
    small = World(
        world.root / "small",
        sizing=Sizing(
            objects_per_batch=1,
            rows_per_split_batch=5,
            rows_per_search=10,
            rows_per_spread=30,
            events_per_type_task=4,
            events_per_file=10,
            events_per_type_batch=3,
        ),
    )
    deliver(small)
    small.build(MONDAY, TUESDAY)
    files = [len(each.lake.raw_events.snapshot().files()) for each in (world, small)]
    assert files == [2, 6]
    without = ("source_etag",)
    expected = contents(world.lake, world.catalog, without=without)
    assert contents(small.lake, small.catalog, without=without) == expected


def test_a_search_in_parts_finds_what_one_search_does(world: World) -> None:
    """If there are too many uuids for one task, each part finds its own, and no temporary files remain."""
    deliver(world)
    world.sizing = Sizing(objects_per_batch=1)
    world.load(MONDAY, TUESDAY)
    files, lake, days = world.lake.raw_events.snapshot().files(), world.lake, [MONDAY]
    files_of_dates, other_files = files[:3], files[3:]
    whole = duplicates.shared_keys(lake, days, files_of_dates, other_files)
    numbered = dict(enumerate(files))
    with lake.storage.scratch() as folder:
        addresses = [
            duplicates.spread_keys(lake, f"{folder}/{number}", days, {number: file}, 4)
            for number, file in numbered.items()
        ]
        parts = [duplicates.shared_keys_in_range(lake, addresses, part, 4) for part in range(4)]
    shared_in_parts = duplicates.shared_of(parts, numbered, other_files)
    assert len(whole.keys) > 1
    assert sorted(shared_in_parts.keys_in(files)) == sorted(whole.keys)
    assert {file.path for file in shared_in_parts.other_files} <= {file.path for file in whole.other_files}
    assert sum(len(part) for part in parts) == sum(len(shared_in_parts.keys_in([file])) for file in files)
    assert lake.storage.folders("_scratch") == []


def test_a_task_is_sent_the_duplicates_of_its_own_objects(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is sent once: a day of any size makes no task larger."""
    deliver(world)
    duplicates_sent: list[pl.DataFrame] = []

    def note_duplicates(
        lake: Lake, sizing: Sizing, files: list[DataFile], dates: list[date], duplicates: pl.DataFrame
    ) -> Split:
        duplicates_sent.append(duplicates)
        return split_files(lake, sizing, files, dates, duplicates)

    world.sizing = Sizing(objects_per_batch=1, rows_per_split_batch=5)
    monkeypatch.setattr(deduplicated_step, "split_files", note_duplicates)
    world.load(MONDAY, TUESDAY)
    reports = world.deduplicate(MONDAY, TUESDAY)
    assert max(each["source_object"].n_unique() for each in duplicates_sent) == 1
    assert sum(each.height for each in duplicates_sent) == sum(report.kinds.total() for report in reports.values())


@pytest.mark.parametrize(("names", "tasks"), [(10, 1), (100, 10), (2_000, 100), (20_000, 1_000)])
def test_tasks_of_typing_are_larger_where_there_are_enough_of_them(names: int, tasks: int) -> None:
    """Of names with 10,000 events each, a task takes ten, or twenty where there are twenty such tasks."""
    file = DataFile("f", "f", MONDAY, 0, 0, 0, {"source_object": "a"}, {}, {})
    counts = pl.DataFrame({"event_name": [f"n{n:05}" for n in range(names)], "rows": 10_000, "uri": "f"})
    units = typed.plan([file], counts, set(counts["event_name"]), Sizing())
    assert len(units) == tasks
    assert sum(unit.rows for unit in units) == names * 10_000


def test_a_plan_looks_at_each_name_once() -> None:
    """However many names a task has: what it holds is not summed again for each."""
    summed = 0

    class Total(int):
        def __add__(self, other: int) -> "Total":
            nonlocal summed
            summed += 1
            return Total(int(self) + int(other))

        __radd__ = __add__

    assert list(typed._numbers(map(Total, [1] * 1_000), 10_000)) == [0] * 1_000
    assert summed <= 2 * 1_000
    assert list(typed._numbers([4, 4, 4, 30, 1, 10], 10)) == [0, 0, 1, 2, 3, 4]


def test_a_plan_of_several_days_and_files_has_every_event_once() -> None:
    """A large name is in a unit of its own for each of its files, and a unit has the files of its names."""
    sizing = Sizing(events_per_type_task=20, events_per_file=20)
    files = [DataFile(uri, uri, day, 0, 0, 0, {"source_object": uri}, {}, {}) for uri, day in FILES.items()]
    rows = [("a", "f", 3), ("a", "g", 3), ("b", "g", 2), ("c", "f", 15), ("c", "g", 15), ("d", "f", 9), ("a", "h", 1)]
    counts = pl.DataFrame([*rows, ("other", "f", 99)], schema=["event_name", "uri", "rows"], orient="row")
    units = typed.plan(files, counts, {"a", "b", "c", "d"}, sizing)
    plan = [(unit.created_date, sorted(unit.names), [(file.uri, file.rows) for file in unit.files]) for unit in units]
    assert plan == [
        (MONDAY, ["a", "b"], [("f", 3), ("g", 5)]),
        (MONDAY, ["c"], [("f", 15)]),
        (MONDAY, ["c"], [("g", 15)]),
        (MONDAY, ["d"], [("f", 9)]),
        (TUESDAY, ["a"], [("h", 1)]),
    ]


def test_any_number_of_unregistered_names_is_one_file_that_is_written_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a piece for each: in the order of names and time."""
    heights: list[int] = []
    write = FileWriter.write

    def note_height(file: FileWriter, frame: pl.DataFrame) -> None:
        heights.append(frame.height)
        write(file, frame)

    world.deliver(MONDAY, "a", *(event(f"u{number}", name=f"user:{number % 300}") for number in range(600)))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    monkeypatch.setattr(FileWriter, "write", note_height)
    world.type(MONDAY)
    assert heights.count(600) == len(heights) == 1
    names = world.lake.unregistered_events.snapshot().scan([MONDAY]).select("event_name").collect().to_series()
    assert names.is_sorted()
