"""Runs register what they write in the Glue Data Catalog, and never fail over it; a command registers everything."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner, Result
from deltalake import write_deltalake

from event_platform.cli.main import main
from event_platform.environment import Environment
from event_platform.pipeline.opening import open_lake
from event_platform.publishing.glue import Outcome, open_glue
from event_platform_tests.support.s3 import REGION, SECRET_KEY
from event_platform_tests.support.world import MONDAY, SCHEMAS, World, event, write_catalog

TABLES = {"raw_events", "corrupt_events", "deduplicated_events", "duplicate_events", "unregistered_events"}
EVENT_TABLES = {"events/account_created", "events/lesson_started", "events/payment_order_completed"}
EVERYTHING = {*TABLES, *EVENT_TABLES, "quality_report"}


class RegisteringWorld(World):
    """A world whose tables are registered in the database `events`.

    They are in a folder, which the settings would reject because nobody else could read it: a run takes a tenth of the
    time.
    """

    @property
    def environment(self) -> Environment:
        """The local environment, with a database."""
        return replace(super().environment, glue_database="events")


@pytest.fixture
def database(bucket: str) -> Iterator[None]:
    """The database `events`, without tables."""
    glue().create_database(DatabaseInput={"Name": "events"})
    yield
    glue().delete_database(Name="events")


def glue() -> Any:
    """Return a client."""
    return boto3.client("glue", region_name=REGION)


def registered() -> set[str]:
    """Return the names of the tables in the database."""
    return {each["Name"] for each in glue().get_tables(DatabaseName="events")["TableList"]}


def told(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Return the metadata of each materialization about the catalog, by asset."""
    found = {}
    for each in result.get_asset_materialization_events():
        assert each.asset_key is not None
        metadata = each.materialization.metadata
        found[each.asset_key.to_user_string()] = str(metadata["glue"].value) if "glue" in metadata else ""
    return found


def call(*arguments: str, code: int = 0) -> Result:
    """Call the command, and expect an exit code."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result


def test_a_run_registers_its_tables_and_what_they_gain(world: World, database: None) -> None:
    """Each materialization tells what became of its table."""
    world = RegisteringWorld(world.root)
    world.deliver(MONDAY, "a", event("u1"), event("l1", name="lesson:started", user="usr_1"))
    assert told(world.materialize(MONDAY)) == dict.fromkeys(EVERYTHING, "created")
    assert registered() == {name.replace("/", "_") for name in EVERYTHING}
    grown = {**SCHEMAS["account_created"]["properties"], "source": {"type": "string"}}
    write_catalog(world.root / "catalog", {"account_created": {**SCHEMAS["account_created"], "properties": grown}})
    world.deliver(MONDAY, "b", event("u2", source="ad"))
    expected = {**dict.fromkeys(EVERYTHING, "unchanged"), "events/account_created": "updated"}
    assert told(world.materialize(MONDAY)) == expected
    table = glue().get_table(DatabaseName="events", Name="events_account_created")["Table"]
    assert [column["Name"] for column in table["StorageDescriptor"]["Columns"]][-2:] == ["_rescued", "source"]


def test_a_run_whose_tables_cannot_be_registered_has_written_them(world: World, bucket: str) -> None:
    """What is wrong is in its log and with each materialization; the next run makes up for it."""
    world = RegisteringWorld(world.root)
    world.deliver(MONDAY, "a", event("u1"))
    raw = dg.AssetSelection.assets("raw_events", "corrupt_events")
    texts = told(world.materialize(MONDAY, selection=raw))
    assert set(texts) == {"raw_events", "corrupt_events"}
    for reason in texts.values():
        assert reason.startswith("failed: EVENT_PLATFORM_GLUE_DATABASE: events: EntityNotFoundException")
        assert SECRET_KEY not in reason
    assert world.raw().height == 1
    glue().create_database(DatabaseInput={"Name": "events"})
    assert set(told(world.materialize(MONDAY, selection=raw)).values()) == {"created"}
    glue().delete_database(Name="events")


def test_the_table_of_an_asset_of_ones_own_is_registered(world: World, database: None) -> None:
    """By the run that writes it, like the platform's; and by the command at any time."""
    world = RegisteringWorld(world.root)

    @dg.asset(key=["marts", "learners"])
    def learners() -> pl.DataFrame:
        return pl.DataFrame({"learners": [1]})

    def materialize() -> dict[str, str]:
        return told(dg.materialize([learners], resources=dict(world.definitions().resources or {})))

    assert materialize() == {"marts/learners": "created"}
    assert materialize() == {"marts/learners": "unchanged"}
    assert registered() == {"marts_learners"}
    glue().delete_table(DatabaseName="events", Name="marts_learners")
    registrations = open_glue("events").register(world.lake.every_table(world.catalog.event_types), from_the_logs=True)
    assert {each.table for each in registrations if each.outcome is Outcome.CREATED} == {"marts/learners"}
    (column,) = glue().get_table(DatabaseName="events", Name="marts_learners")["Table"]["StorageDescriptor"]["Columns"]
    assert (column["Name"], column["Type"]) == ("learners", "bigint")


def test_tables_that_would_have_the_same_name_in_the_database_are_told(world: World, database: None) -> None:
    """One of them is registered, and stays registered."""
    for name in ("marts/learners", "marts_learners"):
        write_deltalake(f"{world.root}/lake/{name}", pl.DataFrame({"n": [1]}))
    tables = world.lake.every_table([])[-2:]
    for outcome in (Outcome.CREATED, Outcome.UNCHANGED):
        first, second = open_glue("events").register(tables, from_the_logs=True)
        assert (first.table, first.outcome) == ("marts/learners", outcome)
        assert (second.table, second.outcome) == ("marts_learners", Outcome.FAILED)
        assert second.reason == "marts/learners has the same name there, marts_learners: give one of them another key"


def test_the_command_registers_everything_that_is_there(
    world: World, bucket: str, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reports the outcomes, does nothing the second time, and ends with 1 if a table could not be registered."""
    for name, value in {
        "LANDING": f"s3://{bucket}/landing",
        "LAKE": f"s3://{bucket}/lake",
        "CATALOG": str(world.root / "catalog"),
        "GLUE_DATABASE": "events",
    }.items():
        monkeypatch.setenv(f"EVENT_PLATFORM_{name}", value)
    lake = open_lake(f"s3://{bucket}/lake")
    for table in (lake.raw_events, lake.quality_report):
        table.snapshot_to_write()
    assert call("register").output.splitlines() == [
        "created: raw_events",
        *(f"no table yet: {name}" for name in ("corrupt_events", "deduplicated_events", "duplicate_events")),
        "no table yet: unregistered_events",
        "created: quality_report",
        *(f"no table yet: {name}" for name in sorted(EVENT_TABLES)),
        "events: 2 created, 0 updated, 0 unchanged, 7 no table yet, 0 failed",
    ]
    glue().delete_table(DatabaseName="events", Name="raw_events")
    other = {"Name": "raw_events", "StorageDescriptor": {"Location": "s3://elsewhere/x"}}
    glue().create_table(DatabaseName="events", TableInput=other)
    shown = call("register", code=1).output
    assert "raw_events: the database has another table of this name, at s3://elsewhere/x" in shown
    assert "events: 0 created, 0 updated, 1 unchanged, 7 no table yet, 1 failed" in shown
    assert SECRET_KEY not in shown


def test_without_a_database_nothing_is_registered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs do not mention it, and the command reports the missing setting."""
    world.deliver(MONDAY, "a", event("u1"))
    raw = dg.AssetSelection.assets("raw_events", "corrupt_events")
    assert set(told(world.materialize(MONDAY, selection=raw)).values()) == {""}
    assert "EVENT_PLATFORM_GLUE_DATABASE: not set" in call("register", code=2).output
    monkeypatch.setenv("EVENT_PLATFORM_GLUE_DATABASE", "events")
    assert "expected EVENT_PLATFORM_LAKE on s3://" in " ".join(call("register", code=2).output.split())
