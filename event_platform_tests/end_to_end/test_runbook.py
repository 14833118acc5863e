"""The runbook and the how-tos beside it stay true: their commands exist, and their procedures end as they say."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import dagster as dg
import pytest
from dagster_shared.check import CheckError
from deltalake import DeltaTable

from event_platform.cli.main import main
from event_platform_tests.support.command import build_by_run, call, use_copy
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, World, event, write_catalog

pytestmark = pytest.mark.xdist_group("built by run")

PROJECT = Path(__file__).parents[2]
PAGES = ["runbook.md", "how-to/backfill.md", "how-to/replay.md", "how-to/schema-change.md"]
TEXT = "".join((PROJECT / "docs" / page).read_text(encoding="utf-8") for page in PAGES)
BALANCED = "balanced: nothing is lost, nothing is counted twice"


def commands(program: str) -> list[str]:
    """Return the commands of a program in these pages, each in one line and once."""
    blocks = "".join(re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", " ")
    shown = re.findall(rf"^\$ ({program} (?:[^\"'\n]|\"[^\"]*\"|'[^']*')*)", blocks, re.MULTILINE)
    return list(dict.fromkeys(shown))


@pytest.mark.parametrize("command", commands("event-platform"))
def test_the_commands_of_the_runbook_exist(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With these options."""
    monkeypatch.chdir(tmp_path)
    write_catalog(tmp_path / "catalog", {}, {"event_uuid": "id", "event_name": "type", "created_at": "at"})
    _, *arguments = shlex.split(command, comments=True)
    found: click.Command = main
    while isinstance(found, click.Group):
        name = arguments.pop(0)
        found = found.commands[name]
    found.make_context(found.name, arguments)


def test_the_pages_have_commands() -> None:
    """`make docs` looks at their links."""
    assert len(commands("event-platform")) > 10
    assert len(commands("dagster asset materialize")) == 4


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days of everything, built by `run`."""
    world = World(tmp_path_factory.mktemp("two_days"))
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"l{day}", day, "lesson:started", user="usr_1"), event(f"a{day}", day), "{broken")
        world.deliver(day, "b", event(f"a{day}", day), event(f"n{day}", day, "beta:new"))
    return build_by_run(world)


@pytest.fixture
def built(two_days: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same in a folder of its own, that the variables of the command line name."""
    return use_copy(monkeypatch, two_days, tmp_path)


def run(*arguments: str, code: int | None = None) -> str:
    """Call the command line; return what it prints, in one line."""
    return " ".join(call(*arguments, code=code).split())


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("raw_events", "event_uuid is not null or corruption_reason is not null"),
        ("corrupt_events", "corruption_reason is not null"),
        ("deduplicated_events", "event_uuid is not null"),
        ("duplicate_events", "event_uuid is not null"),
        ("raw_events", "source_offset = 0"),
        ("deduplicated_events", "source_offset = 0"),
        ("duplicate_events", "source_offset = 0"),
    ],
)
def test_a_replay_mends_whatever_was_deleted(built: World, table: str, rows: str) -> None:
    """A whole table, or rows in the middle of an object: what landed brings them back."""
    assert DeltaTable(f"{built.root}/lake/{table}").delete(rows)["num_deleted_rows"]
    assert "NOT balanced: " in run("status", code=1)
    assert BALANCED in run("replay", "--from", "2025-06-02", "--to", "2025-06-03")


def test_a_day_erased_from_an_event_table_comes_back_by_itself(built: World) -> None:
    """`run` says that it was gone."""
    DeltaTable(built.event_table("lesson_started").uri).delete("created_date = '2025-06-02'")
    assert "NOT balanced: created dates 2025-06-02." in run("status", code=1)
    shown = run("run")
    assert (
        "the rows of 1 created date are not those that were written, such as 2025-06-02 (3 deduplicated, 2 in" in shown
    )
    assert BALANCED in shown


def test_a_day_erased_from_the_ledger_comes_back_by_itself(built: World) -> None:
    """Its objects are new again."""
    DeltaTable(built.lake.raw_events.uri).delete("arrival_date = '2025-06-02'")
    run("status", code=1)
    assert BALANCED in run("run")


def test_a_new_type_takes_its_events_out_of_the_unregistered_ones(built: World) -> None:
    """Drafted elsewhere, looked at, and taken."""
    (built.root / "catalog" / "envelope.yaml").write_text("event_uuid: event_uuid\n", encoding="utf-8")
    catalog, drafted = built.root / "catalog", built.root / "drafted"
    run("catalog", "draft", str(drafted), "--envelope", str(catalog / "envelope.yaml"))
    (drafted / "beta_new.yaml").rename(catalog / "beta_new.yaml")
    assert "4 event types" in run("catalog", "check")
    assert BALANCED in run("run")
    assert built.lake.unregistered_events.snapshot().scan().collect().is_empty()
    assert built.events("beta_new").height == 2


def test_a_column_that_changed_its_type_fails_its_table_until_that_is_deleted(built: World) -> None:
    """Its error is told, the other tables are built; without the table, every day of it is due."""
    lesson = SCHEMAS["lesson_started"]
    changed = {**lesson, "properties": {**lesson["properties"], "user": {"type": "integer"}}}
    write_catalog(built.root / "catalog", {"lesson_started": changed})
    built.deliver(MONDAY, "c", event("new", MONDAY))
    shown = run("run", code=1)
    assert "1 of 4 assets failed: events/lesson_started." in shown
    assert "the table has string, the catalog says long. A column keeps its type or gets a wider one" in shown
    for path in sorted((built.root / "lake" / "events" / "lesson_started").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert BALANCED in run("run")
    assert built.events("lesson_started").height == 2


#: The program `dagster` with one command line after the other: to start takes longer than what each of them does.
_DAGSTER = """
import shlex, sys
from importlib.metadata import entry_points
(program,) = entry_points(group="console_scripts", name="dagster")
for command in sys.argv[1:]:
    sys.argv = shlex.split(command, comments=True)
    try:
        program.load()()
    except SystemExit as end:
        if end.code:
            raise
"""


def test_the_commands_of_dagster_do_what_they_say(built: World, tmp_path: Path) -> None:
    """A range of days, of several assets, with a configuration: as they are in these pages."""
    given = commands("dagster asset materialize")
    shutil.copy(PROJECT / ".dagster" / "dagster.yaml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _DAGSTER, *given],
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count("RUN_SUCCESS") == len(given)


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("2019-01-01", "is before the partitions definition start"),
        ("2999-01-01", "after the last one, which is .* \\(today, UTC\\)"),
    ],
)
def test_a_partition_outside_the_range_fails_its_run_and_does_nothing(built: World, day: str, told: str) -> None:
    """As a run that was launched for it through the API."""
    version = built.lake.raw_events.snapshot().version
    with pytest.raises((CheckError, dg.Failure), match=told):
        built.materialize(MONDAY.fromisoformat(day))
    assert built.lake.raw_events.snapshot().version == version
