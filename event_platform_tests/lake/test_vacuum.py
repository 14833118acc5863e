"""What is vacuumed is nobody's any more, and what is left is as it was."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from click.testing import CliRunner

from event_platform.cli.main import main
from event_platform.events.errors import SettingError
from event_platform.lake.file_writer import write_file
from event_platform.lake.specs import spec_of_schema
from event_platform.lake.table_commit import TableCommit
from event_platform.lake.tables import Table
from event_platform.lake.totals import lake_totals
from event_platform.lake.vacuum import require_sound_clock, vacuum
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.opening import open_lake
from event_platform_tests.doctor.answering import answering
from event_platform_tests.support.command import use
from event_platform_tests.support.s3 import client, use_s3
from event_platform_tests.support.world import MONDAY, TUESDAY, World, copy_of, event, rows

NOTHING = timedelta(0)
YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days, the first of which was built three times."""
    world = World(tmp_path_factory.mktemp("built"))
    for number in range(3):
        world.deliver(MONDAY, "a", event(f"m{number}"), event("n", name="beta:new"), "{broken")
        world.deliver(TUESDAY, "a", event("t", TUESDAY, "lesson:started", user="usr_1"), event("m0", TUESDAY))
        world.load(MONDAY, TUESDAY, replay=bool(number))
        world.build(MONDAY, TUESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def files_of(world: World, table: Table) -> set[str]:
    """Return the data files in the folder of a table."""
    folder = world.root / "lake" / table.name
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts}


def test_only_what_a_table_needs_is_left_and_everything_goes_on(built: World) -> None:
    """Also the increments, which look back into a log that has commits of the vacuum now."""
    tables = built.lake.tables(built.catalog.event_types)
    books, before = (
        lake_totals(built.lake, built.catalog),
        {table.name: rows(table, *table.spec.primary_key) for table in tables},
    )
    assert any(files_of(built, table) > {file.path for file in table.snapshot().files()} for table in tables)
    for table in tables:
        vacuum(table, NOTHING, dry_run=False)
        assert files_of(built, table) == {file.path for file in table.snapshot().files()}
    assert lake_totals(built.lake, built.catalog) == books
    assert all(rows(table, *table.spec.primary_key).equals(before[table.name]) for table in tables)
    assert due_created_dates(built.lake, built.catalog).days == []
    files = files_of(built, built.event_table("account_created"))
    built.deliver(MONDAY, "b", event("later"))
    built.load(MONDAY)
    assert due_created_dates(built.lake, built.catalog).days == [MONDAY]
    built.build(MONDAY)
    assert built.events("account_created")["event_uuid"].to_list().count("later") == 1
    assert files < files_of(built, built.event_table("account_created"))  # not built anew
    assert due_created_dates(built.lake, built.catalog).days == []


def test_what_is_young_stays(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run may be at work on it. What a run that was killed has left goes with time, and a try deletes nothing."""
    use(monkeypatch, built)
    folder = built.root / "lake" / "raw_events" / f"arrival_date={MONDAY}"
    young, old = folder / "young.parquet", folder / "old.parquet"
    for path, days in ((young, 1), (old, 8)):
        path.write_bytes(b"PAR1")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    assert told("--dry-run") == [
        "raw_events: 1 unreferenced file",
        "would delete 1 unreferenced file (9 tables checked)",
    ]
    assert old.exists()
    assert told() == ["raw_events: 1 unreferenced file", "deleted 1 unreferenced file (9 tables checked)"]
    assert told() == ["deleted 0 unreferenced files (9 tables checked)"]
    assert (young.exists(), old.exists()) == (True, False)


def test_a_clock_that_is_ahead_of_the_stores_deletes_nothing(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock a year ahead would take a file of seconds ago for an old one: it is refused, with what to do."""
    use(monkeypatch, built)
    tables = built.lake.tables(built.catalog.event_types)
    before = [files_of(built, table) for table in tables]
    now = time.time()
    monkeypatch.setattr("event_platform.lake.vacuum.time", SimpleNamespace(time=lambda: now + YEAR + 3600))
    for options in ([], ["--dry-run"]):
        result = CliRunner().invoke(main, ["vacuum", *options])
        assert (result.exit_code, "365 days" in result.output, "set the clock" in result.output) == (2, True, True)
    assert [files_of(built, table) for table in tables] == before


@pytest.mark.parametrize("status", [200, 403])
def test_a_clock_is_compared_with_that_of_s3(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """By the Date of an answer, whoever asks; a little ahead, or behind, is no matter."""
    with answering(status, "", {"Date": "Mon, 02 Jun 2025 12:00:00 GMT"}) as endpoint:
        use_s3(monkeypatch, endpoint)
        storage, noon = open_lake("s3://bucket/lake").storage, datetime(2025, 6, 2, 12, tzinfo=UTC).timestamp()
        for now in (noon, noon + 200, noon - YEAR):
            require_sound_clock(storage, now)
        with pytest.raises(SettingError, match=r"1 day, 0:00:00 ahead of that of s3://bucket/lake"):
            require_sound_clock(storage, noon + 86_400)


def test_time_is_counted_back_from_the_newest_commit(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that was written seems a year old where every clock is ahead, and where nothing was written for a year."""
    use(monkeypatch, built)
    unused = [path for table in built.lake.tables(built.catalog.event_types) for path in unused_files(built, table)]
    assert unused
    for path in (built.root / "lake").rglob("*.*"):
        if path.suffix == ".json" and path.parent.name == "_delta_log":
            path.write_text(re.sub(r'(?i)((?:timestamp|time)":)(\d{13})', aged, path.read_text(encoding="utf-8")))
        os.utime(path, (path.stat().st_mtime - YEAR,) * 2)
    assert told() == ["deleted 0 unreferenced files (9 tables checked)"]
    assert all(path.exists() for path in unused)


def unused_files(world: World, table: Table) -> list[Path]:
    """Return the files in the folder of a table that its last version does not need."""
    folder = world.root / "lake" / table.name
    return [folder / name for name in files_of(world, table) - {file.path for file in table.snapshot().files()}]


def aged(field: re.Match[str]) -> str:
    """Return a time of a log, a year earlier."""
    return f"{field[1]}{int(field[2]) - 1000 * YEAR}"


def test_a_table_that_cannot_be_read_is_told_and_the_others_are_done(
    built: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code tells too."""
    use(monkeypatch, built)
    (Path(built.lake.corrupt_events.uri) / "_delta_log" / f"{0:020}.json").write_text("{", encoding="utf-8")
    result = CliRunner().invoke(main, ["vacuum"])
    assert (result.exit_code, result.stdout) == (1, "deleted 0 unreferenced files (9 tables checked)\n")
    assert "corrupt_events: the table cannot be opened" in result.stderr


def test_who_writes_meanwhile_loses_nothing(tmp_path: Path) -> None:
    """Both commit: a vacuum tells the log of itself, and neither is in the other's way."""
    storage = open_lake(str(tmp_path)).storage
    table = Table(spec_of_schema("counted", pl.Schema({"day": pl.Date, "n": pl.Int64}), "day"), storage)
    folder, day, times = tmp_path / "counted" / f"day={MONDAY}", MONDAY, 20
    table.snapshot_to_write()
    folder.mkdir()

    def write() -> None:
        for number in range(times):
            add = write_file(pl.DataFrame({"day": [day], "n": [number]}), table, day)
            snapshot = table.snapshot_to_write()
            TableCommit(snapshot).append([day], [add], {day: snapshot.version + 1}).commit()

    def clean() -> int:
        gone = 0
        for number in range(times):
            (folder / f"{number}.parquet").write_bytes(b"PAR1")
            os.utime(folder / f"{number}.parquet", (time.time() - 86_400,) * 2)
            gone += len(vacuum(table, timedelta(hours=1), dry_run=False))
        return gone

    with ThreadPoolExecutor() as threads:
        writing, cleaning = threads.submit(write), threads.submit(clean)
        writing.result()
        assert cleaning.result() == times
    assert rows(table, "n")["n"].to_list() == list(range(times))
    assert {path.name for path in folder.iterdir()} == {Path(file.path).name for file in table.snapshot().files()}


def test_a_table_in_a_bucket_is_vacuumed(bucket: str) -> None:
    """What is left is read as before."""
    storage = open_lake(f"s3://{bucket}/lake").storage
    table = Table(spec_of_schema("counted", pl.Schema({"day": pl.Date, "n": pl.Int64}), "day"), storage)
    assert vacuum(table, NOTHING, dry_run=False) == []
    day = date(2025, 6, 2)
    for number in range(3):
        add = write_file(pl.DataFrame({"day": [day], "n": [number]}), table, day)
        TableCommit(table.snapshot_to_write()).rebuild([day], [add], {day: number}).commit()
    for left, dry_run in ((3, True), (1, False), (1, False)):
        assert len(vacuum(table, NOTHING, dry_run=dry_run)) == 2  # they are told until the log forgets them
        keys = [each["Key"] for each in client().list_objects_v2(Bucket=bucket, MaxKeys=1000)["Contents"]]
        assert len([key for key in keys if "/day=" in key]) == left
    assert rows(table, "n")["n"].to_list() == [2]


def told(*options: str) -> list[str]:
    """Call the command; return the lines that it prints."""
    result = CliRunner().invoke(main, ["vacuum", *options])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()
