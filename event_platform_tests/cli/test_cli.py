"""The command line: what each command prints, what it leaves alone, and what its exit code means."""

import csv
import errno
import io
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner, Result
from deltalake import DeltaTable, write_deltalake

from event_platform.checks.faults import Fault
from event_platform.cli.main import main
from event_platform.cli.output import OUT
from event_platform.cli.status import watch_status
from event_platform.defs.automation.requests import PART
from event_platform.defs.resources.platform import LakeResource
from event_platform.environment import load_environment
from event_platform.events import names
from event_platform.events.errors import LandingError, SettingError, TableError
from event_platform_tests.support.command import DONE, build_by_run
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event, write_catalog

pytestmark = pytest.mark.xdist_group("built by run")

COMMANDS = [
    [],
    ["new"],
    ["generate"],
    ["produce"],
    ["consume"],
    ["run"],
    ["replay"],
    ["mend"],
    ["status"],
    ["catalog"],
    ["catalog", "draft"],
    ["catalog", "check"],
    ["catalog", "backfill"],
    ["query"],
    ["register"],
    ["vacuum"],
    ["metrics"],
    ["doctor"],
]


@pytest.fixture
def home(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that the environment variables name."""
    settings = world.environment
    monkeypatch.setenv("EVENT_PLATFORM_LANDING", settings.landing)
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", settings.lake)
    monkeypatch.setenv("EVENT_PLATFORM_CATALOG", str(settings.catalog))
    return world


def deliver_two_days(world: World) -> World:
    """Land two days of everything."""
    broken = "{broken"
    world.deliver(MONDAY, "a", event("u1", plan="free"), event("u1", plan="free"), event("x", name="beta:new"), broken)
    world.deliver(TUESDAY, "a.gz", event("u1", plan="pro"), event("l1", TUESDAY, "lesson:started", user="usr_1"))
    return world


@pytest.fixture
def landed(home: World) -> World:
    """Two days of everything."""
    return deliver_two_days(home)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same, built by `run`; tests take copies of it."""
    return build_by_run(deliver_two_days(World(tmp_path_factory.mktemp("built"))))


@pytest.fixture
def built(home: World, built_once: World) -> World:
    """The same, built by `run`."""
    shutil.copytree(built_once.root, home.root, dirs_exist_ok=True)
    return home


def call(*arguments: str, code: int | None = None) -> Result:
    """Call the command line; it must do its work, or end with `code`."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (DONE if code is None else {code}), result.output
    return result


def status() -> dict[str, Any]:
    """Return what `status --json` prints."""
    totals: dict[str, Any] = json.loads(call("status", "--json").stdout)
    return totals


def versions(world: World) -> dict[str, int]:
    """Return how many commits each table has."""
    logs = (world.root / "lake").rglob("_delta_log")
    return {str(log.parent): len(list(log.glob("*.json"))) for log in logs}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_a_help_that_teaches(command: list[str]) -> None:
    """What the command does, its options, and an example that begins with the command."""
    told = call(*command, "--help").output
    assert told.startswith("Usage: ")
    assert "Example" in told or "Get started:" in told
    assert any(line.strip().endswith(":") for line in told.splitlines())  # examples keep their lines
    assert " ".join(["event-platform", *command]) in told.partition("\n")[2]
    assert "\\b" not in told  # what tells click to leave the lines of an example as they are


def test_run_loads_what_landed_and_shows_the_totals(landed: World) -> None:
    """And status prints the same as one JSON object."""
    shown = call("run").output
    assert "balanced: nothing is lost, nothing is counted twice" in shown
    totals = status()
    corrupt, *_ = totals.pop("checks")
    assert corrupt == {
        "severity": "error",
        "asset": "raw_events",
        "check": "corruption_rate",
        "days": ["2025-06-02"],
        "description": "25.000% of 4 records are corrupt: not_json 1",
        "cause": Fault.MALFORMED_RECORDS.cause,
        "hint": None,
        "next": Fault.MALFORMED_RECORDS.remedy,
    }
    assert totals.pop("completeness") == {
        "complete": True,
        "overdue": False,
        "waiting_objects": 0,
        "waiting_examples": [],
        "landing_fault": None,
        "left_out": [],
        "days_outside_partitions": [],
        "due": {
            "corrupt_events": [],
            "mend": [],
            "created_dates": [],
            "event_tables": {},
            "failing": {},
            "quality_report": [],
            "own_tables": {},
        },
    }
    days = totals.pop("by_arrival_date"), totals.pop("by_created_date")
    assert totals == {
        "landed": 6,
        "sound": 5,
        "mended": 0,
        "corrupt": 1,
        "corrupt_by_reason": {"not_json": 1},
        "deduplicated": 3,
        "duplicates": {"redelivery": 1, "conflict": 1},
        "unregistered": 1,
        "typed": 2,
        "event_tables": 2,
        "retired_tables": {},
        "balanced": True,
        "unbalanced": {"arrival_dates": [], "created_dates": []},
    }
    assert [day["arrival_date"] for day in days[0]] == ["2025-06-02", "2025-06-03"]
    assert [day["typed"] for day in days[1]] == [1, 1]


def test_a_failed_check_is_named_with_its_cause_and_ends_a_run_with_3(landed: World) -> None:
    """The worst first. It is no failure where `--warn-only` is asked for."""
    shown = call("run", code=3).stdout.splitlines()
    assert [line.split(":")[0] for line in shown if line.startswith(("ERROR ", "WARN "))] == [
        "ERROR raw_events, corruption_rate on 2025-06-02",
        "WARN deduplicated_events, duplicate_rate on 2025-06-02",
        "WARN unregistered_events, unregistered_names on 2025-06-02",
    ]
    assert f"  {Fault.MALFORMED_RECORDS.cause} {Fault.MALFORMED_RECORDS.remedy}" in shown
    assert shown[-1].endswith("; 3 checks failed (1 error, 2 warnings)")
    landed.deliver(WEDNESDAY, "c", "{broken")
    call("run", "--warn-only", code=0)


@pytest.mark.parametrize("command", ["run", "status"])
def test_what_failed_before_is_named_again(landed: World, command: str) -> None:
    """Where nothing is new, and of a day on which nothing sound arrived, which has no report."""
    landed.deliver(WEDNESDAY, "c", "{broken")
    first = call("run", code=3).stdout.splitlines()
    again = call(command, code=3).stdout.splitlines()
    assert [line for line in again if line.startswith(("ERROR", "WARN"))] == [
        line for line in first if line.startswith(("ERROR", "WARN"))
    ]
    assert "ERROR raw_events, corruption_rate on 2025-06-02, 2025-06-04: " in "\n".join(again)
    call(command, "--warn-only", code=0)


def test_checks_of_long_ago_are_named_where_all_are_asked_for(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it costs to judge does not grow with the lake; a line says which days were judged."""
    monkeypatch.setattr("event_platform.cli.status._JUDGED_DAYS", 1)
    line = "Checks are those of 2025-06-03 and later; of every day: event-platform status --all"
    shown = call("status", code=0).stdout
    assert line in shown
    assert "on 2025-06-02" not in shown
    shown = call("status", "--all", code=3).stdout
    assert line not in shown
    assert "ERROR raw_events, corruption_rate on 2025-06-02" in shown


def test_watch_redraws_until_it_is_interrupted(landed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what has landed meanwhile; it needs a terminal, and there is no JSON of it."""
    for arguments in (["--watch"], ["--watch", "--json"]):
        assert "--watch draws on a terminal" in call("status", *arguments, code=2).output
    looks: list[float] = []

    def wait(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt
        landed.build(MONDAY, TUESDAY)

    written = io.StringIO()
    terminal = {"_file": written, "is_interactive": True, "_force_terminal": True, "_width": 150, "_height": 100}
    for name, value in terminal.items():
        monkeypatch.setattr(OUT, name, value)
    with pytest.raises(KeyboardInterrupt):
        watch_status(landed.environment, every=False, wait=wait)
    drawn = written.getvalue()
    assert "2 objects to be loaded" in drawn
    assert "balanced: nothing is lost" in drawn.partition("to be loaded")[2]


def test_run_again_does_nothing(built: World) -> None:
    """No table gets another version."""
    before = versions(built)
    call("run")
    assert versions(built) == before


def test_run_builds_just_what_a_late_record_touches(built: World) -> None:
    """Its arrival date, and the created date that it belongs to."""
    account = built.event_table("account_created").snapshot()
    built.deliver(WEDNESDAY, "late", event("late", MONDAY))
    call("run")
    touched = built.event_table("account_created").snapshot()
    assert touched.source_version(MONDAY) != account.source_version(MONDAY)
    assert touched.source_version(TUESDAY) == account.source_version(TUESDAY)
    assert status()["landed"] == 7


def test_run_can_be_narrowed_to_some_days(landed: World) -> None:
    """What is left out is due the next time."""
    told = call("run", "--from", "2025-06-03", "--to", "2025-06-03").output
    assert "still due: 1 created date, such as 2025-06-02" in told
    totals = json.loads(call("status", "--json", code=1).stdout)  # what is due is not in the totals
    assert [day["arrival_date"] for day in totals["by_arrival_date"]] == ["2025-06-03"]
    call("run")
    totals = status()
    assert (totals["landed"], totals["balanced"]) == (6, True)


@pytest.mark.parametrize("command", ["run", "replay", "mend"])
@pytest.mark.parametrize(("first", "last"), [("2019-01-01", "2019-01-31"), ("2025-06-03", "2025-06-02")])
def test_a_range_without_a_partition_is_a_usage_error(landed: World, command: str, first: str, last: str) -> None:
    """Told with the partitions that there are, before anything is done."""
    told = " ".join(call(command, "--from", first, "--to", last, code=2).output.split())
    assert (
        f"no partition is in the range {first}…{last}: partitions go from 2025-01-01 (EVENT_PLATFORM_START_DATE)"
        in told
    )
    assert not (landed.root / "lake").exists()


def test_a_replay_reads_what_is_loaded_as_the_rules_are_now(landed: World) -> None:
    """Here the one record without a uuid where the stream was thought to have it; the totals balance at once."""
    landed.deliver(MONDAY, "b", {**event("u7"), "event_uuid": None, "id": "u7"})
    call("run")
    assert status()["corrupt"] == 2
    (landed.root / "catalog" / "envelope.yaml").write_text("event_uuid: id\n", encoding="utf-8")
    call("run")
    assert status()["corrupt"] == 2
    call("replay", "--from", "2025-06-02", "--to", "2025-06-03")
    assert (status()["sound"], status()["corrupt_by_reason"]) == (1, {"missing_event_uuid": 5, "not_json": 1})


def test_a_run_in_which_a_table_fails_says_which_and_builds_the_others(built: World) -> None:
    """Its log is broken: the totals cannot be counted either."""
    log = built.root / "lake" / "events" / "lesson_started" / "_delta_log"
    for entry in log.iterdir():
        entry.write_text("{broken", encoding="utf-8")
    built.deliver(WEDNESDAY, "late", event("late", MONDAY))
    shown = call("run", code=1).output
    assert "failed:" in shown
    assert "events/lesson_started" in shown
    assert "the totals cannot be counted" in shown
    assert built.events("account_created").height == 2


def test_a_run_that_fails_ends_with_1_and_names_the_table(landed: World) -> None:
    """Somebody else's table is where an event type's should be; the other types are built."""
    table = landed.event_table("lesson_started")
    write_deltalake(table.uri, pl.DataFrame({"created_date": [MONDAY], "level": [1.5]}), partition_by=["created_date"])
    shown = call("run", code=1).output
    assert "1 of 4 assets failed: events/lesson_started." in " ".join(shown.split())
    assert "events/lesson_started.level: the table has double, the catalog says long." in " ".join(shown.split())
    assert landed.events("account_created").height == 1
    assert pl.read_delta(table.uri)["level"].to_list() == [1.5]


@pytest.mark.parametrize(
    "arguments", [["run", "--from", "yesterday"], ["replay"], ["status", "--yaml"], ["query"], ["lose"]]
)
def test_a_usage_error_ends_with_2(home: World, arguments: list[str]) -> None:
    """And prints the usage."""
    assert "Usage: " in call(*arguments, code=2).output


def test_totals_that_do_not_balance_end_status_with_1(built: World) -> None:
    """In words and in JSON."""
    DeltaTable(built.lake.deduplicated_events.uri).delete("event_uuid = 'l1'")
    assert "NOT balanced: created dates 2025-06-03." in call("status", code=1).output
    totals = json.loads(call("status", "--json", code=1).stdout)
    assert (totals["balanced"], totals["unbalanced"]["created_dates"]) == (False, ["2025-06-03"])


def test_a_day_whose_rows_somebody_deleted_is_told_and_built_again(built: World) -> None:
    """By the next run, whatever else there is to do."""
    DeltaTable(built.event_table("lesson_started").uri).delete()
    call("status", code=1)
    told = " ".join(call("run").output.split())
    assert "the rows of 1 created date are not those that were written, such as 2025-06-03" in told
    assert status()["typed"] == 2


@pytest.mark.parametrize(("overdue", "code"), [(timedelta(hours=1), 0), (timedelta(0), 1)], ids=["fresh", "overdue"])
def test_what_is_due_is_in_the_last_line_of_status_and_in_its_exit_code(
    landed: World, monkeypatch: pytest.MonkeyPatch, overdue: timedelta, code: int
) -> None:
    """Where it has been for an hour: the totals balance without it."""
    landed.load(MONDAY, TUESDAY)
    landed.deduplicate(MONDAY, TUESDAY)
    landed.type(MONDAY, TUESDAY)
    monkeypatch.setattr("event_platform.pipeline.completeness.OVERDUE", overdue)
    told = call("status", "--warn-only", code=code).output
    assert "balanced, but not complete: tables of the platform: due on 2 days, such as 2025-06-02 (newer" in told
    assert "nothing is lost" not in told
    found = json.loads(call("status", "--json", "--warn-only", code=code).stdout)
    rest = found["completeness"]
    assert (found["balanced"], rest["complete"], rest["overdue"]) == (True, False, bool(code))
    assert rest["due"]["created_dates"] == ["2025-06-02", "2025-06-03"]


@pytest.mark.parametrize(("overdue", "code"), [(timedelta(hours=1), 0), (timedelta(0), 1)], ids=["fresh", "overdue"])
def test_records_that_a_run_has_not_built_yet_are_no_imbalance_to_look_into(
    built: World, monkeypatch: pytest.MonkeyPatch, overdue: timedelta, code: int
) -> None:
    """Until they have waited for an hour; what somebody deleted is one at once."""
    monkeypatch.setattr("event_platform.pipeline.completeness.OVERDUE", overdue)
    built.deliver(MONDAY, "late", event("late", MONDAY))
    built.load(MONDAY)
    told = call("status", "--warn-only", code=code).output
    assert "not balanced yet: newer records are not built: tables of the platform: due on 1 day, such as 20" in told
    assert "NOT balanced" not in told
    built.deduplicate(MONDAY)
    assert "not balanced yet" in call("status", "--warn-only", code=code).output
    DeltaTable(built.lake.deduplicated_events.uri).delete(f"created_date = '{TUESDAY}'")
    assert f"NOT balanced: created dates {MONDAY}, {TUESDAY}." in call("status", "--warn-only", code=1).output


@pytest.mark.parametrize("is_over", [True, False], ids=["a past day", "today"])
def test_objects_that_wait_are_in_the_last_line_of_status_and_in_its_exit_code(
    built: World, today: date, *, is_over: bool
) -> None:
    """Where their day is over: today's may have landed a moment ago."""
    day, code = (MONDAY, 1) if is_over else (today, 0)
    for name in ("x", "y"):
        built.deliver(day, name, event(name, MONDAY))
    told = call("status", "--warn-only", code=code).output
    example = f"{day:%Y/%m/%d}/12/x"
    assert f"balanced, but not complete: 2 objects to be loaded (such as {example})" in told
    found = json.loads(call("status", "--json", "--warn-only", code=code).stdout)["completeness"]
    assert (found["waiting_objects"], found["waiting_examples"][0]) == (2, example)
    call("run")
    assert "balanced: nothing is lost, nothing is counted twice" in call("status").output


def test_a_landing_that_cannot_be_listed_is_told_by_status(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether all is loaded."""

    def fail(*_: object) -> None:
        raise LandingError("landing: Input/output error")

    monkeypatch.setattr("event_platform.pipeline.completeness.deliveries", fail)
    told = call("status", code=1).output
    assert "balanced, but not complete: landing cannot be compared with the ledger (landing: Input/output" in told
    found = json.loads(call("status", "--json", code=1).stdout)["completeness"]
    assert found["landing_fault"] == "landing: Input/output error"


def test_an_asset_over_event_tables_that_failed_is_built_by_the_next_run(
    home: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run names it and ends with 1, status tells that it is due, and then it is up to date."""
    names = ["lesson:started", "lesson:completed", "exercise:answered"]
    users = {"properties": {"user_id": {"type": "string"}}}
    write_catalog(home.root / "catalog", {name.replace(":", "_"): {"title": name, **users} for name in names})
    monkeypatch.setattr("event_platform.sample.own_assets.SAMPLE_CATALOG", home.root / "catalog")
    home.deliver(MONDAY, "a", event("l1", name="lesson:started", user_id="usr_a"))

    def fail(*_: object) -> None:
        raise TableError("daily_active_learners: somebody's mistake")

    with monkeypatch.context() as failing:
        failing.setattr("event_platform.defs.io_manager.write_frame", fail)
        told = " ".join(call("run", code=1).output.split())
    assert "daily_active_learners: somebody's mistake" in told
    assert "balanced, but not complete: daily_active_learners: due on 1 day, such as 2025-06-02" in told
    table = home.event_table("lesson_started").snapshot().version
    assert json.loads(call("status", "--json").stdout)["completeness"]["due"]["own_tables"] == {
        "daily_active_learners": ["2025-06-02"]
    }
    assert "balanced: nothing is lost" in call("run").output
    assert home.lake.scan("daily_active_learners").collect().rows() == [(MONDAY, 1)]
    assert home.event_table("lesson_started").snapshot().version == table
    before = versions(home)
    call("run")
    assert versions(home) == before


def test_a_type_that_left_the_catalog_is_told_with_its_rows(built: World) -> None:
    """Its table stays, is counted, and can be queried."""
    (built.root / "catalog" / "lesson_started.yaml").unlink()
    told = " ".join(call("status").output.split())
    assert "events/lesson_started: 1 rows of a type that is no longer in the catalog." in told
    assert status()["retired_tables"] == {"events/lesson_started": 1}
    assert "usr_1" in call("query", 'select "user" from events.lesson_started').stdout


@pytest.mark.parametrize("command", [["run"], ["replay", "--from", "2025-06-02", "--to", "2025-06-02"]])
def test_a_folder_that_cannot_be_listed_is_named_and_fails_the_run(
    landed: World, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Once, with 1; what is in the others is loaded, and the next run loads all."""
    landed.deliver(MONDAY, "c", event("u9"), hour=13)
    folder, listed = str(landed.root / "landing/2025/06/02/12"), os.scandir

    def scandir(path: str) -> object:
        if str(path) == folder:
            raise OSError(errno.EIO, "Input/output error", folder)
        return listed(path)

    with monkeypatch.context() as failing:
        failing.setattr(os, "scandir", scandir)
        result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    failures = [line for line in result.output.splitlines() if line.startswith("failed:")]
    assert "".join(failures).count(f"{folder}: Input/output error") == 1
    assert landed.raw().filter(arrival_date=MONDAY)["event_uuid"].to_list() == ["u9"]
    call("run")
    assert status()["landed"] == 7


def test_names_that_cannot_be_loaded_fail_every_run_and_the_others_are_loaded(landed: World) -> None:
    """A name that is not UTF-8, a link that leads out; hidden ones are counted."""
    folder = landed.root / "landing/2025/06/02/12"
    (folder / os.fsdecode(b"caf\xe9.gz")).write_bytes(b"{}")
    (folder / "out").symlink_to("/etc/hostname")
    (folder / "_hidden").write_bytes(b"{}")
    (landed.root / "landing/undated").touch()
    (landed.root / "landing/undated.json").write_bytes(b"\n")
    for _ in range(2):  # also where nothing is due
        output = call("run", code=1).output
        failures = "".join(line for line in output.splitlines() if line.startswith("failed:"))
        for fault in (
            f"{folder}/caf\\xe9.gz: its name is not UTF-8",
            f"{folder}/out: a link that leads out of landing",
        ):
            assert failures.count(fault) == 1
        assert "landing holds 1 hidden object, such as 2025/06/02/12/_hidden" in " ".join(output.split())
        assert "1 object without a date in the path, such as undated.json" in " ".join(output.split())
        assert "2 files or folders of landing are left out" in " ".join(output.split())
        assert json.loads(call("status", "--json", code=1).stdout)["landed"] == 6
    assert call("catalog", "draft", str(landed.root / "drafted")).exit_code == 0


@pytest.mark.parametrize("command", [["run"], ["catalog", "draft", "drafted"]])
def test_landing_that_is_not_there_is_a_wrong_setting(home: World, command: list[str]) -> None:
    """It must not look like an empty day."""
    (home.root / "landing").rmdir()
    told = " ".join(call(*command, code=2).output.split())
    assert f"{home.root / 'landing'}: no such folder. Expected the folder that objects land in: create or mount" in told


def test_objects_outside_the_partitions_are_told_and_not_loaded(home: World) -> None:
    """From before the first day of the stream."""
    home.deliver(MONDAY.replace(year=2024), "a", event("u1", MONDAY.replace(year=2024)))
    assert "1 day outside the partitions, such as 2024-06-02" in " ".join(call("run").output.split())
    assert status()["landed"] == 0


def test_runs_say_which_part_of_the_work_they_do(landed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that sensors of the same instance wait for them, and ask for nothing that they are about to do."""
    instance = dg.DagsterInstance.ephemeral()
    monkeypatch.setattr("event_platform.cli.materializing._instance", lambda _: nullcontext(instance))
    call("run")
    assert landed.raw().height == 6
    assert {run.tags[PART] for run in instance.get_runs()} == {"raw", "created"}


def test_a_run_that_fails_before_its_first_step_is_told(landed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a resource cannot be set up: no step has failed, and nothing is built."""

    def refuse(_resource: LakeResource, _context: dg.InitResourceContext) -> None:
        raise SettingError("this lake is another one")

    monkeypatch.setattr(LakeResource, "setup_for_execution", refuse)
    assert "failed: 2025-06-02 to 2025-06-03: event_platform.events.errors.SettingError: this lake is another one" in (
        " ".join(call("run", code=1).output.split())
    )
    assert landed.raw().is_empty()


def test_landing_without_an_object_is_told(home: World) -> None:
    """It may be a wrong prefix; it is no error, for nothing may have landed yet."""
    told = f"{home.root / 'landing'} contains no object. If some have landed, correct EVENT_PLATFORM_LANDING"
    assert told in " ".join(call("run").output.split())
    home.deliver(MONDAY, "a", event("u1"))
    assert "contains no object" not in call("run").output
    assert "contains no object" not in call("run").output


def test_the_totals_of_an_empty_lake_balance(home: World) -> None:
    """Before anything ran."""
    assert status()["balanced"] is True
    assert "balanced" in call("status").output


def test_query_prints_tables_json_and_csv(built: World) -> None:
    """Over shared tables and event tables, with their names as in the help."""
    sql = "select event_name, count(*) n from raw_events where event_name is not null group by 1 order by 1"
    expected = [["account:created", 3], ["beta:new", 1], ["lesson:started", 1]]
    rows = json.loads(call("query", "--json", sql).stdout)
    assert [list(row.values()) for row in rows] == expected
    (header, *lines) = csv.reader(call("query", "--csv", sql).stdout.splitlines())
    assert (header, lines) == (["event_name", "n"], [[name, str(count)] for name, count in expected])
    assert "usr_1" in call("query", 'select "user" from events.lesson_started').stdout


@pytest.mark.parametrize("sql", ["select nothing from raw_events", "select * from nowhere", "selec"])
def test_a_query_that_fails_says_why(built: World, sql: str) -> None:
    """In one line, with exit code 2."""
    assert "the query failed" in call("query", sql, code=2).output


def test_a_configuration_error_ends_with_2_and_one_line(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Naming the variable and what it expects."""
    monkeypatch.setenv("EVENT_PLATFORM_ENV", "production")
    assert "not one of local, dev, staging, prod" in call("run", code=2).output
    monkeypatch.setenv("EVENT_PLATFORM_ENV", "local")
    monkeypatch.setenv("EVENT_PLATFORM_CATALOG", str(home.root / "nowhere"))
    assert "no such folder" in " ".join(call("status", code=2).output.split())


def test_a_catalog_is_drafted_from_landing_and_passes_its_check(landed: World) -> None:
    """A schema that is there already is kept."""
    folder = landed.root / "drafted"
    call("catalog", "draft", str(folder))
    assert {path.stem for path in folder.iterdir()} == {"account_created", "beta_new", "lesson_started"}
    assert "3 event types" in call("catalog", "check", str(folder)).output
    (folder / "beta_new.yaml").write_text("{title: 'beta:new', properties: {mine: {type: string}}}", encoding="utf-8")
    call("catalog", "draft", str(folder))
    assert "mine" in (folder / "beta_new.yaml").read_text(encoding="utf-8")
    call("catalog", "draft", "--force", str(folder))
    assert "mine" not in (folder / "beta_new.yaml").read_text(encoding="utf-8")


def test_no_catalog_is_drafted_for_names_that_hold_an_id(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are too many of them no schema is written; where there are fewer, they are told."""
    home.deliver(MONDAY, "a", *(event(f"u{number}", name=f"user:{number}") for number in range(30)))
    folder = home.root / "drafted"
    assert "30 names look like ids: user:…" in " ".join(call("catalog", "draft", str(folder)).output.split())
    assert len(list(folder.iterdir())) == 30
    monkeypatch.setattr(names, "MAX_EVENT_TYPES", 29)
    told = " ".join(call("catalog", "draft", str(home.root / "none"), code=2).output.split())
    assert "more event names than a catalog is drafted for (29)" in told
    assert "The envelope takes the name from event_name" in told
    assert list((home.root / "none").iterdir()) == []


def test_a_faulty_catalog_fails_its_check_with_a_line_each(home: World) -> None:
    """Exit code 1."""
    (home.root / "catalog" / "x.yaml").write_text("{title: [], properties: {}}", encoding="utf-8")
    (home.root / "catalog" / "y.yaml").write_text("{title: y, properties: {a: {type: int}}}", encoding="utf-8")
    output = call("catalog", "check", code=1).output
    assert [line.split("catalog/")[1].split(":")[0] for line in output.splitlines()] == ["x.yaml", "y.yaml"]


def test_a_stream_with_other_fields_than_the_envelope_says_is_told(home: World) -> None:
    """Rather than an empty catalog."""
    home.deliver(MONDAY, "a", json.dumps({"id": "1", "type": "x", "at": 1}))
    told = " ".join(call("catalog", "draft", str(home.root / "drafted"), code=2).output.split())
    assert "no record is sound by" in told
    assert "event_uuid is absent, null or empty" in told
    assert "let event-platform init find them" in told


def test_generate_writes_a_landing_zone_once(home: World) -> None:
    """With the totals to expect beside it; it never adds to existing objects."""
    call("generate", "--events", "500", "--days", "2", "--from", "2025-06-02")
    truth = json.loads((home.root / "ground_truth.json").read_text(encoding="utf-8"))
    assert truth["deduplicated"] == 500
    assert sorted(os.listdir(home.root / "landing" / "2025" / "06")) == ["02", "03"]  # noqa: PTH208 - names are enough
    assert "already contains objects" in " ".join(call("generate", code=2).output.split())


@pytest.fixture
def _generate_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generate in this process: each process draws the payloads of all event types first, which takes a second."""
    monkeypatch.setattr("event_platform.sample.generate.local_pool", lambda: ThreadPoolExecutor(1))


def days_of(world: World) -> list[date]:
    """Return the days in the paths of a landing zone."""
    folders = {path.parent.parent for path in (world.root / "landing").rglob("*.gz")}
    return sorted(date(*(int(part) for part in folder.parts[-3:])) for folder in folders)


@pytest.mark.usefixtures("_generate_here")
def test_a_sample_is_of_the_last_whole_days_and_the_partitions_begin_with_it(home: World) -> None:
    """So that what Dagster shows first is the sample; the totals of a seed are those of any other days."""
    before = datetime.now(UTC).date()
    call("generate", "--events", "500", "--days", "2")
    days, after = days_of(home), datetime.now(UTC).date()
    assert days in [[today - timedelta(days=2), today - timedelta(days=1)] for today in (before, after)]
    assert load_environment().start_date == days[0]
    truth = json.loads((home.root / "ground_truth.json").read_text(encoding="utf-8"))
    shutil.rmtree(home.root / "landing")
    call("generate", "--events", "500", "--days", "2", "--from", "2025-06-02")
    assert load_environment().start_date == MONDAY
    other = json.loads((home.root / "ground_truth.json").read_text(encoding="utf-8"))
    by_day = [list(each.pop("deduplicated_by_created_date").values()) for each in (truth, other)]
    assert (by_day[0], truth) == (by_day[1], other)


@pytest.mark.usefixtures("_generate_here")
def test_the_partitions_of_a_lake_do_not_move_with_a_new_sample(home: World) -> None:
    """Neither those of its own sample, nor those that begin in 2025; that they are later than the sample is said."""
    call("generate", "--events", "30", "--days", "1", "--from", "2025-06-02")
    call("run")
    for first in ("2025-07-01", "2025-06-01"):
        shutil.rmtree(home.root / "landing")
        output = call("generate", "--events", "30", "--days", "1", "--from", first).output
        assert load_environment().start_date == MONDAY
        assert (f"the first partition is {MONDAY}" in " ".join(output.split())) is (first == "2025-06-01")
    (home.root / "start_date").unlink()
    shutil.rmtree(home.root / "landing")
    call("generate", "--events", "30", "--days", "1", "--from", "2025-06-02")
    assert load_environment().start_date == date(2025, 1, 1)


def test_run_shows_the_totals_to_expect_beside_those_of_the_lake(built: World) -> None:
    """If a sample has some, in the form of `status --json`; a total that differs has another sign."""
    truth, totals = built.root / "ground_truth.json", status()
    truth.write_text(json.dumps(totals), encoding="utf-8")
    shown = call("run").output
    assert "✓" in shown
    assert "✗" not in shown
    truth.write_text(json.dumps({**totals, "landed": 9}), encoding="utf-8")
    assert "✗" in call("status").output
