"""Keys of files: they lead to the same results as the rows, whichever files have them."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from event_platform.checks import uniqueness
from event_platform.events.figures import HASHES, KEY_BITS
from event_platform.lake import file_keys
from event_platform.lake.file_keys import shared_with, use_keys
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.location import TableLocation
from event_platform.lake.table_commit import TableCommit
from event_platform.pipeline.deduplication import candidates
from event_platform_tests.pipeline.compaction.test_step import YOUNG_FILES
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, World, copy_of, event, rows

DAYS = (MONDAY, TUESDAY)

RECORDS = st.lists(
    st.builds(
        lambda number, day, plan: event(f"u{number}", day, plan=plan),
        st.integers(0, 12),
        st.sampled_from(DAYS),
        st.sampled_from(["free", "pro"]),
    )
    | st.just("{broken")
    | st.just({"event_uuid": "u1", "event_name": "no time"}),
    max_size=8,
)

#: How another release hashes uuids.
OTHER_KEY = pl.col("event_uuid").hash(7) % (1 << KEY_BITS)

#: An object: the day that it arrives on, its records, and whether the release that loads it writes the same hashes.
OBJECTS = st.lists(st.tuples(st.sampled_from(DAYS), RECORDS, st.booleans()), min_size=2, max_size=4)


@pytest.fixture(scope="module")
def loaded_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with three events on Monday and one on Tuesday, one of them twice, and a corrupt record with a uuid."""
    world = World(tmp_path_factory.mktemp("loaded"))
    world.deliver(MONDAY, "a", event("u1"), event("u2"), event("u1"), {"event_uuid": "u7"}, "{broken")
    world.deliver(TUESDAY, "b", event("u3", MONDAY), event("u4", TUESDAY))
    world.load(*DAYS)
    world.deduplicate(*DAYS)
    return world


@pytest.fixture
def loaded(loaded_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(loaded_once, tmp_path)


def keys_of(table: TableLocation, files: Sequence[DataFile]) -> dict[str, list[int]]:
    """Return the keys of each file by its path."""
    return use_keys(table, files, pl.Series.to_list)


def expected_keys(table: TableLocation, file: DataFile) -> list[int]:
    """Return the keys that a file should have, by its rows."""
    assert table.spec.keyed is not None
    stored = scan_files(table, [file]).filter(table.spec.keyed).collect()
    return sorted(value % (1 << KEY_BITS) for value in stored["event_uuid"].hash())


def increments(world: World, objects: list[tuple[date, list[Any], bool]]) -> World:
    """Load and deduplicate one object after the other. The keys of some are of another release."""
    for number, (day, records, known) in enumerate(objects):
        world.deliver(day, f"o{number}", *records)
        with pytest.MonkeyPatch.context() as patch:
            if not known:
                patch.setattr(file_keys, "HASHES", "another release")
                patch.setattr(file_keys, "UUID_KEY", OTHER_KEY)
                patch.setattr(candidates, "_KEY", OTHER_KEY)
            world.load(*DAYS)
            world.deduplicate(*DAYS)
    return world


def verdicts(world: World) -> tuple[dict[str, list[str]], dict[date, Any]]:
    """Return the rows of all tables, and what the check of uniqueness says."""
    uniqueness._COUNTS.clear()
    results = dict(uniqueness.check_dates(world.lake.deduplicated_events.snapshot(), DAYS))
    return contents(world.lake, world.catalog, without=("source_etag",)), results


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(objects=OBJECTS)
def test_verdicts_are_the_same_whatever_files_have_keys(
    tmp_path_factory: pytest.TempPathFactory, objects: list[tuple[date, list[Any], bool]]
) -> None:
    """Some of them in increments, and none at once; also those of compacted files."""
    with pytest.MonkeyPatch.context() as patch:
        without = World(tmp_path_factory.mktemp("without"))
        for number, (day, records, _) in enumerate(objects):
            without.deliver(day, f"o{number}", *records)
        patch.setattr(file_keys, "_read_keys", lambda *_: None)
        without.load(*DAYS)
        without.deduplicate(*DAYS)
        expected = verdicts(without)
    world = World(tmp_path_factory.mktemp("world"), sizing=YOUNG_FILES)
    assert verdicts(increments(world, objects)) == expected


def test_keys_are_those_of_the_rows(loaded: World) -> None:
    """Of sound records, as often as they are there."""
    for table in (loaded.lake.raw_events, loaded.lake.deduplicated_events):
        files = table.snapshot().files()
        assert keys_of(table, files) == {file.path: expected_keys(table, file) for file in files}
    assert sorted(map(len, keys_of(loaded.lake.raw_events, loaded.lake.raw_events.snapshot().files()).values())) == [
        2,
        3,
    ]


def test_tables_without_uuids_to_compare_have_none(loaded: World) -> None:
    """Nor are their files read for them."""
    table = loaded.lake.duplicate_events
    (file,) = table.snapshot().files()
    assert "event_platform.keys" not in pl.read_parquet_metadata(file.uri)
    assert keys_of(table, [file]) == {}


def test_other_readers_pass_over_keys(loaded: World) -> None:
    """Polars, DuckDB, pyarrow and delta-rs."""
    table = loaded.lake.raw_events
    expected = rows(table, "arrival_date", "source_object", "source_offset")["body"].to_list()
    stored = DeltaTable(table.uri)
    files = stored.file_uris()
    order = ["arrival_date", "source_object", "source_offset"]
    assert pl.scan_delta(table.uri).sort(order).collect()["body"].to_list() == expected
    assert pl.DataFrame(stored.to_pyarrow_table()).sort(order)["body"].to_list() == expected
    query = "select body from read_parquet($files) order by arrival_date, source_object, source_offset"
    assert [body for (body,) in duckdb.sql(query, params={"files": files}).fetchall()] == expected
    assert sum(pq.ParquetFile(file).scan_contents() for file in files) == len(expected)


def test_no_row_of_files_with_keys_is_read(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An increment without shared uuids reads only its own rows, and so does the check."""
    before = {file.path for file in loaded.lake.raw_events.snapshot().files()}
    scanned = set[str]()

    def note(table: TableLocation, files: Sequence[DataFile], *arguments: Any) -> pl.LazyFrame:
        scanned.update(file.path for file in files)
        return scan_files(table, files, *arguments)

    monkeypatch.setattr(candidates, "scan_files", note)
    monkeypatch.setattr(uniqueness, "_count", None)
    loaded.deliver(MONDAY, "c", event("u5"), event("u6"))
    loaded.load(MONDAY)
    loaded.deduplicate(MONDAY)
    assert scanned == {file.path for file in loaded.lake.raw_events.snapshot().files()} - before
    ((_, result),) = uniqueness.check_dates(loaded.lake.deduplicated_events.snapshot(), [MONDAY])
    assert result.passed
    assert result.metadata == {"rows": 5, "distinct_event_uuid": 5}


def test_a_uuid_that_is_twice_in_a_day_is_counted(loaded: World) -> None:
    """In one file or in two; the same uuid on another day is another row."""
    table = loaded.lake.deduplicated_events
    one = table.snapshot().scan([MONDAY]).collect().head(1)
    add = write_file(one.with_columns(created_date=pl.lit(TUESDAY)), table, TUESDAY)
    TableCommit(table.snapshot_to_write()).append([TUESDAY], [add], {TUESDAY: 99}).commit()
    assert [result.passed for _, result in uniqueness.check_dates(table.snapshot(), DAYS)] == [True, True]
    TableCommit(table.snapshot_to_write()).append([MONDAY], [write_file(one, table, MONDAY)], {MONDAY: 99}).commit()
    (_, monday), (_, tuesday) = uniqueness.check_dates(table.snapshot(), DAYS)
    assert not monday.passed
    assert monday.metadata == {"rows": 4, "distinct_event_uuid": 3}
    assert tuesday.metadata == {"rows": 2, "distinct_event_uuid": 2}


def test_a_row_without_uuid_is_seen(loaded: World) -> None:
    """It has no key, so there are fewer keys than rows."""
    table = loaded.lake.deduplicated_events
    lacking = table.snapshot().scan([MONDAY]).collect().head(1).with_columns(event_uuid=pl.lit(None, pl.String))
    TableCommit(table.snapshot_to_write()).append([MONDAY], [write_file(lacking, table, MONDAY)], {MONDAY: 99}).commit()
    ((_, result),) = uniqueness.check_dates(table.snapshot(), [MONDAY])
    assert not result.passed


def test_uuids_with_equal_keys_are_told_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts and counts go by the uuids."""
    same = pl.col("event_uuid").str.len_bytes().cast(pl.UInt64)
    monkeypatch.setattr(file_keys, "UUID_KEY", same)
    monkeypatch.setattr(candidates, "_KEY", same)
    for number in range(3):
        world.deliver(MONDAY, f"o{number}", event(f"u{number}"), event(f"v{number}"), event("u0"))
        world.load(MONDAY)
        world.deduplicate(MONDAY)
    assert sorted(world.lake.deduplicated_events.snapshot().scan().collect()["event_uuid"]) == [
        f"{letter}{number}" for letter in "uv" for number in range(3)
    ]
    assert world.lake.duplicate_events.snapshot().rows_by_date() == {MONDAY: 3}
    ((_, result),) = uniqueness.check_dates(world.lake.deduplicated_events.snapshot(), [MONDAY])
    assert result.metadata == {"rows": 6, "distinct_event_uuid": 6}


def other_file(file: DataFile, path: Path) -> DataFile:
    """Return a file of Monday that the log says to have as many rows."""
    return DataFile(
        str(path), f"created_date={MONDAY}/{path.name}", MONDAY, file.rows, path.stat().st_size, 0, {}, {}, {}
    )


def test_the_keys_of_another_file_are_not_believed(loaded: World) -> None:
    """Whoever rewrites a file may copy its footer; there are other bytes before it."""
    table = loaded.lake.deduplicated_events
    (file, *_) = table.snapshot().files([MONDAY])
    stored, data = pq.read_table(file.uri, partitioning=None), Path(file.uri).read_bytes()
    assert b"event_platform.keys" in stored.schema.metadata
    copy = Path(file.uri).with_name("copy.parquet")
    pq.write_table(stored, copy)
    assert keys_of(table, [other_file(file, copy)]) == {}
    copy.write_bytes(data)
    assert keys_of(table, [other_file(file, copy)]) == {}
    assert list(keys_of(table, [file])) == [file.path]
    Path(file.uri).unlink()
    pq.write_table(stored, file.uri)  # by the same name, without the keys
    assert keys_of(table, [other_file(file, Path(file.uri))]) == {}


def test_the_keys_of_another_release_are_not_believed(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hash the same uuid to another key."""
    table = loaded.lake.raw_events
    monkeypatch.setattr(file_keys, "HASHES", "another release")
    assert keys_of(table, table.snapshot().files()) == {}


@pytest.mark.parametrize(
    "says",
    [
        "",
        "7",
        '{"file": "x.parquet", "size": 1}',
        *(json.dumps({"file": "x.parquet", "size": size, "hashes": HASHES}) for size in (-1, 0, 1, 99, 1 << 20, "1")),
    ],
)
def test_what_does_not_say_where_keys_are_has_none(says: str, loaded: World) -> None:
    """Whatever another program wrote under the same name."""
    table = loaded.lake.deduplicated_events
    (file, *_) = table.snapshot().files([MONDAY])
    stored, path = pq.read_table(file.uri, partitioning=None), Path(file.uri).with_name("x.parquet")
    pq.write_table(stored.replace_schema_metadata({"event_platform.keys": says}), path)
    assert keys_of(table, [other_file(file, path)]) == {}


def test_a_long_footer_is_read_whole(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the keys before it."""
    monkeypatch.setattr("event_platform.lake.footers._SHORT", 16)
    table = loaded.lake.raw_events
    files = table.snapshot().files()
    assert keys_of(table, files) == {file.path: expected_keys(table, file) for file in files}


@pytest.mark.parametrize(
    ("some", "others", "expected"),
    [([], [1], []), ([1], [], []), ([1, 3, 9], [0, 3, 9], [3, 9]), ([5], [1, 2], []), ([1, 2, 7], [7], [7])],
)
def test_keys_of_both(some: list[int], others: list[int], expected: list[int]) -> None:
    """Whichever are fewer."""
    series = [pl.Series(values, dtype=pl.UInt64) for values in (some, others)]
    assert shared_with(*series).to_list() == expected
    assert shared_with(*series[::-1]).to_list() == expected
