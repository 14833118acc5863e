"""Users' own assets are due like the platform's: when their sources changed, until they are built."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from deltalake import write_deltalake

from event_platform.defs.automation.requests import run_tags
from event_platform.defs.graph import own_assets
from event_platform.defs.partitions import FOLLOW_LATE_DATA, ONE_RUN, daily_partitions
from event_platform.defs.resources.platform import LakeResource
from event_platform.lake.derived import Source
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import TableCommit
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.due_dates import DueDates
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, copy_of, event

DAYS = [MONDAY, TUESDAY, WEDNESDAY]
LESSONS, MART = dg.AssetKey(["events", "lesson_started"]), dg.AssetKey(["marts", "lessons"])
LESSONS_IN = dg.AssetIn(LESSONS)
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_CHANGED, _NEVER = "its sources have changed since", "it was never built"


def counted(lessons: pl.LazyFrame) -> pl.LazyFrame:
    """Return a row for each day."""
    return lessons.group_by("created_date").agg(lessons=pl.len().cast(pl.Int64))


def broken(lessons: pl.LazyFrame) -> pl.LazyFrame:
    """Fail."""
    raise ValueError("somebody's mistake")


def mart(
    world: World,
    make: Callable[[pl.LazyFrame], Any] = counted,
    key: dg.AssetKey = MART,
    source: dg.AssetKey = LESSONS,
    start: date | None = None,
    **asset_in: Any,
) -> dg.AssetsDefinition:
    """Return an asset over the lessons."""

    @dg.asset(
        key=key,
        partitions_def=daily_partitions(start or world.start_date),
        backfill_policy=ONE_RUN,
        automation_condition=FOLLOW_LATE_DATA,
        ins={"lessons": dg.AssetIn(source, **asset_in)},
    )
    def lessons_by_day(lessons: pl.LazyFrame) -> Any:
        return make(lessons)

    return lessons_by_day


@pytest.fixture(scope="module")
def lessons_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three days, each with a lesson and an account."""
    world = World(tmp_path_factory.mktemp("lessons"))
    for day in DAYS:
        world.deliver(day, "a", event(f"l{day}", day, "lesson:started", user="usr_a"), event(f"a{day}", day))
    world.build(*DAYS)
    return world


@pytest.fixture
def lessons(lessons_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(lessons_once, tmp_path)


def code(world: World, *assets: dg.AssetsDefinition) -> dg.Definitions:
    """Return the code location of somebody who adds assets to the platform."""
    return dg.Definitions.merge(world.definitions(), dg.Definitions(assets=assets))


def due(world: World, *assets: dg.AssetsDefinition) -> DueDates:
    """Return what is due."""
    graph = code(world, *assets).resolve_asset_graph()
    return due_created_dates(world.lake, world.catalog, own_assets=own_assets(graph))


def days(world: World, *assets: dg.AssetsDefinition, table: str = "marts/lessons") -> dict[date | None, str]:
    """Return the days on which a table is due, and why."""
    return dict(due(world, *assets).own_tables.get(table, {}))


def run(world: World, *assets: dg.AssetsDefinition, dates: tuple[date, ...] = (MONDAY, WEDNESDAY)) -> bool:
    """Materialize assets over a range of days (without partitions where there are none), and say whether that went."""
    definitions = code(world, *assets)
    return dg.materialize(
        list(definitions.assets or []),  # type: ignore[arg-type]
        selection=list(assets),
        resources=dict(definitions.resources or {}),
        tags=run_tags(*dates) if assets[0].partitions_def else {},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    ).success


def test_an_asset_is_due_until_it_is_built(lessons: World) -> None:
    """However often it fails; and for no longer."""
    every = dict.fromkeys(DAYS, _NEVER)
    assert days(lessons, mart(lessons)) == every
    assert not run(lessons, mart(lessons, broken))
    assert days(lessons, mart(lessons)) == every
    assert run(lessons, mart(lessons), dates=(MONDAY, TUESDAY))
    assert days(lessons, mart(lessons)) == {WEDNESDAY: _NEVER}
    assert run(lessons, mart(lessons))
    assert not due(lessons, mart(lessons)).all_days


def test_an_asset_is_due_on_the_days_whose_source_changed_and_no_others(lessons: World) -> None:
    """After new events, but not of other types; also after a failure, and after rows were removed."""
    asset = mart(lessons)
    run(lessons, asset)
    lessons.deliver(WEDNESDAY, "b", event("late", MONDAY, "lesson:started", user="usr_b"), event("other", TUESDAY))
    lessons.build(*DAYS)
    assert days(lessons, asset) == {MONDAY: _CHANGED}
    assert not run(lessons, mart(lessons, broken))
    assert days(lessons, asset) == {MONDAY: _CHANGED}
    run(lessons, asset, dates=(MONDAY, MONDAY))
    assert days(lessons, asset) == {}
    table = lessons.event_table("lesson_started").snapshot()
    TableCommit(table).rebuild([TUESDAY], [], {TUESDAY: table.version}).commit()
    assert days(lessons, asset)[TUESDAY] == _CHANGED


def test_a_day_that_yields_no_rows_is_built_all_the_same(lessons: World) -> None:
    """Only its log has a trace of it."""
    asset = mart(lessons, lambda rows: counted(rows).filter(pl.col("lessons") > 9))
    run(lessons, asset, dates=(MONDAY, TUESDAY))
    assert days(lessons, asset) == {WEDNESDAY: _NEVER}


def test_a_day_that_holds_something_else_than_was_written_is_due(
    lessons: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the table of an asset as in those of the platform."""
    run(lessons, mart(lessons))

    def foreign(snapshot: Snapshot) -> dict[date, str]:
        return {TUESDAY: "rows went"} if snapshot.table.name in ("marts/lessons", "quality_report") else {}

    monkeypatch.setattr("event_platform.lake.derived.foreign_dates", foreign)
    assert days(lessons, mart(lessons)) == {TUESDAY: "rows went"}
    monkeypatch.setattr("event_platform.pipeline.due.foreign_dates", foreign)
    due_days = due(lessons, mart(lessons))
    assert (due_days.days, due_days.uneven) == ([TUESDAY], {TUESDAY: "rows went"})


def test_what_is_made_of_several_days_is_due_where_any_of_them_changed(lessons: World) -> None:
    """A day and the one before it."""
    mapping = dg.TimeWindowPartitionMapping(start_offset=-1)
    asset = mart(
        lessons, lambda rows: counted(rows).filter(pl.col("created_date") == TUESDAY), partition_mapping=mapping
    )
    assert run(lessons, asset, dates=(TUESDAY, TUESDAY))
    lessons.deliver(WEDNESDAY, "b", event("late", MONDAY, "lesson:started", user="usr_b"))
    lessons.build(*DAYS)
    due_days = days(lessons, asset)
    assert due_days == {
        MONDAY: _NEVER,
        TUESDAY: _CHANGED,
        WEDNESDAY: _NEVER,
        WEDNESDAY + timedelta(days=1): _NEVER,
    }


def test_what_an_asset_is_made_of_are_not_its_own_days_before(lessons: World) -> None:
    """Each would make the next one due, one run after the other."""
    mapping = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
    before = dg.AssetIn(MART, partition_mapping=mapping)

    @dg.asset(key=MART, partitions_def=daily_partitions(lessons.start_date), ins={"lessons": LESSONS_IN, "own": before})
    def running(lessons: pl.LazyFrame, own: pl.LazyFrame) -> pl.LazyFrame:
        return pl.concat([own, lessons])

    (asset,) = own_assets(code(lessons, running).resolve_asset_graph())
    assert asset.sources == {Source("events/lesson_started")}


def test_an_asset_without_partitions_is_due_where_anything_changed(lessons: World) -> None:
    """It is made of the whole of its sources."""

    @dg.asset(key=MART, ins={"lessons": dg.AssetIn(LESSONS)})
    def whole(lessons: pl.LazyFrame) -> pl.LazyFrame:
        return lessons.select(n=pl.len().cast(pl.Int64))

    assert days(lessons, whole) == {None: _NEVER}
    assert run(lessons, whole)
    assert days(lessons, whole) == {}
    lessons.deliver(WEDNESDAY, "b", event("late", MONDAY, "lesson:started", user="usr_b"))
    lessons.build(*DAYS)
    assert days(lessons, whole) == {None: _CHANGED}
    assert days(lessons) == {None: _CHANGED}  # its log tells, also who does not know the asset


def test_what_is_made_of_an_asset_that_is_due_is_due_as_well(lessons: World) -> None:
    """And built after it."""
    first, second = mart(lessons), mart(lessons, counted, dg.AssetKey("second"), MART)
    assert days(lessons, first, second, table="second") == dict.fromkeys(DAYS, "marts/lessons is due")
    run(lessons, first, second)
    assert days(lessons, first, second, table="second") == {}
    lessons.deliver(WEDNESDAY, "b", event("late", MONDAY, "lesson:started", user="usr_b"))
    lessons.build(*DAYS)
    assert list(days(lessons, first, second, table="second")) == [MONDAY]
    run(lessons, first, dates=(MONDAY, MONDAY))
    assert days(lessons, first, second, table="second") == {MONDAY: _CHANGED}


def test_an_asset_that_reads_in_its_own_way_is_due_where_that_changed(lessons: World) -> None:
    """It does not know what changed while it was reading, so it is due again."""
    late = list[bool]()

    @dg.asset(key=MART, deps=[LESSONS], partitions_def=daily_partitions(lessons.start_date), backfill_policy=ONE_RUN)
    def own_way(context: dg.AssetExecutionContext, lake: LakeResource) -> pl.LazyFrame:
        rows = counted(lake.scan("events/lesson_started", context.partition_keys)).collect()
        if not late:
            late.append(True)
            lessons.deliver(WEDNESDAY, "b", event("late", MONDAY, "lesson:started", user="usr_b"))
            lessons.build(*DAYS)
        return rows.lazy()

    assert run(lessons, own_way)
    assert days(lessons, own_way) == dict.fromkeys(DAYS, _CHANGED)
    assert run(lessons, own_way)
    assert days(lessons, own_way) == {}


def test_a_table_that_its_asset_writes_itself_is_never_due(lessons: World) -> None:
    """Its sources are unknown; an asset that returns nothing has no table."""

    @dg.asset(key="nothing", deps=[LESSONS], partitions_def=daily_partitions(lessons.start_date))
    def nothing() -> None:
        """Return nothing."""

    frame = pl.DataFrame({"created_date": DAYS, "n": [1, 2, 3]})
    write_deltalake(f"{lessons.root}/lake/marts/lessons", frame, partition_by=["created_date"])
    assert not due(lessons, mart(lessons), nothing).own_tables


def test_what_the_log_tells_is_due_also_where_the_asset_is_not_known(lessons: World) -> None:
    """At the command line, which knows the platform's assets alone; of the sources that it was made of last."""
    run(lessons, mart(lessons, source=dg.AssetKey(["events", "account_created"])))
    run(lessons, mart(lessons))
    assert not due(lessons).all_days
    lessons.deliver(WEDNESDAY, "b", event("late", MONDAY, "lesson:started", user="usr_b"), event("x", TUESDAY))
    lessons.build(*DAYS)
    found, moment = due(lessons), datetime.now(UTC)
    assert found.own_tables == {"marts/lessons": {MONDAY: _CHANGED}}
    assert (found.is_overdue(moment), due(lessons, mart(lessons)).is_overdue(moment)) == (False, True)
    assert found.sentences == [f"marts/lessons: due on 1 day, such as 2025-06-02 ({_CHANGED})"]


def tick(world: World, definitions: dg.Definitions, name: str) -> list[dg.RunRequest]:
    """Evaluate the sensor of changed dates, or the reconciliation; return the requests of assets."""
    with dg.DagsterInstance.ephemeral() as instance:
        given = dict(definitions.resources or {})
        resources = {name: given[name] for name in ("landing", "lake")}
        if name == "daily_reconciliation":
            repository = definitions.get_repository_def()
            moment = datetime.now(UTC)
            with dg.build_schedule_context(instance, moment, resources=given, repository_def=repository) as context:
                return list(definitions.resolve_schedule_def(name).evaluate_tick(context).run_requests or [])
        with dg.build_sensor_context(instance, definitions=definitions, resources=resources) as context:
            requests = definitions.resolve_sensor_def(name).evaluate_tick(context).run_requests or []
            return [request for request in requests if request.asset_selection]


def asked(requests: list[dg.RunRequest]) -> list[tuple[str, str, list[str]]]:
    """Return the range of days of each request, and what is to be materialized."""
    return [
        (
            request.tags.get(FIRST, ""),
            request.tags.get(LAST, ""),
            sorted(key.to_user_string() for key in request.asset_selection or []),
        )
        for request in requests
    ]


@pytest.mark.parametrize("name", ["changed_dates_sensor", "daily_reconciliation"])
def test_an_asset_that_failed_is_asked_for_again_alone(lessons: World, name: str) -> None:
    """By the sensor and the reconciliation, without its hundred sources; one with other partitions separately."""
    later = mart(lessons, counted, dg.AssetKey("later"), start=TUESDAY)
    definitions = code(lessons, mart(lessons), later)
    run(lessons, mart(lessons), dates=(MONDAY, MONDAY))
    assert asked(tick(lessons, definitions, name)) == [
        ("2025-06-03", "2025-06-04", ["marts/lessons"]),
        ("2025-06-03", "2025-06-04", ["later"]),
    ]
    run(lessons, mart(lessons))
    run(lessons, later, dates=(TUESDAY, WEDNESDAY))
    assert tick(lessons, definitions, name) == []


def test_an_asset_is_built_with_what_arrives_today(lessons: World, today: date) -> None:
    """Where it is made of the platform's tables, over another one too, and has their partitions."""
    over_mart = mart(lessons, key=dg.AssetKey("over_mart"), source=MART)
    whole = mart(lessons, key=dg.AssetKey("later"), start=TUESDAY)
    assets = [mart(lessons), over_mart, whole]
    lessons.deliver(today, "b", event("now", today, "lesson:started", user="usr_b"))
    ((first, last, keys),) = asked(tick(lessons, code(lessons, *assets), "landing_sensor"))
    assert first == last == str(today)
    assert {"raw_events", "events/lesson_started", "quality_report", "marts/lessons", "over_mart"} <= set(keys)
    assert "later" not in keys


@pytest.mark.parametrize("name", ["changed_dates_sensor", "daily_reconciliation"])
def test_an_asset_is_built_in_one_run_with_what_it_is_made_of(lessons: World, name: str) -> None:
    """So that the automation sensor finds it built, and does not request it again."""
    definitions = code(lessons, mart(lessons))
    run(lessons, mart(lessons))
    lessons.deliver(WEDNESDAY, "b", event("late", MONDAY, "lesson:started", user="usr_b"))
    lessons.load(WEDNESDAY)
    ((first, last, keys),) = asked(tick(lessons, definitions, name))
    assert (first, last) == ("2025-06-02", "2025-06-02")
    assert {"deduplicated_events", "events/lesson_started", "quality_report", "marts/lessons"} <= set(keys)
    with dg.DagsterInstance.ephemeral() as instance:

        def build(*keys: str) -> None:
            assert dg.materialize(
                [*(definitions.assets or [])],  # type: ignore[list-item]
                selection=[dg.AssetKey(key.split("/")) for key in keys],
                resources=dict(definitions.resources or {}),
                tags=run_tags(MONDAY, MONDAY),
                instance=instance,
            ).success

        def wanted(cursor: Any) -> tuple[set[str], Any]:
            result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
            return set(map(str, result.get_requested_partitions(MART))), result.cursor

        build(*keys)
        found, cursor = wanted(None)
        build(*keys)
        found, cursor = wanted(cursor)
        assert found == set()
        build(*(key for key in keys if key != "marts/lessons"))
        assert wanted(cursor)[0] == {"2025-06-02"}


def test_an_asset_without_partitions_is_asked_for_when_its_sources_are_built(lessons: World) -> None:
    """Without days."""

    @dg.asset(key=MART, ins={"lessons": dg.AssetIn(LESSONS)})
    def whole(lessons: pl.LazyFrame) -> pl.LazyFrame:
        return lessons.select(n=pl.len().cast(pl.Int64))

    definitions = code(lessons, whole)
    assert asked(tick(lessons, definitions, "changed_dates_sensor")) == [("", "", ["marts/lessons"])]
    lessons.deliver(WEDNESDAY, "b", event("late", MONDAY, "lesson:started", user="usr_b"))
    lessons.load(WEDNESDAY)
    ((_, _, keys),) = asked(tick(lessons, definitions, "changed_dates_sensor"))
    assert "marts/lessons" not in keys
