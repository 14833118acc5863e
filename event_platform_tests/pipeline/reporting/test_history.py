"""The history equals SQL sums over quality_report, whatever happens to its files."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from event_platform.pipeline.reporting.history import read_months, rows_of
from event_platform_tests.support.world import MONDAY, TUESDAY, World, copy_of, event, rows

MAY = date(2025, 5, 30)
DAYS = (MAY, MONDAY, TUESDAY)

SUMS = """
    select created_date, figure, event_name, case when figure <> 'events' then label end as label,
        cast(sum(value) as bigint) as value
    from report where figure not in ('arrivals', 'lateness') group by all
"""


def summed(world: World) -> list[Any]:
    """Return what SQL sums in quality_report."""
    report = rows(world.lake.quality_report).to_arrow()
    with duckdb.connect() as connection:
        return in_order(connection.register("report", report).execute(SUMS).pl())


def history(world: World, first: date = MAY, last: date = TUESDAY) -> list[Any]:
    """Return the rows of the history."""
    report = world.lake.quality_report.snapshot()
    months = read_months(report, {day for day in report.rows_by_date() if first <= day <= last})
    return in_order(rows_of(months).filter(pl.col("created_date").is_between(first, last)))


def in_order(frame: pl.DataFrame) -> list[Any]:
    """Return rows in an order."""
    return sorted(frame.rows(), key=repr)


def month(world: World, name: str = "2025-06") -> Path:
    """Return the file of a month."""
    return world.root / "lake" / "reports" / "quality" / "history" / f"{name}.parquet"


def lesson(uuid: str, day: date, **payload: Any) -> dict[str, Any]:
    """Return an event of lesson:started."""
    return event(uuid, day, "lesson:started", **payload)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three days of two months, of which one has late data."""
    world = World(tmp_path_factory.mktemp("built"))
    for day in DAYS:
        world.deliver(day, "a", event(f"a-{day}", day), lesson(f"b-{day}", day, level="high"), "{broken")
        world.deliver(day, "b", event(f"c-{day}", day), event(f"p-{day}", day, "ping"), hour=15)
    world.deliver(TUESDAY, "late", lesson("late", MONDAY, new=1))
    world.build(*DAYS)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the partitions of quality_report whose rows are read from now on, as they are."""
    read: list[str] = []
    scan = pl.scan_parquet

    def note(uris: list[str], **options: Any) -> pl.LazyFrame:
        read.extend(Path(uri).parent.name for uri in uris if "quality_report" in uri)
        return scan(uris, **options)

    monkeypatch.setattr(pl, "scan_parquet", note)
    return read


def test_the_history_is_what_sql_sums(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the days that are asked for; and no row of the table is read for it."""
    expected = summed(built)
    read = read_files(monkeypatch)
    assert history(built) == expected
    assert history(built, MONDAY, MONDAY) == [row for row in expected if row[0] == MONDAY]
    assert read == []


def test_a_day_that_is_added_reads_and_writes_its_month(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other; of the table, only the day before is read: its page gets a link."""
    may, june = month(built, "2025-05"), month(built)
    old_time = may.stat().st_mtime_ns
    old_bytes = june.read_bytes()
    wednesday = TUESDAY + timedelta(days=1)
    built.deliver(wednesday, "a", event("w", wednesday))
    read = read_files(monkeypatch)
    built.build(wednesday)
    assert read == [f"created_date={TUESDAY}"]
    assert may.stat().st_mtime_ns == old_time
    assert june.read_bytes() != old_bytes
    assert history(built, MAY, wednesday) == summed(built)


def delete(world: World) -> None:
    """Delete the file of a month."""
    month(world).unlink()


def damage(world: World) -> None:
    """Cut the file of a month."""
    month(world).write_bytes(month(world).read_bytes()[:100])


def change_columns(world: World) -> None:
    """Write the file of a month as another release would."""
    pl.read_parquet(month(world)).rename({"value": "values"}).write_parquet(month(world))


def bring_back(world: World) -> None:
    """Write the file of a month as a slower run does, which knows nothing of a newer day."""
    old = month(world).read_bytes()
    world.deliver(MONDAY, "more", event("more"), lesson("l-more", MONDAY, level=1))
    world.build(MONDAY)
    month(world).write_bytes(old)


@pytest.mark.parametrize("change", [delete, damage, change_columns, bring_back])
def test_a_file_that_is_gone_or_old_is_only_slower(
    built: World, change: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its days are read from the table, until the next report writes the month."""
    change(built)
    expected = summed(built)
    read = read_files(monkeypatch)
    assert history(built) == expected
    assert set(read) == {f"created_date={MONDAY}", *([] if change is bring_back else [f"created_date={TUESDAY}"])}
    built.report(MAY)
    read.clear()
    assert history(built) == expected
    assert read == []


def test_a_day_that_is_gone_from_the_report_is_gone(built: World) -> None:
    """Its rows in the history are of a file that the table has no more."""
    snapshot = built.lake.quality_report.snapshot()
    assert snapshot.delta is not None
    snapshot.delta.delete(f"created_date = '{MONDAY}'")
    assert {row[0] for row in history(built)} == {MAY, TUESDAY}


def test_lists_are_cut_to_the_largest(world: World) -> None:
    """Those of names, and of the fields of each type; the others are one row together."""
    names = [event(f"n{number}", MONDAY, f"name:{number:02}") for number in range(60)]
    fields: dict[str, Any] = {f"field_{number:02}": 1 for number in range(70)}
    world.deliver(MONDAY, "a", *names, event("more", MONDAY, "name:59"), event("f1", **fields))
    world.deliver(MONDAY, "b", lesson("f2", MONDAY, **fields), lesson("f3", MONDAY, field_69=1))
    world.build(MONDAY)
    values = {row[1:4]: row[4] for row in history(world)}
    unregistered = {name: value for (figure, name, _), value in values.items() if figure == "unregistered"}
    assert (len(unregistered), unregistered["name:59"], unregistered[None]) == (51, 2, 10)
    for name, largest in (("account:created", 1), ("lesson:started", 2)):
        of_type = {row[2]: value for row, value in values.items() if row[:2] == ("unknown_field", name)}
        assert (len(of_type), of_type.get("field_69", 1), of_type[None]) == (51, largest, 20)
    assert values["unregistered_names", None, None] == 60
