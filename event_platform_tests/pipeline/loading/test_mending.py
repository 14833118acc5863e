"""Dead letters that functions of the catalog mend: when they are loaded, later, and when a function is withdrawn."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.event import MENDED_BY
from event_platform.lake.balance import ArrivalBalance, arrival_balances
from event_platform.lake.registry import RAW_EVENTS
from event_platform.pipeline.loading.mending import due_mending
from event_platform_tests.support.mending import FUNCTIONS, all_rows, build_due, mend, versions, write_functions
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event, gzipped, ndjson, noon, rows

#: A record for each function, which it makes sound.
DAMAGED: dict[str, dict[str, Any] | str | bytes] = {
    "milliseconds": {**event("late"), "created_at": 1000 * noon(MONDAY)},
    "iso": {**event("text"), "created_at": "2025-06-02T12:00:00+00:00"},
    "commas": '{"event_uuid": "comma", "event_name": "account:created", "created_at": 1748865600,}',
    "not_a_number": '{"event_uuid": "nan", "event_name": "account:created", "created_at": 1748865600, "x": NaN}',
    "latin_1": b'{"event_uuid": "caf\xe9", "event_name": "account:created", "created_at": 1748865600, "p": "\\\\xe9"}',
    "by_user": {"event_name": "account:created", "created_at": noon(MONDAY), "user": "usr_1"},
    "renamed": event("order", name="Order Completed", amount=5),
}


def deliver_all(world: World) -> None:
    """Deliver two objects with damage among sound records, and two without, on two days."""
    middle = list(DAMAGED.values())
    world.deliver(MONDAY, "a.json", event("a"), *middle[:4], event("b"))
    world.deliver(MONDAY, "b.json.gz", event("c"), event("d"))
    world.deliver(TUESDAY, "c.json", event("e", TUESDAY), *middle[4:], "beyond repair", event("a"))
    world.deliver(WEDNESDAY, "d.json", event("f", WEDNESDAY))


def functions_of(world: World) -> list[str | None]:
    """Return the name of the function that mended each record of raw_events, in the order of arrival."""
    labels = world.raw()[MENDED_BY]
    return [label and label.partition(":")[2].partition("@")[0] for label in labels]


@pytest.fixture(scope="module")
def never(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake that never had functions."""
    world = World(tmp_path_factory.mktemp("never"))
    deliver_all(world)
    world.load(MONDAY, TUESDAY, WEDNESDAY)
    build_due(world)
    return world


@pytest.fixture(scope="module")
def always(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake that had them from the beginning."""
    world = World(tmp_path_factory.mktemp("always"))
    write_functions(world)
    deliver_all(world)
    world.load(MONDAY, TUESDAY, WEDNESDAY)
    build_due(world)
    return world


def test_records_are_mended_as_they_are_loaded_and_take_the_place_where_they_landed(always: World) -> None:
    """Each by its function; what none mends stays corrupt."""
    names = [*DAMAGED]
    expected = [None, *names[:4], None, None, None, None, *names[4:], None, None, None]
    assert functions_of(always) == expected
    raw = always.raw()
    assert raw["source_offset"].to_list() == [0, 1, 2, 3, 4, 5, 0, 1, 0, 1, 2, 3, 4, 5, 0]
    assert raw["corruption_reason"].drop_nulls().to_list() == ["not_json"]
    bodies = dict(zip(functions_of(always), map(json.loads, raw["body"].str.replace("beyond.*", "{}")), strict=True))
    assert bodies["milliseconds"]["created_at"] == noon(MONDAY)
    assert (bodies["latin_1"]["event_uuid"], bodies["latin_1"]["p"]) == ("café", "\\xe9")
    assert always.event_table("payment_order_completed").snapshot().scan().collect()["amount"].to_list() == [5.0]
    assert not due_mending(always.lake, always.catalog.mending)


def test_they_are_in_the_balance(always: World, never: World) -> None:
    """As counted from the log and in rows, and in the report."""
    assert arrival_balances(always.lake) == [
        ArrivalBalance(MONDAY, 8, 8, 0, 0, mended=4),
        ArrivalBalance(TUESDAY, 6, 5, 1, 0, mended=3),
        ArrivalBalance(WEDNESDAY, 1, 1, 0, 0),
    ]
    assert arrival_balances(always.lake, in_rows=True) == arrival_balances(always.lake)
    report = rows(always.lake.quality_report, "created_date").filter(figure="mended")
    assert dict(report.select("created_date", "value").iter_rows()) == {MONDAY: 4, TUESDAY: 3}
    assert [day.mended for day in arrival_balances(never.lake)] == [0, 0, 0]


def test_functions_that_come_later_give_the_lake_that_had_them_before(always: World, never: World) -> None:
    """Removing them restores the lake that never had them; a second run writes nothing."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        deliver_all(world)
        world.load(MONDAY, TUESDAY, WEDNESDAY)
        build_due(world)
        before = rows(world.lake.raw_events, "arrival_date", "source_object", "source_offset")
        assert all_rows(world) == all_rows(never)

        write_functions(world)
        assert due_mending(world.lake, world.catalog.mending) == {MONDAY: 4, TUESDAY: 4}
        reports = world.load(MONDAY, TUESDAY, WEDNESDAY, mend=True)
        assert [each.objects for each in reports.values()] == [1, 1, 0]  # of those that were loaded, four
        # Whatever kills the command here, what follows is due.
        build_due(world)
        assert all_rows(world) == all_rows(always)

        done = versions(world)
        mend(world)
        assert versions(world) == done
        world.load(MONDAY, TUESDAY, WEDNESDAY, mend=True)
        assert world.lake.raw_events.snapshot().version == done["raw_events"]

        write_functions(world, None)
        assert due_mending(world.lake, world.catalog.mending) == {MONDAY: 4, TUESDAY: 3}
        mend(world)
        assert all_rows(world) == all_rows(never)
        assert world.raw().equals(before)
        assert not due_mending(world.lake, world.catalog.mending)


def test_a_changed_function_replaces_what_the_former_one_made(world: World) -> None:
    """As its file has another digest."""
    write_functions(world)
    world.deliver(MONDAY, "a.json", DAMAGED["renamed"], DAMAGED["commas"])
    world.load(MONDAY)
    build_due(world)
    (former,) = set(world.raw()[MENDED_BY].str.slice(-8))
    write_functions(world, FUNCTIONS.replace('"payment:order:completed"', '"account:created"'))
    assert due_mending(world.lake, world.catalog.mending) == {MONDAY: 2}
    mend(world)
    (present,) = set(world.raw()[MENDED_BY].str.slice(-8))
    assert present != former
    assert world.events("account_created")["event_uuid"].to_list() == ["comma", "order"]
    assert world.event_table("payment_order_completed").snapshot().rows_by_date() == {}


def test_a_mended_record_that_arrived_first_is_the_survivor(world: World) -> None:
    """The former survivor becomes a duplicate."""
    world.deliver(MONDAY, "a.json", {**event("x", plan="first"), "created_at": 1000 * noon(MONDAY)})
    world.deliver(TUESDAY, "b.json", event("x", plan="second"))
    world.load(MONDAY, TUESDAY)
    build_due(world)
    assert world.events("account_created")["plan"].to_list() == ["second"]
    write_functions(world)
    mend(world)
    assert world.events("account_created")["plan"].to_list() == ["first"]
    (duplicate,) = world.lake.duplicate_events.snapshot().scan().collect().to_dicts()
    assert (duplicate["source_object"], duplicate["kind"]) == ("2025/06/03/12/b.json", "conflict")
    (survivor,) = world.lake.deduplicated_events.snapshot().scan().collect()[MENDED_BY]
    assert survivor.startswith("rules:milliseconds@")


def test_a_day_that_got_objects_before_and_after_a_function_is_due_until_all_are_alike(world: World) -> None:
    """Whatever functions there are by then."""
    world.deliver(MONDAY, "a.json", DAMAGED["iso"])
    world.load(MONDAY)
    write_functions(world)
    world.deliver(MONDAY, "b.json", DAMAGED["commas"])
    world.load(MONDAY)
    assert functions_of(world) == [None, "commas"]
    assert MONDAY in due_mending(world.lake, world.catalog.mending)
    # Without functions again, the second object is not as it would be.
    write_functions(world, None)
    assert MONDAY in due_mending(world.lake, world.catalog.mending)
    write_functions(world)
    mend(world)
    assert functions_of(world) == ["iso", "commas"]
    assert not due_mending(world.lake, world.catalog.mending)


def test_an_error_in_a_function_stops_nobody_and_is_said(world: World) -> None:
    """Nor does a result of another type, or one that is still corrupt."""
    write_functions(
        world,
        "from event_platform.events.mending import mends\n"
        "@mends(reason='not_json')\ndef fails(record): return record.body[99]\n"
        "@mends(reason='created_at_out_of_range')\ndef text(record): return 'no bytes'\n"
        "@mends(reason='missing_event_uuid')\ndef same(record): return record.body\n",
    )
    world.deliver(MONDAY, "a.json", "{", event("a"), DAMAGED["milliseconds"], DAMAGED["by_user"], "nothing")
    report = world.load(MONDAY)[MONDAY]
    assert world.raw()["corruption_reason"].drop_nulls().len() == 4
    label = world.catalog.mending.functions[0].label
    assert report.mend_outcome.error_counts["not_json", label] == 2
    assert "2025/06/02/12/a.json, record 0: IndexError" in report.mend_outcome.first_errors[label]
    assert [warning.partition(":")[0] for warning in report.mend_outcome.warnings] == ["rules"] * 2
    assert list(report.mend_outcome.failure_counts.values()) == [1]


def test_rows_of_an_object_that_has_gone_stay_and_are_due_no_more(world: World) -> None:
    """They cannot be read again."""
    path = world.deliver(MONDAY, "a.json", DAMAGED["iso"])
    world.load(MONDAY)
    path.unlink()
    write_functions(world)
    (report,) = world.load(MONDAY, mend=True).values()
    assert report.unmended_objects == 1
    assert functions_of(world) == [None]
    assert not due_mending(world.lake, world.catalog.mending)


def test_a_day_that_lost_a_file_is_mended_as_it_is_loaded_again(world: World) -> None:
    """All of its objects are read then."""
    world.deliver(MONDAY, "a.json", DAMAGED["iso"], event("a"))
    world.load(MONDAY)
    (file,) = world.lake.raw_events.snapshot().files()
    Path(file.uri).unlink()
    write_functions(world)
    world.load(MONDAY, mend=True)
    assert functions_of(world) == ["iso", None]
    assert not due_mending(world.lake, world.catalog.mending)


def test_a_lake_of_a_release_without_the_column_gets_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next load."""
    old = replace(RAW_EVENTS, columns=tuple(each for each in RAW_EVENTS.columns if each.name != MENDED_BY))
    world.deliver(MONDAY, "a.json", DAMAGED["iso"], event("a"))
    with monkeypatch.context() as patch:
        for module in ("lake.lake", "pipeline.loading.objects"):
            patch.setattr(f"event_platform.{module}.RAW_EVENTS", old)
        world.load(MONDAY)
        assert MENDED_BY not in world.lake.raw_events.snapshot().stored_schema
    build_due(world)
    world.deliver(MONDAY, "b.json", event("b"))
    write_functions(world)
    mend(world)
    assert functions_of(world) == ["iso", None, None]


def _parquet(records: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(records).write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("a.json", lambda records: ndjson(*records)),
        ("a.json.gz", lambda records: gzipped(ndjson(*records))),
        ("a.json", lambda records: b"".join(json.dumps(each).encode() for each in records)),
        ("a.parquet", _parquet),
    ],
    ids=["ndjson", "gzip", "concatenated", "parquet"],
)
def test_records_of_any_format_are_mended(world: World, name: str, encode: Callable[[list[Any]], bytes]) -> None:
    """A row of Parquet is read as JSON."""
    write_functions(world)
    world.deliver_bytes(MONDAY, name, encode([event("a"), DAMAGED["milliseconds"], event("b")]))
    world.load(MONDAY)
    assert functions_of(world) == [None, "milliseconds", None]


def test_records_in_wrappers_are_mended_each_by_itself(tmp_path: Path) -> None:
    """And a wrapper that is damaged stays what it is."""
    world = World(tmp_path, envelope={"records": "Records[]"})
    write_functions(world)
    wrapper = json.dumps({"Records": [event("a"), DAMAGED["milliseconds"], DAMAGED["iso"]]})
    world.deliver(MONDAY, "a.json", wrapper, b'{"Records": "caf\xe9"}')
    world.load(MONDAY)
    assert functions_of(world) == [None, "milliseconds", "iso", None]


RECORDS = st.lists(
    st.tuples(st.sampled_from([*DAMAGED, "", "beyond repair"]), st.sampled_from("ab"), st.booleans()), max_size=6
)


@settings(max_examples=4)
@given(before=RECORDS, after=RECORDS, later=st.sampled_from([1, 2]))
def test_when_a_function_came_does_not_matter(before: Any, after: Any, later: int) -> None:
    """Before, between or after any records, with any damage."""
    results = []
    for moment in (0, later):
        with TemporaryDirectory() as folder:
            world = World(Path(folder))
            for number, records in enumerate((before, after)):
                if number == moment:
                    write_functions(world)
                for place, (damage, uuid, is_tuesday) in enumerate(records):
                    day = TUESDAY if is_tuesday else MONDAY
                    record = DAMAGED.get(damage, event(uuid) if damage == "" else damage)
                    world.deliver(day, f"{number}{place}.json", record, event(uuid, name="Order Completed"))
                world.load(MONDAY, TUESDAY)
                build_due(world)
            write_functions(world)
            mend(world)
            results.append(all_rows(world))
    assert results[0] == results[1]
