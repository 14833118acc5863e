"""Assets in Dagster: any subset, isolated failures, and ranges of days."""

import shutil
from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy
from dagster._core.execution.context.system import StepExecutionContext
from deltalake import DeltaTable, write_deltalake

from event_platform.definitions import build_definitions
from event_platform.defs.assets.typed_events import event_key
from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog
from event_platform_tests.support.comparison import OF_THE_RUN, contents
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, WEDNESDAY, World, event

DAYS = [MONDAY, TUESDAY, WEDNESDAY]
ACCOUNT, LESSON, PAYMENT = (
    dg.AssetKey(["events", key]) for key in ("account_created", "lesson_started", "payment_order_completed")
)
UNREGISTERED = dg.AssetKey("unregistered_events")


def deliver_all(world: World) -> None:
    """Land three days of everything, with late records between them."""
    for number, day in enumerate(DAYS):
        world.deliver(day, "a.gz", *(event(f"{day}-{each}", day, plan="free") for each in range(5 + number)), "{broken")
        world.deliver(day, "b", event(f"l{day}", day, "lesson:started", user="u", level="7"), event("again", plan="x"))
        world.deliver(
            day, "c", event(f"late{day}", name="payment:order:completed", amount=1), event(f"n{day}", day, "ping")
        )


def materialized(result: dg.ExecuteInProcessResult) -> set[dg.AssetKey]:
    """Return the assets that a run materialized."""
    return {each.asset_key for each in result.get_asset_materialization_events() if each.asset_key}


def is_path(value: dg.MetadataValue[Any]) -> bool:
    """Say whether a value tells a place, which is another one in another lake."""
    return isinstance(value, dg.PathMetadataValue)


def recorded(instance: dg.DagsterInstance) -> dict[Any, Any]:
    """Return the last metadata (but for paths and what tells of the run) and check results, by asset and partition."""
    found: dict[Any, Any] = {}
    for key in instance.get_asset_keys():
        records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=1000, ascending=True)
        for record in records.records:
            event = record.asset_materialization
            assert event is not None
            message = {name: each for name, each in event.metadata.items() if name not in OF_THE_RUN}
            found[key, record.partition_key] = {name: each.value for name, each in message.items() if not is_path(each)}
    checks = (dg.DagsterEventType.ASSET_CHECK_EVALUATION,)
    for run in reversed(instance.get_runs()):  # the newest come first
        for record in instance.get_records_for_run(run.run_id, of_type=set(checks), ascending=True).records:
            each = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
            found[each.asset_key, each.check_name, each.partition] = (each.passed, each.severity, each.metadata)
    return found


def test_a_range_in_one_run_is_one_run_a_day(world: World) -> None:
    """The same tables, the same metadata and the same check results, partition by partition."""
    deliver_all(world)
    days = World(world.root / "days")
    shutil.copytree(world.root / "landing", days.root / "landing", dirs_exist_ok=True, copy_function=shutil.copy2)
    with dg.DagsterInstance.ephemeral() as in_one, dg.DagsterInstance.ephemeral() as day_by_day:
        assert world.materialize(MONDAY, WEDNESDAY, instance=in_one).success
        for day in DAYS:
            assert days.materialize(day, instance=day_by_day).success
        # What the later days had for the earlier ones: these partitions are due again.
        downstream = dg.AssetSelection.assets("deduplicated_events").downstream()
        assert days.materialize(
            MONDAY, selection=downstream | dg.AssetSelection.assets("duplicate_events"), instance=day_by_day
        ).success
        assert contents(days.lake, days.catalog) == contents(world.lake, world.catalog)
        one, each = recorded(in_one), recorded(day_by_day)
        assert one.keys() == each.keys()
        assert {key: (one[key], each[key]) for key in one if one[key] != each[key]} == {}
        assert len(one) == 3 * (6 + 3) + 3 * (3 + 3 + 2 + 1 + 3 * 4) + 3  # of each event table, whatever the days


@pytest.mark.parametrize(
    ("subset", "rows"),
    [
        ([LESSON, PAYMENT], {"lesson_started": 3, "payment_order_completed": 3}),
        ([ACCOUNT], {"account_created": 19}),
        ([UNREGISTERED], {}),
        ([UNREGISTERED, PAYMENT], {"payment_order_completed": 3}),
    ],
)
def test_any_subset_of_event_types_can_be_materialized(
    world: World, subset: list[dg.AssetKey], rows: dict[str, int]
) -> None:
    """Only these assets are materialized."""
    deliver_all(world)
    world.load(*DAYS)
    world.deduplicate(*DAYS)
    # Without checks: the books of typing do not balance before every table is built, and say so.
    selection = dg.AssetSelection.assets(*subset).without_checks()
    result = world.materialize(MONDAY, WEDNESDAY, selection=selection)
    assert materialized(result) == set(subset)
    written = {key for key in world.catalog.by_key if world.event_table(key).snapshot().version >= 0}
    assert {key: world.events(key).height for key in written} == rows
    unregistered = world.lake.unregistered_events.snapshot().scan().collect()
    assert unregistered.height == (3 if UNREGISTERED in subset else 0)


def test_one_type_that_fails_does_not_stop_the_others_and_is_named(world: World) -> None:
    """A table with a column of another type than the schema: nothing is cast, and its rows stay."""
    deliver_all(world)
    world.build(*DAYS)
    before = world.events("account_created")
    table = world.event_table("lesson_started")
    shutil.rmtree(table.uri)
    rows = world.events("payment_order_completed").select("event_uuid", "created_date").with_columns(level=1.5).head(1)
    write_deltalake(table.uri, rows, partition_by=["created_date"])
    world.deliver(MONDAY, "z", event("new", plan="pro"), event("new lesson", name="lesson:started", user="usr_1"))
    result = world.materialize(MONDAY, WEDNESDAY, raise_on_error=False)
    assert not result.success
    assert {ACCOUNT, PAYMENT} < materialized(result)
    assert LESSON not in materialized(result)
    (failure,) = result.filter_events(lambda each: each.is_step_failure)
    message = failure.step_failure_data.user_failure_data
    assert message is not None
    assert message.description is not None
    assert message.description.startswith("1 of 4 assets failed: events/lesson_started.")
    reason = str(message.metadata["events/lesson_started"].value)
    assert reason.startswith("events/lesson_started.level: the table has double, the catalog says long.")
    assert DeltaTable(table.uri).version() == 0
    assert world.events("account_created").height == before.height + 1


def test_a_file_where_a_table_should_be_fails_that_type_alone(world: World) -> None:
    """It is no table, and not ours to remove."""
    deliver_all(world)
    file = world.root / "lake" / "events" / "lesson_started"
    file.parent.mkdir(parents=True)
    file.write_text("mine", encoding="utf-8")
    result = world.materialize(MONDAY, WEDNESDAY, raise_on_error=False)
    assert not result.success
    assert {ACCOUNT, PAYMENT, dg.AssetKey("unregistered_events")} < materialized(result)
    assert LESSON not in materialized(result)
    (failure,) = [each for each in result.filter_events(lambda each: each.is_step_failure) if is_of_types(each)]
    message = failure.step_failure_data.user_failure_data
    assert message is not None
    assert set(message.metadata) == {"events/lesson_started"}
    assert file.read_text(encoding="utf-8") == "mine"


def is_of_types(failure: dg.DagsterEvent) -> bool:
    """Say whether it was the event types that failed."""
    return failure.step_key == "typed_events"


def test_materializations_tell_what_happened(world: World) -> None:
    """Rows, objects, bytes, reasons and touched days, for each partition."""
    deliver_all(world)
    with dg.DagsterInstance.ephemeral() as instance:
        world.materialize(MONDAY, WEDNESDAY, instance=instance)
        found = recorded(instance)
    raw = found[dg.AssetKey("raw_events"), "2025-06-03"]
    assert raw["created_dates_changed"] == ["2025-06-02", "2025-06-03"]
    assert (raw["dagster/partition_row_count"], raw["objects_read"], raw["records_read"]) == (11, 3, 11)
    assert found[dg.AssetKey("corrupt_events"), "2025-06-03"]["reasons"] == {"not_json": 1}
    assert found[dg.AssetKey("duplicate_events"), "2025-06-02"]["redelivery"] == 2
    assert found[LESSON, "2025-06-02"]["rows_with_rescued_values"] == 1


def test_all_assets_share_the_partitions_and_one_backfill_policy(world: World) -> None:
    """Daily, in UTC, today included; a range is one run."""
    definitions = world.definitions()
    graph = definitions.resolve_asset_graph()
    keys = graph.get_all_asset_keys()
    assert len(keys) == 6 + 3
    assert len({graph.get(key).partitions_def for key in keys}) == 1
    assert {graph.get(key).backfill_policy for key in keys} == {dg.BackfillPolicy.single_run()}


def test_a_backfill_can_be_cut_into_runs_of_so_many_days(world: World) -> None:
    """For every asset, as the environment says."""
    environment = replace(world.environment, days_per_run=3)
    graph = build_definitions(environment, world.catalog).resolve_asset_graph()
    policies = {graph.get(key).backfill_policy for key in graph.get_all_asset_keys()}
    assert policies == {dg.BackfillPolicy.multi_run(max_partitions_per_run=3)}


def test_assets_are_in_groups_and_layers_and_event_types_have_the_owners_of_their_schemas(tmp_path: Path) -> None:
    """Without an owner in the schema there is none; the UI filters by the first part of a name."""
    lesson = {**SCHEMAS["lesson_started"], "x-owner": "team:learning"}
    graph = World(tmp_path, {**SCHEMAS, "lesson_started": lesson}).definitions().resolve_asset_graph()
    groups: dict[str | None, set[str]] = {}
    for key in graph.get_all_asset_keys():
        groups.setdefault(graph.get(key).group_name, set()).add(key.to_user_string())
    assert groups == {
        "raw": {"raw_events", "corrupt_events"},
        "deduplicated": {"deduplicated_events", "duplicate_events", "unregistered_events"},
        "account": {"events/account_created"},
        "lesson": {"events/lesson_started"},
        "payment": {"events/payment_order_completed"},
        "quality": {"quality_report"},
    }
    assert [graph.get(key).owners for key in (LESSON, ACCOUNT)] == [["team:learning"], []]
    layers = {key.to_user_string(): graph.get(key).tags["layer"] for key in graph.get_all_asset_keys()}
    assert {layer for name, layer in layers.items() if name.startswith("events/")} == {"typed"}
    assert {name for name, layer in layers.items() if layer == "quarantine"} == {
        *("corrupt_events", "duplicate_events", "unregistered_events")
    }
    assert [graph.get(key).tags.get("event_type") for key in (PAYMENT, UNREGISTERED)] == ["payment", None]


def test_the_sample_catalog_has_small_groups(world: World) -> None:
    """The UI can show each of them at once; together they have all event types."""
    catalog = load_catalog(SAMPLE_CATALOG)
    graph = build_definitions(world.environment, catalog).resolve_asset_graph()
    sizes = Counter(graph.get(event_key(event_type)).group_name for event_type in catalog.event_types)
    assert (sizes.total(), max(sizes.values())) == (100, 6)


@pytest.mark.parametrize("asset", ["raw_events", "deduplicated_events"])
def test_a_partition_without_anything_is_materialized_all_the_same(world: World, asset: str) -> None:
    """It has no rows, and that is known."""
    result = world.materialize(MONDAY)
    assert result.success
    (only,) = [each for each in result.get_asset_materialization_events() if each.asset_key == dg.AssetKey(asset)]
    assert only.partition == MONDAY.isoformat()
    assert only.materialization.metadata["dagster/partition_row_count"].value == 0


def test_raw_events_and_every_event_table_have_to_be_fresh(tmp_path: Path) -> None:
    """A warning comes before the failure; what has no rows on good days has no policy. A schema says its own hours."""
    rare = {**SCHEMAS["account_created"], "x-freshness": {"warn_hours": 24, "fail_hours": 36.5}}
    world = World(tmp_path, {**SCHEMAS, "account_created": rare})
    graph = world.definitions().resolve_asset_graph()
    policies = {key: graph.get(key).freshness_policy for key in graph.get_all_asset_keys()}
    windows = {
        key.to_user_string(): (policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta())
        for key, policy in policies.items()
        if isinstance(policy, TimeWindowFreshnessPolicy) and policy.warn_window
    }
    hours: dict[str, tuple[float, float]] = {
        "raw_events": (2, 6),
        **{f"events/{key}": (3, 12) for key in world.catalog.by_key},
    }
    hours["events/account_created"] = (24, 36.5)
    assert windows == {key: (timedelta(hours=warn), timedelta(hours=fail)) for key, (warn, fail) in hours.items()}


def test_a_step_lists_the_keys_of_its_assets_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not for each of its assets, as Dagster does: see `list_outputs_once`, which may go when Dagster does not."""
    listed = Counter[str]()
    list_keys = StepExecutionContext.get_output_asset_keys

    def counted(step: StepExecutionContext) -> AbstractSet[dg.AssetKey]:
        listed[step.step.key] += 1
        return list_keys(step)

    monkeypatch.setattr(StepExecutionContext, "get_output_asset_keys", counted)
    world.deliver(MONDAY, "a", event("u1"))
    world.materialize(MONDAY)
    assert listed["typed_events"] <= 2  # before the step begins, and then once; it has four assets
