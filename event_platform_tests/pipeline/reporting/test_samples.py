"""Samples of rows that break a rule: real ones, few, and none of values that are in `_rescued`."""

import polars as pl

from event_platform.pipeline.reporting.samples import EventFiles, sample_broken_rules
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

FIGURES = pl.Schema({"figure": pl.String, "event_name": pl.String, "label": pl.String, "value": pl.Int64})


def samples(world: World, *rules: tuple[str, str, int]) -> list[tuple[str, str | None, str]]:
    """Return the samples of Monday for rules with their counts: rule, value and event_uuid."""
    figures = [("broken_rule", *rule) for rule in rules]
    snapshots = [(each, world.lake.event_table(each).snapshot()) for each in world.catalog.event_types]
    tables = [EventFiles(each, table.table, table.schema, table.files([MONDAY])) for each, table in snapshots]
    frame = sample_broken_rules(tables, pl.DataFrame(figures, schema=FIGURES, orient="row"))
    return list(frame.select("rule", "value", "event_uuid").iter_rows())


def lesson(uuid: str, **payload: object) -> dict[str, object]:
    """Return a lesson of Monday."""
    return event(uuid, MONDAY, "lesson:started", **{"user": "usr_1", **payload})


def test_each_rule_has_two_rows_that_break_it(world: World) -> None:
    """Values as text, those of one day, by their uuids."""
    broken = [lesson(f"u{number}", level=number) for number in (10, 11, 12)]
    world.deliver(MONDAY, "a", *broken, lesson("fast", mode="warp"), lesson("low", level=0), lesson("fine", level=5))
    world.deliver(TUESDAY, "b", event("tuesday", TUESDAY, "lesson:started", user="usr_1", level=99))
    world.build(MONDAY, TUESDAY)
    rules = [("maximum: level", 3), ("minimum: level", 1), ("enum: mode", 1)]
    assert samples(world, *(("lesson:started", *rule) for rule in rules)) == [
        ("maximum: level", "10", "u10"),
        ("maximum: level", "11", "u11"),
        ("enum: mode", "warp", "fast"),
        ("minimum: level", "0", "low"),
    ]


def test_a_rescued_value_is_no_sample_of_a_missing_one(world: World) -> None:
    """Its column is null, and it is in `_rescued`."""
    rescued, missing = lesson("a", user=7, color="red"), lesson("b", color="red")
    del missing["user"]
    world.deliver(MONDAY, "a", rescued, missing)
    world.build(MONDAY)
    assert samples(world, ("lesson:started", "required: user", 1)) == [("required: user", None, "b")]


def test_what_is_no_longer_a_rule_or_a_type_has_no_samples(world: World) -> None:
    """Figures may be older than the catalog."""
    world.deliver(MONDAY, "a", lesson("a", level=99))
    world.build(MONDAY)
    assert samples(world, ("lesson:started", "minimum: score", 1), ("lesson:ended", "maximum: level", 1)) == []
    assert samples(world) == []
