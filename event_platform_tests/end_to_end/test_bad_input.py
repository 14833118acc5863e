"""Bad input, and what it gets: a row with a reason each, or a place in `_rescued`; its neighbours get their due."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from event_platform.events.errors import LandingError
from event_platform.lake.totals import lake_totals
from event_platform.landing.folder import FolderLanding
from event_platform_tests.support.world import MONDAY, World, event, gzipped, ndjson, noon, rows

SOUND = json.dumps(event("bad"))


def changed(**fields: Any) -> str:
    """Return a sound event's text with other values of some fields."""
    return json.dumps({**event("bad"), **fields})


def without(field: str) -> str:
    """Return a sound event's text without a field."""
    return json.dumps({key: value for key, value in event("bad").items() if key != field})


def written(field: str, text: str) -> str:
    """Return a sound event's text with a field's value exactly as given."""
    return SOUND.replace(f'"{field}": {json.dumps(event("bad")[field])}', f'"{field}": {text}')


#: What a record is called, its bytes, and the reasons of the rows that it becomes (None: sound).
RECORDS: list[tuple[str, str | bytes, list[str | None]]] = [
    ("empty object", "{}", ["missing_event_uuid"]),
    ("empty line", "", []),
    ("blank line", " \t\r", []),
    ("truncated", SOUND[:-20], ["not_json"]),
    ("two objects on a line", changed(event_uuid="first") + changed(event_uuid="second"), [None, None]),
    ("two objects, the second cut", changed(event_uuid="first") + SOUND[:-9], [None, "not_json"]),
    ("array", f"[{SOUND}]", ["not_an_object"]),
    ("number", "42", ["not_an_object"]),
    ("text", '"lesson"', ["not_an_object"]),
    ("null", "null", ["not_an_object"]),
    ("NaN", written("created_at", "NaN"), ["not_json"]),
    ("NaN in the payload", changed(plan=float("nan")), ["not_json"]),
    ("nested 100,000 deep", SOUND[:-1] + ', "plan": ' + "[" * 100_000 + "]" * 100_000 + "}", ["not_json"]),
    ("objects nested 100,000 deep", '{"a":' * 100_000 + "1" + "}" * 100_000, ["not_json"]),
    ("invalid UTF-8", SOUND.encode()[:-1] + b', "plan": "\xff"}', ["not_utf8"]),
    ("invalid UTF-8 in the uuid", SOUND.encode().replace(b'"bad"', b'"\xc3\x28"'), ["not_utf8"]),
    ("nothing but bytes", bytes(range(128, 256)), ["not_utf8"]),
    ("half a surrogate pair in the uuid", written("event_uuid", r'"\ud800"'), ["invalid_event_uuid"]),
    ("half a surrogate pair in the name", written("event_name", r'"a:\ud800"'), ["invalid_event_name"]),
    ("over several lines", json.dumps(event("bad"), indent=1), [None]),
    ("a brace too many", "{}}", ["not_json"]),
    ("a damaged one before a sound one", '{"bad": } ' + SOUND, ["not_json", None]),
    ("a damaged one over several lines", json.dumps(event("bad"), indent=1)[:-9], ["not_json"]),
    ("a comma behind it", SOUND + ",", [None]),
    ("12 MiB", changed(plan="x" * (12 << 20)), ["record_too_large"]),
    ("no uuid", without("event_uuid"), ["missing_event_uuid"]),
    ("uuid null", changed(event_uuid=None), ["missing_event_uuid"]),
    ("uuid empty", changed(event_uuid=""), ["missing_event_uuid"]),
    ("uuid an integer", changed(event_uuid=7), [None]),
    ("uuid a fraction", changed(event_uuid=7.5), ["invalid_event_uuid"]),
    ("uuid an object", changed(event_uuid={"a": 1}), ["invalid_event_uuid"]),
    ("uuid of 10,000 characters", changed(event_uuid="u" * 10_000), ["invalid_event_uuid"]),
    ("no name", without("event_name"), ["missing_event_name"]),
    ("name empty", changed(event_name=""), ["missing_event_name"]),
    ("name a colon", changed(event_uuid="colon", event_name=":"), [None]),
    ("name with an empty part", changed(event_uuid="empty part", event_name="a::b"), [None]),
    ("name a path", changed(event_uuid="path", event_name="../../etc/passwd"), [None]),
    ("name SQL", changed(event_uuid="SQL", event_name="events/x' or 1=1 --"), [None]),
    ("name for a terminal", changed(event_name="\x1b[2Ja"), ["invalid_event_name"]),
    ("name of 5,000 parts", changed(event_name=":".join(["part"] * 5_000)), ["invalid_event_name"]),
    ("name an integer", changed(event_uuid="integer", event_name=7), [None]),
    ("name a fraction", changed(event_name=7.5), ["invalid_event_name"]),
    ("no time", without("created_at"), ["missing_created_at"]),
    ("time null", changed(created_at=None), ["missing_created_at"]),
    ("time a number in a text", changed(event_uuid="text", created_at=str(noon(MONDAY))), [None]),
    ("time a text", changed(created_at="noon"), ["invalid_created_at"]),
    ("time 1e400", written("created_at", "1e400"), ["invalid_created_at"]),
    ("time of 400 digits", written("created_at", "9" * 400), ["invalid_created_at"]),
    ("time negative", changed(created_at=-1), ["created_at_out_of_range"]),
    ("time in milliseconds", changed(created_at=noon(MONDAY) * 1000), ["created_at_out_of_range"]),
    ("year 9999", changed(created_at=253_402_300_799), ["created_at_out_of_range"]),
    ("year 9999 in milliseconds", changed(created_at=253_402_300_799_000), ["created_at_out_of_range"]),
]


@pytest.mark.parametrize("name", ["plain", "packed.gz"])
@pytest.mark.parametrize(("record", "reasons"), [case[1:] for case in RECORDS], ids=[case[0] for case in RECORDS])
def test_a_bad_record_gets_its_reason_and_costs_its_neighbours_nothing(
    world: World, record: str | bytes, reasons: list[str | None], name: str
) -> None:
    """Its two sound neighbours arrive unchanged."""
    world.deliver(MONDAY, name, event("before"), record, event("behind"))
    world.load(MONDAY)
    raw = world.raw()
    assert raw["corruption_reason"].to_list() == [None, *reasons, None]
    assert raw["event_uuid"].gather([0, -1]).to_list() == ["before", "behind"]
    corrupt = rows(world.lake.corrupt_events, "source_offset")
    assert corrupt["corruption_reason"].to_list() == [reason for reason in reasons if reason]


def test_all_of_them_at_once_have_a_row_each_and_the_books_balance(world: World) -> None:
    """In one object, in this order, through to the event tables."""
    world.deliver(MONDAY, "all.gz", *(record for _, record, _ in RECORDS), event("sound"))
    world.build(MONDAY)
    expected = [reason for *_, reasons in RECORDS for reason in reasons]
    assert world.raw()["corruption_reason"].to_list() == [*expected, None]
    totals = lake_totals(world.lake, world.catalog)
    assert totals["balanced"]
    assert totals["landed"] == len(expected) + 1


def test_a_corrupt_record_is_kept_as_it_landed(world: World) -> None:
    """So that it can be corrected and sent again."""
    world.deliver(MONDAY, "a", SOUND[:-20], b'{"plan": "\xff"}')
    world.load(MONDAY)
    assert world.raw()["body"].to_list() == [SOUND[:-20], r'{"plan": "\xff"}']


def test_of_an_oversized_record_the_beginning_is_kept(world: World) -> None:
    """The rest stays in landing: a table is no place for it."""
    world.deliver(MONDAY, "a", changed(plan="x" * (12 << 20)))
    world.load(MONDAY)
    (body,) = world.raw()["body"]
    assert (len(body), body[:16]) == (4096, changed()[:16])


def test_a_key_written_twice_is_kept_whole(world: World) -> None:
    """A JSON object cannot hold both, so that the record's text is in `_rescued`."""
    body = SOUND[:-1] + ', "plan": "free", "plan": "pro"}'
    world.deliver(MONDAY, "a", body)
    world.build(MONDAY)
    row = world.events("account_created").row(0, named=True)
    assert json.loads(row["_rescued"]) == {"$record": body}


@pytest.mark.parametrize("path", ["event_name", "event_uuid", "plan"])
def test_data_names_no_path(world: World, path: str) -> None:
    """Whatever a record says, no file is written but below the tables' own folders."""
    names = ["../../etc/passwd", "events/x", "a/../../b", "..", "%2e%2e/x", "x\u0000y", "C:\\x"]
    world.deliver(MONDAY, "a", *(changed(**{path: name}) for name in names))
    world.build(MONDAY)
    lake = world.root / "lake"
    tables = {
        "raw_events",
        "corrupt_events",
        "deduplicated_events",
        "duplicate_events",
        "unregistered_events",
        "quality_report",
        "events",
        "reports",
    }
    assert {each.name for each in lake.iterdir()} == tables
    assert {each.name for each in (lake / "events").iterdir()} == set(world.catalog.by_key)
    pages = {each.relative_to(lake / "reports" / "quality").as_posix() for each in (lake / "reports").rglob("*.*")}
    assert pages == {
        "2025-06-02.html",
        "index.html",
        "findings/2025-06.json.gz",
        "history/2025-06.parquet",
        *(f"types/{key}.html" for key in world.catalog.by_key),
    }


RECORD = ndjson(*(event(f"u{number}", plan="x" * number) for number in range(500)))


@pytest.mark.parametrize(
    ("name", "data", "least"),
    [
        pytest.param("cut.gz", gzipped(RECORD)[:-500], 100, id="a gzip cut in the middle"),
        pytest.param("no.gz", b"\x00" + RECORD, 0, id="a .gz that is not gzip"),
        pytest.param("no.zst", b"\x00" + RECORD, 0, id="a .zst that is not zstd"),
        pytest.param("no.parquet", b"PAR1" + bytes(99), 0, id="a .parquet that is not Parquet"),
    ],
)
def test_a_broken_object_keeps_what_is_before_the_break_and_gets_one_row(
    world: World, name: str, data: bytes, least: int
) -> None:
    """The records before it are sound; the break is the last row of the object."""
    world.deliver_bytes(MONDAY, name, data)
    world.build(MONDAY)
    raw = world.raw()
    assert raw["corruption_reason"].to_list() == [None] * (raw.height - 1) + ["unreadable_object"]
    assert raw.height > least
    assert lake_totals(world.lake, world.catalog)["balanced"]


def test_a_parquet_file_cut_short_gets_one_row(world: World, tmp_path: Path) -> None:
    """Its footer is at its end: without it there is nothing to read."""
    pl.DataFrame([event("u1"), event("u2")]).write_parquet(tmp_path / "whole.parquet")
    world.deliver_bytes(MONDAY, "cut.parquet", (tmp_path / "whole.parquet").read_bytes()[:-30])
    world.load(MONDAY)
    assert world.raw()["corruption_reason"].to_list() == ["unreadable_object"]


def test_a_mended_object_takes_the_place_of_the_broken_one(world: World) -> None:
    """Its rows are replaced, the one about the break as well."""
    world.deliver_bytes(MONDAY, "a.gz", gzipped(RECORD)[:-500])
    world.build(MONDAY)
    world.deliver_bytes(MONDAY, "a.gz", gzipped(RECORD))
    world.build(MONDAY)
    totals = lake_totals(world.lake, world.catalog)
    assert (totals["landed"], totals["corrupt"], totals["typed"], totals["balanced"]) == (500, 0, 500, True)


def test_an_object_deleted_between_listing_and_reading_is_named_and_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are loaded, once."""
    world.deliver(MONDAY, "a", event("u1"))
    world.build(MONDAY)
    gone = world.deliver(MONDAY, "b", event("u2"))
    world.deliver(MONDAY, "c", event("u3"))
    listed = list(world.landing.list_objects([MONDAY]))
    gone.unlink()
    monkeypatch.setattr(FolderLanding, "list_objects", lambda *_: iter(listed))
    with pytest.raises(LandingError, match=r"2025/06/02/12/b: No such file"):
        world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == ["u1", "u3"]
