"""Everything of a created_date → quality_report and a page."""

import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from event_platform.checks.thresholds import DEFAULT_THRESHOLDS
from event_platform.compute.pool import LocalPool
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.reporting.step import report_quality
from event_platform.pipeline.sizing import DEFAULT_SIZING
from event_platform_tests.support.world import (
    MONDAY,
    SCHEMAS,
    TUESDAY,
    WEDNESDAY,
    World,
    event,
    ndjson,
    noon,
    rows,
    write_catalog,
)


def figures(world: World, day: date, but: Sequence[str] = ()) -> dict[tuple[str, str | None, str | None], int]:
    """Return the figures of a day in quality_report by figure, event_name and label, without those of `but`."""
    table = rows(world.lake.quality_report, "figure", "event_name", "label")
    return {
        (figure, name, label): value
        for day_of, figure, name, label, value in table.iter_rows()
        if day_of == day and figure not in but
    }


def page(world: World, day: date) -> bytes:
    """Return the page of a day."""
    return (world.root / "lake" / "reports" / "quality" / f"{day}.html").read_bytes()


def test_a_day_is_counted_by_everything_that_matters(world: World) -> None:
    """Each figure counted by hand: two hours, a late event, both kinds of duplicates, corrupt records, drift."""
    lesson = event("u3", MONDAY, "lesson:started", user="usr_1", level="7", color="red", tint=1)
    one_later = {**event("u2"), "created_at": noon(MONDAY) + 3600}
    world.deliver(MONDAY, "a", event("u1"), lesson, event("u4", MONDAY, "ping"), "{broken", event(""), "{broken")
    world.deliver(MONDAY, "b", one_later, event("u1"), event("u1", plan="pro"), hour=13)
    world.deliver(WEDNESDAY, "late", event("u5", MONDAY, "lesson:started", user="usr_2", color="blue"), "{broken")
    world.build(MONDAY, WEDNESDAY)
    assert figures(world, MONDAY, but=("null", "bytes", "rows", "sampled", "distinct")) == {
        ("events", "account:created", "12"): 1,
        ("events", "account:created", "13"): 1,
        ("events", "lesson:started", "12"): 2,
        ("events", None, "12"): 1,
        ("arrivals", None, "2025-06-02 12:00"): 3,
        ("arrivals", None, "2025-06-02 13:00"): 1,
        ("arrivals", None, "2025-06-04 12:00"): 1,
        ("lateness", None, "in the same hour"): 4,
        ("lateness", None, "1 to 6 days later"): 1,
        ("lag", None, "0"): 4,
        ("lag", None, "48"): 1,
        ("late", "lesson:started", None): 1,
        ("duplicates", "account:created", "redelivery"): 1,
        ("duplicates", "account:created", "conflict"): 1,
        ("corrupt", None, "not_json"): 2,
        ("corrupt", None, "missing_event_uuid"): 1,
        ("landed", None, None): 9,
        ("sound", None, None): 6,
        ("created", None, None): 7,
        ("objects", None, "12"): 1,
        ("objects", None, "13"): 1,
        ("unregistered", "ping", None): 1,
        ("unregistered_names", None, None): 1,
        ("rescued_field", "lesson:started", "level"): 1,
        ("unknown_field", "lesson:started", "color"): 2,
        ("unknown_field", "lesson:started", "tint"): 1,
    }
    assert figures(world, WEDNESDAY, but=("bytes", "rows")) == {
        ("corrupt", None, "not_json"): 1,
        ("landed", None, None): 2,
        ("sound", None, None): 1,
        ("objects", None, "12"): 1,
    }


@pytest.mark.parametrize(
    ("arrived", "hour", "lateness"),
    [
        (MONDAY, 11, "before it was created"),
        (MONDAY, 12, "in the same hour"),
        (MONDAY, 13, "in the next hour"),
        (MONDAY, 14, "2 to 5 hours later"),
        (MONDAY, 17, "2 to 5 hours later"),
        (MONDAY, 18, "6 to 23 hours later"),
        (TUESDAY, 11, "6 to 23 hours later"),
        (TUESDAY, 12, "1 to 6 days later"),
        (date(2025, 6, 9), 11, "1 to 6 days later"),
        (date(2025, 6, 9), 12, "7 days later, or more"),
    ],
)
def test_lateness_goes_by_the_hour_in_the_path(world: World, arrived: date, hour: int, lateness: str) -> None:
    """Of an event that was created at noon."""
    world.deliver(arrived, "a", event("u1"), hour=hour)
    world.build(*{arrived, MONDAY})
    assert [label for figure, _, label in figures(world, MONDAY) if figure == "lateness"] == [lateness]


@pytest.mark.parametrize(
    ("arrived", "lateness"),
    [
        (date(2025, 6, 1), "before it was created"),
        (MONDAY, "on the same day"),
        (TUESDAY, "1 to 6 days later"),
        (date(2025, 6, 9), "7 days later, or more"),
    ],
)
def test_lateness_goes_by_the_day_where_a_path_has_no_hour(world: World, arrived: date, lateness: str) -> None:
    """It cannot be known better."""
    path = world.root / "landing" / f"{arrived:%Y/%m/%d}" / "a"
    path.parent.mkdir(parents=True)
    path.write_bytes(ndjson(event("u1")))
    world.build(*{arrived, MONDAY})
    values = figures(world, MONDAY)
    assert [label for figure, _, label in values if figure == "lateness"] == [lateness]
    assert values["arrivals", None, str(arrived)] == 1


def test_the_same_day_gives_the_same_bytes(tmp_path: Path) -> None:
    """In another lake, and again in the same one."""
    pages = []
    for name in ("one", "other"):
        world = World(tmp_path / name)
        names = ["account:created", "lesson:started", "ping"]
        records = [event(f"u{each}", MONDAY, names[each % 3], color=f"c{each}") for each in range(30)]
        world.deliver(MONDAY, "a", *records, "{broken", "[]", "{worse")
        world.build(MONDAY)
        pages.append(page(world, MONDAY))
        world.report(MONDAY)
        pages.append(page(world, MONDAY))
    assert len(set(pages)) == 1


def test_an_empty_day_has_a_page_that_says_so(world: World) -> None:
    """And no figures; it is known that there are none."""
    world.build(MONDAY)
    assert figures(world, MONDAY) == {}
    assert b"There is nothing on this day" in page(world, MONDAY)
    assert world.lake.quality_report.snapshot().source_version(MONDAY) is not None


def test_the_report_of_a_day_leaves_the_other_days_alone(world: World) -> None:
    """Their files and pages stay, to the byte."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"u-{day}", day))
    world.build(MONDAY, TUESDAY)
    files = {file.path for file in world.lake.quality_report.snapshot().files([MONDAY])}
    old_time = (world.root / "lake" / "reports" / "quality" / "2025-06-02.html").stat().st_mtime_ns
    world.deliver(TUESDAY, "b", event("more", TUESDAY))
    world.build(TUESDAY)
    assert {file.path for file in world.lake.quality_report.snapshot().files([MONDAY])} == files
    assert (world.root / "lake" / "reports" / "quality" / "2025-06-02.html").stat().st_mtime_ns == old_time
    assert figures(world, TUESDAY)["events", "account:created", "12"] == 2


def test_a_report_is_due_until_it_is_made_of_the_newest_events(world: World) -> None:
    """A run that was stopped before the report leaves its day due, and no other."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"u-{day}", day))
    world.build(MONDAY, TUESDAY)
    world.deliver(MONDAY, "b", event("more"))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    world.type(MONDAY)
    assert due_created_dates(world.lake, world.catalog).days == [MONDAY]
    world.report(MONDAY)
    assert due_created_dates(world.lake, world.catalog).days == []


def test_a_report_is_due_where_the_schema_of_what_has_drifted_was_fixed(world: World) -> None:
    """And again where the event table was built with it; until then, a day without drift is as good as before."""
    world.deliver(MONDAY, "a", event("l1", name="lesson:started", user="usr_1", extra=1))
    world.deliver(TUESDAY, "a", event("l2", TUESDAY, "lesson:started", user="usr_1"))
    world.build(MONDAY, TUESDAY)
    assert ("unknown_field", "lesson:started", "extra") in figures(world, MONDAY)
    assert not due_created_dates(world.lake, world.catalog).all_days
    lesson = SCHEMAS["lesson_started"]
    fixed = {**lesson, "properties": {**lesson["properties"], "extra": {"type": "integer"}}}
    write_catalog(world.root / "catalog", {"lesson_started": fixed})
    for rebuild in (False, True):
        if rebuild:
            world.type(MONDAY, TUESDAY)
        due_dates = due_created_dates(world.lake, world.catalog)
        due = [MONDAY, TUESDAY] if rebuild else [MONDAY]
        assert (due_dates.days, sorted(due_dates.reports)) == ([], due)
        world.report(*due)
        due_dates = due_created_dates(world.lake, world.catalog)
        assert (due_dates.reports, due_dates.all_days) == (
            {},
            set() if rebuild else {MONDAY},
        )  # its rows have a column to go to
    drift = ("unknown_field", "rescued_field")
    assert not [figure for figure in figures(world, MONDAY) if figure[0] in drift]


def test_a_report_is_due_where_a_table_that_it_counts_was_made_again(world: World) -> None:
    """Here the names that had no type; the report alone, not all that is made of raw_events."""
    world.deliver(MONDAY, "a", event("u1"), event("u2", name="beta:clicked"))
    world.build(MONDAY)
    write_catalog(world.root / "catalog", {"beta_clicked": {"title": "beta:clicked", "type": "object"}})
    world.type(MONDAY)
    due_dates = due_created_dates(world.lake, world.catalog)
    assert (due_dates.days, list(due_dates.reports)) == ([], [MONDAY])
    assert due_dates.sentences == [
        "quality_report: due on 1 day, such as 2025-06-02 (its tables, or the fields of the catalog, changed since)"
    ]
    world.report(MONDAY)
    assert not due_created_dates(world.lake, world.catalog).all_days


def test_a_report_whose_table_is_gone_is_due(world: World) -> None:
    """Only the existing days show it."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    shutil.rmtree(world.root / "lake" / "quality_report")
    version = world.lake.raw_events.snapshot().version
    assert due_created_dates(world.lake, world.catalog, since=version).reports == {MONDAY: "it was never built"}


def test_names_and_fields_without_number_stay_a_bounded_report(world: World) -> None:
    """A producer that writes ids into them: the largest 500 are named, the others are one row together."""
    unknown: dict[str, Any] = {f"field_{each:04}": each for each in range(600)}
    world.deliver(
        MONDAY,
        "a",
        event("u1", plan="pro", **unknown),
        {**event("u2", field_0599=1), "x" * 5000: 1},
        *(event(f"n{each}", MONDAY, f"name:{each:04}") for each in range(600)),
    )
    world.build(MONDAY)
    values = figures(world, MONDAY)
    fields = {label: value for (figure, _, label), value in values.items() if figure == "unknown_field"}
    assert (len(fields), fields["field_0599"], fields[None]) == (501, 2, 101)
    names = {name: value for (figure, name, _), value in values.items() if figure == "unregistered"}
    assert (len(names), names["name:0000"], names[None]) == (501, 1, 100)
    assert values["unregistered_names", None, None] == 600
    assert values["events", None, "12"] == 600
    assert len(page(world, MONDAY)) < 100_000


def test_a_key_written_twice_is_drift(world: World) -> None:
    """The record is in _rescued, whole."""
    body = f'{{"event_uuid":"u1","event_name":"account:created","created_at":{noon(MONDAY)},"plan":"a","plan":"b"}}'
    world.deliver(MONDAY, "a", body)
    world.build(MONDAY)
    assert figures(world, MONDAY)["repeated_key", "account:created", None] == 1


@pytest.mark.parametrize(("small_rows", "opened"), [(4_002, False), (4_001, True)])
def test_few_rows_are_reported_without_a_pool(world: World, small_rows: int, opened: bool) -> None:
    """Its processes would import for longer than the driver takes. A day is as many as two thousand rows."""
    days = (MONDAY, TUESDAY)
    for day in days:
        world.deliver(day, "a", event(f"u-{day}", day))
    world.load(*days)
    world.deduplicate(*days)

    def open_pool() -> ProcessPoolExecutor:
        raise InterruptedError

    context = PipelineContext(
        world.lake, LocalPool(open_pool, 2), sizing=replace(DEFAULT_SIZING, small_rows=small_rows)
    )
    with pytest.raises(InterruptedError) if opened else nullcontext():
        assert len(report_quality(context, world.catalog, DEFAULT_THRESHOLDS, days, MONDAY)) == 2
