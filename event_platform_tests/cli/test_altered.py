"""What others change comes back with the next `run`, while the stream goes on; and `run --rebuild` needs no reason."""

from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from event_platform.lake import file_figures
from event_platform.lake.tables import Table
from event_platform_tests.support.command import build_by_run, call, use_copy
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event

pytestmark = pytest.mark.xdist_group("built by run")  # for each to be built once


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days that a run has built; tests take copies of them."""
    world = World(tmp_path_factory.mktemp("built"))
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", *(event(f"{day}{number}", day) for number in range(4)), "{broken")
    return build_by_run(world)


@pytest.fixture
def built(built_once: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of it, which the environment variables name."""
    return use_copy(monkeypatch, built_once, tmp_path)


def files(world: World) -> set[str]:
    """Return the files of an event table."""
    return {file.path for file in world.event_table("account_created").snapshot().files()}


def fresh_contents(world: World) -> object:
    """Build another lake of the same landing, and return what is in its tables."""
    fresh = World(world.root / "fresh")
    (fresh.root / "landing").rmdir()
    (fresh.root / "landing").symlink_to(world.root / "landing")
    fresh.build(MONDAY, TUESDAY, WEDNESDAY)
    return contents(fresh.lake, fresh.catalog)


@pytest.mark.parametrize(
    ("table", "alter"),
    [
        pytest.param(
            lambda world: world.event_table("account_created"),
            lambda table: DeltaTable(table.uri).delete("event_uuid = '2025-06-021'"),
            id="a row of an event table is deleted",
        ),
        pytest.param(
            lambda world: world.lake.raw_events,
            lambda table: Path(table.snapshot().files([MONDAY])[0].uri).unlink(),
            id="a file of raw_events is gone",
        ),
        pytest.param(
            lambda world: world.lake.corrupt_events,
            lambda table: DeltaTable(table.uri).delete("arrival_date = '2025-06-02'"),
            id="corrupt records are deleted",
        ),
        pytest.param(
            lambda world: world.lake.quality_report,
            lambda table: DeltaTable(table.uri).delete(),
            id="the quality report is emptied",
        ),
    ],
)
def test_an_altered_day_comes_back_with_the_next_run(
    built: World, table: Callable[[World], Table], alter: Callable[[Table], object]
) -> None:
    """New records of a later day and of the altered one arrive at the same time."""
    built.deliver(WEDNESDAY, "b", event("w", WEDNESDAY), event("late", MONDAY))
    alter(table(built))
    assert "balanced: nothing is lost" in call("run")
    assert "every file exists" in call("status", "--verify")
    assert contents(built.lake, built.catalog) == fresh_contents(built)
    before = files(built)
    call("run")
    assert files(built) == before


@pytest.mark.parametrize("table", ["corrupt_events", "duplicate_events"])
def test_a_missing_file_is_named_by_commands_that_read_it(built: World, table: str) -> None:
    """With what to do, and no traceback; then a run brings it back."""
    built.deliver(MONDAY, "again", event("2025-06-020", MONDAY))
    call("run")
    for file in (built.root / "lake" / table).glob("*=2025-06-02/*.parquet"):
        file.unlink()
    file_figures._CACHE.clear()  # as in a new process
    for command in (["status"], ["query", f"from {table}"]):
        output = " ".join(call(*command, code=1).split())
        assert ".parquet: the file is missing, which its table has. `event-platform run` builds" in output
    call("run")
    assert "every file exists" in call("status", "--verify")


def test_a_table_whose_log_is_cut_off_is_built_again_when_its_folder_is_moved_away(built: World) -> None:
    """As the run says, which has failed for this table, and builds the others."""
    folder = Path(built.event_table("account_created").uri)
    commit = max(folder.glob("_delta_log/*.json"))
    commit.write_bytes(commit.read_bytes()[:100])
    built.deliver(WEDNESDAY, "b", event("w", WEDNESDAY))
    output = call("run", code=1)
    assert "the totals cannot be counted" in output
    assert "Move the folder of the table out of the lake, keep it, and run" in " ".join(output.split())
    folder.rename(built.root / "damaged")
    assert "balanced: nothing is lost" in call("run")
    assert contents(built.lake, built.catalog) == fresh_contents(built)


def test_a_rebuild_builds_the_days_of_its_range_whole(built: World) -> None:
    """Nothing was due; the other day keeps its files, and the rows are the same."""
    before, rows = files(built), contents(built.lake, built.catalog)
    call("run", "--rebuild", "--from", "2025-06-02", "--to", "2025-06-02")
    stored_rows = before & files(built)
    assert {path.partition("/")[0] for path in stored_rows} == {"created_date=2025-06-03"}
    assert contents(built.lake, built.catalog) == rows
    assert "--rebuild needs --from and --to" in call("run", "--rebuild", code=2)
