"""`event-platform run` and `replay`: what they build, what they print, and their exit codes."""

import errno
import json
import os
from contextlib import nullcontext

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner
from deltalake import write_deltalake

from event_platform.checks.faults import Fault
from event_platform.cli.main import main
from event_platform.defs.automation.requests import PART
from event_platform.defs.resources.platform import LakeResource
from event_platform.events.errors import SettingError, TableError
from event_platform_tests.cli.calling import call, status, versions
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event, write_catalog

pytestmark = pytest.mark.xdist_group("built by run")


def test_run_loads_what_landed_and_shows_the_totals(landed: World) -> None:
    """And status prints the same as one JSON object."""
    output = call("run").output
    assert "balanced: nothing is lost, nothing is counted twice" in output
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
    output = call("run", code=3).stdout.splitlines()
    assert [line.split(":")[0] for line in output if line.startswith(("ERROR ", "WARN "))] == [
        "ERROR raw_events, corruption_rate on 2025-06-02",
        "WARN deduplicated_events, duplicate_rate on 2025-06-02",
        "WARN unregistered_events, unregistered_names on 2025-06-02",
    ]
    assert f"  {Fault.MALFORMED_RECORDS.cause} {Fault.MALFORMED_RECORDS.remedy}" in output
    assert output[-1].endswith("; 3 checks failed (1 error, 2 warnings)")
    landed.deliver(WEDNESDAY, "c", "{broken")
    call("run", "--warn-only", code=0)


@pytest.mark.parametrize("command", ["run", "status"])
def test_what_failed_before_is_named_again(landed: World, command: str) -> None:
    """Without new objects, and for a day without sound records, which has no report."""
    landed.deliver(WEDNESDAY, "c", "{broken")
    first = call("run", code=3).stdout.splitlines()
    again = call(command, code=3).stdout.splitlines()
    assert [line for line in again if line.startswith(("ERROR", "WARN"))] == [
        line for line in first if line.startswith(("ERROR", "WARN"))
    ]
    assert "ERROR raw_events, corruption_rate on 2025-06-02, 2025-06-04: " in "\n".join(again)
    call(command, "--warn-only", code=0)


def test_run_again_does_nothing(built: World) -> None:
    """No table gets another version."""
    before = versions(built)
    call("run")
    assert versions(built) == before


def test_run_builds_just_what_a_late_record_touches(built: World) -> None:
    """Its arrival date, and its created date."""
    account = built.event_table("account_created").snapshot()
    built.deliver(WEDNESDAY, "late", event("late", MONDAY))
    call("run")
    touched = built.event_table("account_created").snapshot()
    assert touched.source_version(MONDAY) != account.source_version(MONDAY)
    assert touched.source_version(TUESDAY) == account.source_version(TUESDAY)
    assert status()["landed"] == 7


def test_run_can_be_narrowed_to_some_days(landed: World) -> None:
    """What is left out is due the next time."""
    output = call("run", "--from", "2025-06-03", "--to", "2025-06-03").output
    assert "still due: 1 created date, such as 2025-06-02" in output
    totals = json.loads(call("status", "--json", code=1).stdout)  # what is due is not in the totals
    assert [day["arrival_date"] for day in totals["by_arrival_date"]] == ["2025-06-03"]
    call("run")
    totals = status()
    assert (totals["landed"], totals["balanced"]) == (6, True)


@pytest.mark.parametrize("command", ["run", "replay", "mend"])
@pytest.mark.parametrize(("first", "last"), [("2019-01-01", "2019-01-31"), ("2025-06-03", "2025-06-02")])
def test_a_range_without_a_partition_is_a_usage_error(landed: World, command: str, first: str, last: str) -> None:
    """Told with the partitions that there are, before anything is done."""
    output = " ".join(call(command, "--from", first, "--to", last, code=2).output.split())
    assert (
        f"no partition is in the range {first}…{last}: partitions go from 2025-01-01 (EVENT_PLATFORM_START_DATE)"
        in output
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
    output = call("run", code=1).output
    assert "failed:" in output
    assert "events/lesson_started" in output
    assert "the totals cannot be counted" in output
    assert built.events("account_created").height == 2


def test_a_run_that_fails_ends_with_1_and_names_the_table(landed: World) -> None:
    """Somebody else's table is where an event type's should be; the other types are built."""
    table = landed.event_table("lesson_started")
    write_deltalake(table.uri, pl.DataFrame({"created_date": [MONDAY], "level": [1.5]}), partition_by=["created_date"])
    output = call("run", code=1).output
    assert "1 of 4 assets failed: events/lesson_started." in " ".join(output.split())
    assert "events/lesson_started.level: the table has double, the catalog says long." in " ".join(output.split())
    assert landed.events("account_created").height == 1
    assert pl.read_delta(table.uri)["level"].to_list() == [1.5]


def test_an_asset_over_event_tables_that_failed_is_built_by_the_next_run(
    home: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run reports it and ends with 1, status lists it as due, and then it is up to date."""
    names = ["lesson:started", "lesson:completed", "exercise:answered"]
    users = {"properties": {"user_id": {"type": "string"}}}
    write_catalog(home.root / "catalog", {name.replace(":", "_"): {"title": name, **users} for name in names})
    monkeypatch.setattr("event_platform.sample.own_assets.SAMPLE_CATALOG", home.root / "catalog")
    home.deliver(MONDAY, "a", event("l1", name="lesson:started", user_id="usr_a"))

    def fail(*_: object) -> None:
        raise TableError("daily_active_learners: somebody's mistake")

    with monkeypatch.context() as failing:
        failing.setattr("event_platform.defs.io_manager.write_frame", fail)
        output = " ".join(call("run", code=1).output.split())
    assert "daily_active_learners: somebody's mistake" in output
    assert "balanced, but not complete: daily_active_learners: due on 1 day, such as 2025-06-02" in output
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


def test_objects_outside_the_partitions_are_told_and_not_loaded(home: World) -> None:
    """From before the first day of the stream."""
    home.deliver(MONDAY.replace(year=2024), "a", event("u1", MONDAY.replace(year=2024)))
    assert "1 day outside the partitions, such as 2024-06-02" in " ".join(call("run").output.split())
    assert status()["landed"] == 0


def test_runs_say_which_part_of_the_work_they_do(landed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that sensors of the same instance wait for them, and do not request the same work."""
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


def test_run_shows_the_totals_to_expect_beside_those_of_the_lake(built: World) -> None:
    """If a sample has some, in the form of `status --json`; a total that differs has another sign."""
    truth, totals = built.root / "ground_truth.json", status()
    truth.write_text(json.dumps(totals), encoding="utf-8")
    output = call("run").output
    assert "✓" in output
    assert "✗" not in output
    truth.write_text(json.dumps({**totals, "landed": 9}), encoding="utf-8")
    assert "✗" in call("status").output
