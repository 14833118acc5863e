"""The command line: help, usage errors, `status`, queries and catalogs, and what exit codes mean."""

import csv
import io
import json
from datetime import date, timedelta

import pytest
from deltalake import DeltaTable

from event_platform.cli.output import OUT
from event_platform.cli.status import watch_status
from event_platform.events import names
from event_platform.events.errors import LandingError
from event_platform_tests.cli.calling import call, status
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

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


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_a_help_that_teaches(command: list[str]) -> None:
    """What the command does, its options, and an example that begins with the command."""
    output = call(*command, "--help").output
    assert output.startswith("Usage: ")
    assert "Example" in output or "Get started:" in output
    assert any(line.strip().endswith(":") for line in output.splitlines())  # examples keep their lines
    assert " ".join(["event-platform", *command]) in output.partition("\n")[2]
    assert "\\b" not in output  # what tells click to leave the lines of an example as they are


def test_checks_of_long_ago_are_named_where_all_are_asked_for(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it costs to judge does not grow with the lake; a line says which days were judged."""
    monkeypatch.setattr("event_platform.cli.status._JUDGED_DAYS", 1)
    line = "Checks are those of 2025-06-03 and later; of every day: event-platform status --all"
    output = call("status", code=0).stdout
    assert line in output
    assert "on 2025-06-02" not in output
    output = call("status", "--all", code=3).stdout
    assert line not in output
    assert "ERROR raw_events, corruption_rate on 2025-06-02" in output


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
    output = " ".join(call("run").output.split())
    assert "the rows of 1 created date are not those that were written, such as 2025-06-03" in output
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
    output = call("status", "--warn-only", code=code).output
    assert "balanced, but not complete: tables of the platform: due on 2 days, such as 2025-06-02 (newer" in output
    assert "nothing is lost" not in output
    document = json.loads(call("status", "--json", "--warn-only", code=code).stdout)
    rest = document["completeness"]
    assert (document["balanced"], rest["complete"], rest["overdue"]) == (True, False, bool(code))
    assert rest["due"]["created_dates"] == ["2025-06-02", "2025-06-03"]


@pytest.mark.parametrize(("overdue", "code"), [(timedelta(hours=1), 0), (timedelta(0), 1)], ids=["fresh", "overdue"])
def test_records_that_a_run_has_not_built_yet_are_no_imbalance_to_look_into(
    built: World, monkeypatch: pytest.MonkeyPatch, overdue: timedelta, code: int
) -> None:
    """Until they have waited for an hour; what somebody deleted is one at once."""
    monkeypatch.setattr("event_platform.pipeline.completeness.OVERDUE", overdue)
    built.deliver(MONDAY, "late", event("late", MONDAY))
    built.load(MONDAY)
    output = call("status", "--warn-only", code=code).output
    assert "not balanced yet: newer records are not built: tables of the platform: due on 1 day, such as 20" in output
    assert "NOT balanced" not in output
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
    output = call("status", "--warn-only", code=code).output
    example = f"{day:%Y/%m/%d}/12/x"
    assert f"balanced, but not complete: 2 objects to be loaded (such as {example})" in output
    document = json.loads(call("status", "--json", "--warn-only", code=code).stdout)["completeness"]
    assert (document["waiting_objects"], document["waiting_examples"][0]) == (2, example)
    call("run")
    assert "balanced: nothing is lost, nothing is counted twice" in call("status").output


def test_a_landing_that_cannot_be_listed_is_told_by_status(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether all is loaded."""

    def fail(*_: object) -> None:
        raise LandingError("landing: Input/output error")

    monkeypatch.setattr("event_platform.pipeline.completeness.deliveries", fail)
    output = call("status", code=1).output
    assert "balanced, but not complete: landing cannot be compared with the ledger (landing: Input/output" in output
    document = json.loads(call("status", "--json", code=1).stdout)["completeness"]
    assert document["landing_fault"] == "landing: Input/output error"


def test_a_type_that_left_the_catalog_is_told_with_its_rows(built: World) -> None:
    """Its table stays, is counted, and can be queried."""
    (built.root / "catalog" / "lesson_started.yaml").unlink()
    output = " ".join(call("status").output.split())
    assert "events/lesson_started: 1 rows of a type that is no longer in the catalog." in output
    assert status()["retired_tables"] == {"events/lesson_started": 1}
    assert "usr_1" in call("query", 'select "user" from events.lesson_started').stdout


@pytest.mark.parametrize("command", [["run"], ["catalog", "draft", "drafted"]])
def test_landing_that_is_not_there_is_a_wrong_setting(home: World, command: list[str]) -> None:
    """It must not look like an empty day."""
    (home.root / "landing").rmdir()
    output = " ".join(call(*command, code=2).output.split())
    assert (
        f"{home.root / 'landing'}: no such folder. Expected the folder that objects land in: create or mount" in output
    )


def test_landing_without_an_object_is_told(home: World) -> None:
    """It may be a wrong prefix; it is no error, for nothing may have landed yet."""
    message = f"{home.root / 'landing'} contains no object. If some have landed, correct EVENT_PLATFORM_LANDING"
    assert message in " ".join(call("run").output.split())
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
    """If there are many such names, no schema is written; if there are few, they are reported."""
    home.deliver(MONDAY, "a", *(event(f"u{number}", name=f"user:{number}") for number in range(30)))
    folder = home.root / "drafted"
    assert "30 names look like ids: user:…" in " ".join(call("catalog", "draft", str(folder)).output.split())
    assert len(list(folder.iterdir())) == 30
    monkeypatch.setattr(names, "MAX_EVENT_TYPES", 29)
    output = " ".join(call("catalog", "draft", str(home.root / "none"), code=2).output.split())
    assert "more event names than a catalog is drafted for (29)" in output
    assert "The envelope takes the name from event_name" in output
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
    output = " ".join(call("catalog", "draft", str(home.root / "drafted"), code=2).output.split())
    assert "no record is sound by" in output
    assert "event_uuid is absent, null or empty" in output
    assert "let event-platform init find them" in output
