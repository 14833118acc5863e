"""The proof that does not trust the logs finds what they do not tell."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from event_platform.lake.snapshot import Snapshot
from event_platform.lake.specs import spec_of_schema
from event_platform.lake.tables import Table
from event_platform.lake.verification import Verification, verify
from event_platform_tests.support.world import MONDAY, TUESDAY, World, copy_of, event


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days with rows in every table."""
    world = World(tmp_path_factory.mktemp("built"))
    for day in (MONDAY, TUESDAY):
        accounts = [event(f"{day}{number}", day) for number in range(3)]
        world.deliver(day, "a", *accounts, accounts[0], event(f"x{day}", day, name="beta:new"), "{broken")
    world.build(MONDAY, TUESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def found(world: World) -> Verification:
    """Verify every table of the world's catalog."""
    return verify(world.lake, world.lake.tables(world.catalog.event_types))


def test_a_lake_as_the_platform_left_it_has_no_fault(built: World) -> None:
    """Every file was looked for, and every row counted."""
    verification = found(built)
    assert verification.faults == []
    assert verification.tables == len(built.lake.tables(built.catalog.event_types))
    assert verification.files == sum(1 for _ in (built.root / "lake").rglob("*=*/*.parquet"))
    assert {day: rows.rows for day, rows in verification.rows["raw_events"].items()} == {MONDAY: 6, TUESDAY: 6}


def test_rows_of_a_type_that_is_no_longer_in_the_catalog_are_counted(built: World) -> None:
    """In its table, which is found by its folder."""
    tables = built.lake.every_table([each for each in built.catalog.event_types if each.key != "account_created"])
    assert verify(built.lake, tables).faults == []
    (file,) = built.event_table("account_created").snapshot().files([MONDAY])
    Path(file.uri).unlink()
    assert [(fault.table, fault.day) for fault in verify(built.lake, tables).faults] == [
        (
            "events/account_created",
            MONDAY,
        )
    ]


def test_a_table_of_people_is_verified_and_may_be_written_by_anything(built: World) -> None:
    """Its rows are counted where it has days, and no commit in it is a fault."""
    uri = f"{built.root}/lake/marts/accounts"
    learners = pl.DataFrame({"day": [MONDAY, MONDAY, TUESDAY], "learner": ["a", "b", "a"]})
    write_deltalake(uri, learners, partition_by=["day"])
    verification = verify(built.lake, built.lake.every_table(built.catalog.event_types))
    assert verification.faults == []
    assert {day: rows.rows for day, rows in verification.rows["marts/accounts"].items()} == {MONDAY: 2, TUESDAY: 1}


def build_more(world: World) -> None:
    """Let a run load and build what has landed since: of each day, records for every table."""
    for day in (MONDAY, TUESDAY):
        more = [event(f"{day}new", day), event(f"{day}new", day), event(f"y{day}", day, name="beta:new")]
        world.deliver(day, f"b{len(list(world.root.rglob('landing/**/b*')))}", *more, "{broken")
    world.build(MONDAY, TUESDAY)


def test_what_a_run_does_meanwhile_is_no_fault(built: World) -> None:
    """Files are counted for minutes, while others go on: all tables are those of one moment."""
    runs = iter([1])

    def run_once(*_: object) -> None:
        if next(runs, None):
            build_more(built)

    verification = verify(built.lake, built.lake.tables(built.catalog.event_types), progress=run_once)
    assert (verification.faults, verification.unbuilt) == ([], [])
    assert verification.rows["raw_events"][MONDAY].rows == 6
    assert found(built).faults == []


@pytest.mark.parametrize(
    "name",
    [
        "raw_events",
        "corrupt_events",
        "deduplicated_events",
        "duplicate_events",
        "unregistered_events",
        "events/account_created",
    ],
)
def test_tables_between_which_a_run_commits_are_not_compared(
    built: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says of which days, and looks for their files all the same."""
    runs, opening = iter([1]), Table.snapshot
    monkeypatch.setattr(
        "event_platform.lake.verification.map_threads", lambda open_table, tables, _: [*map(open_table, tables)]
    )

    def snapshot(table: Table) -> Snapshot:
        if table.name == name and next(runs, None):
            build_more(built)
        return opening(table)

    monkeypatch.setattr(Table, "snapshot", snapshot)
    verification = found(built)
    assert verification.faults == []
    assert verification.unbuilt == ([] if name == "corrupt_events" else [MONDAY, TUESDAY])


def rewrite(table: Table, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Put other rows into the file of Monday: whoever does that leaves nothing in the log."""
    (file,) = table.snapshot().files([MONDAY])
    change(pl.read_parquet(file.uri, hive_partitioning=False)).write_parquet(file.uri)
    resize(table, Path(file.uri).stat().st_size)


def resize(table: Table, size: int) -> None:
    """Have the log say that the file of Monday has so many bytes."""
    (file,) = table.snapshot().files([MONDAY])
    for log in Path(table.uri, "_delta_log").glob("*.json"):
        lines = log.read_text(encoding="utf-8").splitlines()
        changed = [
            line.replace(f'"size":{file.size}', f'"size":{size}') if file.path in line else line for line in lines
        ]
        log.write_text("\n".join(changed), encoding="utf-8")


@pytest.mark.parametrize(
    ("alter", "reasons"),
    [
        pytest.param(lambda table: Path(table.snapshot().files()[0].uri).unlink(), ["is missing"], id="no file"),
        pytest.param(
            lambda table: DeltaTable(table.uri).delete("event_uuid = '2025-06-020'"), None, id="a row deleted"
        ),
        pytest.param(
            lambda table: rewrite(table, lambda rows: rows.head(2)),
            ["2 rows in its files, 3 in its log", "4 deduplicated, 3 rows in event tables"],
            id="a row less than the log says",
        ),
        pytest.param(
            lambda table: rewrite(table, lambda rows: pl.concat([rows.head(2), rows.head(1)])),
            ["1 of 3 rows have the key of another one", "with other event_uuids"],
            id="a row twice, and another one gone",
        ),
        pytest.param(
            lambda table: rewrite(table, lambda rows: rows.with_columns(event_uuid=pl.col("event_uuid") + "x")),
            ["4 deduplicated and rows in event tables and unregistered_events, with other event_uuids"],
            id="all uuids changed",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_day(
    built: World, alter: Callable[[Table], object], reasons: list[str] | None
) -> None:
    """And the other day is without fault."""
    alter(built.event_table("account_created"))
    verification = found(built)
    assert verification.faulty_dates == [MONDAY]
    told = [fault.reason for fault in verification.faults]
    for reason in reasons or ["was not committed by the platform", "4 deduplicated, 3 rows in event tables"]:
        assert any(reason in each for each in told), told


def test_what_the_platform_builds_again_is_without_fault(built: World) -> None:
    """Whatever was found before."""
    DeltaTable(built.event_table("account_created").uri).delete(f"created_date = '{MONDAY}'")
    assert found(built).faulty_dates == [MONDAY]
    built.build(MONDAY)
    assert found(built).faults == []


def test_records_that_raw_events_lost_are_told_by_arrival_date(built: World) -> None:
    """Nothing downstream knows of them."""
    DeltaTable(built.lake.raw_events.uri).delete("arrival_date = '2025-06-02' and source_offset = 2")
    told = [fault.reason for fault in found(built).faults if fault.table == "raw_events"]
    assert any("records lost or repeated in 1 object" in each for each in told)


def test_a_table_without_partitions_is_looked_at(built: World) -> None:
    """It has files as well."""
    table = Table(spec_of_schema("mart", pl.Schema({"n": pl.Int64}), None), built.lake.storage)
    write_deltalake(table.uri, pl.DataFrame({"n": [1]}))
    tables = [*built.lake.tables(built.catalog.event_types), table]
    assert verify(built.lake, tables).faults == []
    (file,) = Path(table.uri).glob("*.parquet")
    file.unlink()
    (fault,) = verify(built.lake, tables).faults
    assert (fault.table, fault.day, "is missing" in fault.reason) == ("mart", None, True)
