"""The rows of quality_report are what SQL counts in the tables."""

from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from event_platform.checks.gaps import objects_by_hour
from event_platform.pipeline.due import due_created_dates
from event_platform_tests.pipeline.reporting.test_step import figures
from event_platform_tests.support.mending import write_functions
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event, ndjson, noon, rows

#: What SQL counts of each figure of a day: event_name, label and value. `lesson` is the table of lesson:started.
QUERIES = {
    "landed": "select null, null, count(*) from raw where arrival_date = $day having count(*) > 0",
    "sound": """
        select null, null, count(*) from raw where arrival_date = $day and corruption_reason is null
        having count(*) > 0
    """,
    "mended": """
        select null, null, count(*) from raw where arrival_date = $day and mended_by is not null
        having count(*) > 0
    """,
    "created": """
        select null, null, count(*) from raw where created_date = $day and corruption_reason is null
        having count(*) > 0
    """,
    "objects": """
        select null, regexp_extract(source_object, '/([0-9]{2})/[^/]*$', 1), count(distinct source_object) from raw
        where arrival_date = $day group by all
    """,
    "lag": """
        select null, cast(greatest(0, least(168, date_diff('hour', date_trunc('hour', created_datetime),
            strptime(source_object[:13], '%Y/%m/%d/%H') at time zone 'UTC'))) as text), count(*)
        from deduplicated where created_date = $day group by all
    """,
    "late": """
        select case when event_name in ('lesson:started', 'account:created') then event_name end, null, count(*)
        from deduplicated where created_date = $day and arrival_date > created_date group by all
    """,
    "broken_rule": """
        select 'lesson:started', rule, count(*) from (
            select created_date, unnest([
                case when "user" is null and json_extract(_rescued, '$.user') is null then 'required: user' end,
                case when "user" not like 'usr_%' then 'pattern: user' end,
                case when level < 1 then 'minimum: level' end,
                case when level > 9 then 'maximum: level' end,
                case when mode not in ('fast', 'slow') then 'enum: mode' end
            ]) as rule from lesson
        ) where created_date = $day and rule is not null group by all
    """,
    "expected_field": """
        select 'lesson:started', 'anything', count(*) from lesson
        where created_date = $day and json_extract(_rescued, '$.anything') is not null having count(*) > 0
    """,
    "rescued_field": """
        select 'lesson:started', field, count(*) from (
            select created_date, unnest([
                case when json_extract(_rescued, '$.level') is not null then 'level' end,
                case when json_extract(_rescued, '$.user') is not null then 'user' end,
                case when json_extract(_rescued, '$.device.version') is not null then 'device.version' end
            ]) as field from lesson
        ) where created_date = $day and field is not null group by all
    """,
    "null": """
        select 'lesson:started', name, nulls from (
            unpivot (select count(*) - count("user") as "user", count(*) - count(level) as level,
                count(*) - count(score) as score, count(*) - count(hard) as hard, count(*) - count(due) as due,
                count(*) - count(birthday) as birthday, count(*) - count(mode) as mode
                from lesson where created_date = $day)
            on * into name name value nulls
        ) where nulls > 0
        union all
        select 'account:created', 'plan', count(*) from account
        where created_date = $day and plan is null having count(*) > 0
    """,
    "rows": """
        select null, null, sum(rows) from (
            select count(*) as rows from raw where arrival_date = $day
            union all select count(*) from corrupt where arrival_date = $day
            union all select count(*) from deduplicated where created_date = $day
            union all select count(*) from duplicates where created_date = $day
            union all select count(*) from unregistered where created_date = $day
            union all select count(*) from lesson where created_date = $day
            union all select count(*) from account where created_date = $day
        ) having sum(rows) > 0
    """,
}


def counted(world: World, day: date) -> dict[str, dict[Any, int]]:
    """Return what SQL counts of a day, by figure."""
    lake = world.lake
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        tables = {
            "raw": lake.raw_events,
            "corrupt": lake.corrupt_events,
            "deduplicated": lake.deduplicated_events,
            "duplicates": lake.duplicate_events,
            "unregistered": lake.unregistered_events,
            "lesson": world.event_table("lesson_started"),
            "account": world.event_table("account_created"),
        }
        for name, table in tables.items():
            connection.register(name, rows(table).to_arrow())
        return {
            figure: {(name, label): value for name, label, value in connection.execute(query, {"day": day}).fetchall()}
            for figure, query in QUERIES.items()
        }


def reported(world: World, day: date) -> dict[str, dict[Any, int]]:
    """Return what the report says of the same figures."""
    values: dict[str, dict[Any, int]] = {figure: {} for figure in QUERIES}
    for (figure, name, label), value in figures(world, day).items():
        if figure in values:
            values[figure][name, label] = value
    return values


def lesson(uuid: str, day: date = MONDAY, hour: int = 12, **payload: Any) -> dict[str, Any]:
    """Return an event of lesson:started of some hour of a day."""
    return {**event(uuid, day, "lesson:started", **payload), "created_at": noon(day) + 3600 * (hour - 12)}


@pytest.fixture
def delivered(world: World) -> World:
    """A world in which everything has arrived that a report counts, late and in time."""
    world.deliver(
        MONDAY,
        "a",
        lesson("u1", level=12, user="usr_1"),
        lesson("u2", hour=9, level="high", user="x"),
        lesson("u3", user=7, device={"os": "ios", "version": "new"}),
        lesson("u4", mode="idle", anything=[1], level=0),
        event("u5", plan="pro"),
        event("u6"),
        "{broken",
    )
    world.deliver(MONDAY, "b", event("u5", plan="pro"), event("u7", name="ping"), lesson("u8", hour=11), hour=14)
    world.deliver(TUESDAY, "c", event("t1", TUESDAY), lesson("u9"), event("u10", MONDAY, "ping"), "{broken", hour=3)
    world.deliver(WEDNESDAY, "d", event("w1", WEDNESDAY), lesson("u11", user=None), hour=0)
    return world


def test_each_figure_is_what_sql_counts_in_the_tables(delivered: World) -> None:
    """Of every day, also after more has arrived late, and a day was loaded once more."""
    days = (MONDAY, TUESDAY, WEDNESDAY)
    write_functions(delivered)
    delivered.deliver(MONDAY, "milliseconds", {**event("u13"), "created_at": 1000 * noon(MONDAY)})
    delivered.build(*days)
    assert all(reported(delivered, MONDAY).values())
    assert [reported(delivered, day) for day in days] == [counted(delivered, day) for day in days]
    delivered.deliver(WEDNESDAY, "late", lesson("u12", level=99), lesson("u1", level=12, user="usr_1"), "{", hour=23)
    delivered.load(WEDNESDAY)
    delivered.deduplicate(MONDAY, WEDNESDAY)
    delivered.type(MONDAY, WEDNESDAY)
    delivered.report(MONDAY, WEDNESDAY)
    assert [reported(delivered, day) for day in days] == [counted(delivered, day) for day in days]
    delivered.load(MONDAY, replay=True)
    delivered.build(*days)
    assert [reported(delivered, day) for day in days] == [counted(delivered, day) for day in days]


def test_bytes_are_those_of_the_files_of_the_day(delivered: World) -> None:
    """In all tables, but the report itself."""
    delivered.build(MONDAY, TUESDAY, WEDNESDAY)
    tables = [table for table in delivered.lake.tables(delivered.catalog.event_types) if "report" not in table.name]
    assert figures(delivered, MONDAY)["bytes", None, None] == sum(
        file.stat().st_size
        for table in tables
        for file in (delivered.root / "lake" / table.name).glob(f"*_date={MONDAY}/*.parquet")
    )


def test_a_report_is_due_where_more_has_arrived_on_its_day(world: World) -> None:
    """Even if nothing was created on that day: the number of landed records changed."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"u-{day}", day))
    world.build(MONDAY, TUESDAY)
    world.deliver(TUESDAY, "late", event("u1"))
    world.load(TUESDAY)
    world.deduplicate(MONDAY)
    world.type(MONDAY)
    world.report(MONDAY)
    due_dates = due_created_dates(world.lake, world.catalog)
    assert (due_dates.days, list(due_dates.reports)) == ([], [TUESDAY])
    world.report(TUESDAY)
    assert figures(world, TUESDAY)["landed", None, None] == 2
    assert not due_created_dates(world.lake, world.catalog).all_days


def test_objects_of_a_day_arrive_on_the_days_around_it_in_other_time_zones(tmp_path: Path) -> None:
    """Those of its first hours on the day before, as the check of gaps counts them."""
    world = World(tmp_path, zone=ZoneInfo("Asia/Tokyo"))
    for hour, record in ((0, "{"), (8, "{"), (9, event("u9", TUESDAY)), (23, event("u23", TUESDAY))):
        world.deliver(TUESDAY, "a", record, hour=hour)
    flat = world.root / "landing" / "2025" / "06" / "03" / "flat"
    flat.write_bytes(ndjson(event("flat", TUESDAY)))
    world.build(MONDAY, TUESDAY)
    world.report(TUESDAY)
    assert objects_by_hour(world.lake.raw_events.snapshot(), [TUESDAY])[TUESDAY] == {0: 1, 8: 1, 9: 1, 23: 1}
    values = figures(world, TUESDAY)
    labels = ["00", "08", "09", "23", None]
    assert {label: value for (figure, _, label), value in values.items() if figure == "objects"} == dict.fromkeys(
        labels, 1
    )
    assert not [figure for figure, *_ in values if figure == "lag"]


def test_samples_of_all_files_are_added_up(world: World) -> None:
    """And are missing of files that were written without."""
    for hour in (1, 2):
        plans = ["free", "pro", "pro"] * 10
        world.deliver(MONDAY, "a", *(event(f"{hour}-{n}", plan=plan) for n, plan in enumerate(plans)), hour=hour)
        world.build(MONDAY)
    files = len(world.event_table("account_created").snapshot().files([MONDAY]))
    values = {key[0::2]: value for key, value in figures(world, MONDAY).items() if key[1] == "account:created"}
    assert (files, values["sampled", None], values["distinct", "plan"]) == (2, 60, 4)
    assert (values["value", "plan=pro"], values["value", "plan=free"]) == (40, 20)
