"""Every form that records land in, from the bytes of an object to the rows of raw_events."""

import io
import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import zstandard

from event_platform_tests.support.world import MONDAY, World, event, gzipped, noon

ONE, TWO, THREE = (json.dumps(event(f"u{number}", text="é }{ \\n")).encode() for number in (1, 2, 3))
LINES = ONE + b"\n" + TWO + b"\n" + THREE + b"\n"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("lines", LINES),
        ("lines.gz", gzipped(LINES)),
        ("members.gz", gzipped(ONE + b"\n") + gzipped(TWO + b"\n" + THREE)),
        ("split-record.gz", gzipped(LINES[:20]) + gzipped(LINES[20:])),
        ("lines.zst", zstandard.compress(LINES)),
        ("frames.zst", zstandard.compress(ONE + b"\n") + zstandard.compress(TWO + b"\n" + THREE)),
        ("no-extension", gzipped(LINES)),
        ("twice.gz", gzipped(gzipped(LINES))),
        ("text.gz", LINES),
        ("text.zst", LINES),
        ("text.parquet", LINES),
        ("no-last-newline", LINES.rstrip()),
        ("crlf", LINES.replace(b"\n", b"\r\n")),
        ("byte-order-mark", b"\xef\xbb\xbf" + LINES),
        ("byte-order-mark-and-crlf", b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n")),
        ("empty-lines", b"\n\r\n" + LINES.replace(b"\n", b"\n \n\t\n")),
        ("no-delimiter", ONE + TWO + THREE),
        ("no-delimiter.gz", gzipped(ONE + TWO + THREE)),
        ("no-delimiter-members.gz", gzipped(ONE) + gzipped(TWO) + gzipped(THREE)),
        ("delimited-members.gz", b"".join(gzipped(each) + b"\n" for each in (ONE, TWO, THREE))),
        ("delimited-members-twice.gz", gzipped(b"".join(gzipped(each) + b"\r\n" for each in (ONE, TWO, THREE)))),
        ("no-delimiter-but-blanks", ONE + b" " + TWO + b"\t" + THREE),
        ("some-delimiters", ONE + TWO + b"\n" + THREE),
    ],
)
def test_the_records_are_the_same_in_every_form(world: World, name: str, data: bytes) -> None:
    """Each with its number in the object and its text as it landed."""
    world.deliver_bytes(MONDAY, name, data)
    world.load(MONDAY)
    raw = world.raw()
    assert raw["body"].to_list() == [ONE.decode(), TWO.decode(), THREE.decode()]
    assert raw["source_offset"].to_list() == [0, 1, 2]
    assert raw["event_uuid"].to_list() == ["u1", "u2", "u3"]
    assert raw["corruption_reason"].to_list() == [None, None, None]


def test_a_broken_gzip_keeps_what_is_before_the_break_and_gets_a_row(world: World) -> None:
    """The row tells how many records there were at least, and why no more."""
    whole = gzipped(ONE + b"\n") + gzipped(TWO + b"\n")
    world.deliver_bytes(MONDAY, "cut.gz", whole + gzipped(THREE)[:-25])
    world.load(MONDAY)
    raw = world.raw()
    assert raw["corruption_reason"].to_list() == [None, None, "unreadable_object"]
    assert raw["source_offset"].to_list() == [0, 1, 2]
    assert raw["body"][2] == "gzip: the object ends in the middle of its data"


@pytest.mark.parametrize("name", ["text.gz", "text.zst", "text.parquet"])
def test_an_object_that_is_neither_what_its_name_says_nor_text_gets_a_row(world: World, name: str) -> None:
    """Dead letter, with the name of the object to look at."""
    world.deliver_bytes(MONDAY, name, b"\x00" + LINES)
    world.load(MONDAY)
    corrupt = pl.scan_delta(world.lake.corrupt_events.uri).collect()
    assert corrupt["corruption_reason"].to_list() == ["unreadable_object"]
    assert corrupt["source_object"].to_list() == [f"2025/06/02/12/{name}"]


def land_parquet(world: World, **columns: object) -> None:
    """Land a Parquet object of two rows as Firehose's format conversion writes it: a column for each field."""
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    world.deliver_bytes(MONDAY, "rows.parquet", buffer.getvalue())


def test_a_parquet_row_is_a_record_with_the_envelope_in_its_columns(world: World) -> None:
    """And becomes a typed row like any other; a null column is a null field."""
    land_parquet(
        world,
        event_uuid=["u1", "u2"],
        event_name=["lesson:started", "lesson:started"],
        created_at=[noon(MONDAY)] * 2,
        user=["usr_1", None],
        due=[datetime(2025, 6, 9, 8, 30, tzinfo=UTC), None],
        birthday=[date(2000, 2, 29), None],
        device=[{"os": "ios", "version": 3}, None],
        skills=[["verbs", "nouns"], []],
        answers=[[{"id": 1, "right": True}], None],
        anything=[b"\x00\xff", None],
    )
    world.build(MONDAY)
    first, second = world.events("lesson_started").to_dicts()
    assert (first["user"], first["device"]) == ("usr_1", {"os": "ios", "version": 3})
    assert (first["due"], first["birthday"]) == (datetime(2025, 6, 9, 8, 30, tzinfo=UTC), date(2000, 2, 29))
    assert (first["skills"], first["answers"]) == (["verbs", "nouns"], [{"id": 1, "right": True}])
    assert json.loads(first["_rescued"]) == {"anything": "AP8="}
    assert (second["user"], second["device"], second["skills"]) == (None, None, [])


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_a_parquet_timestamp_can_say_when_an_event_was_created(tmp_path: Path, zone: str | None) -> None:
    """With an envelope of ISO 8601; a timestamp without a zone is UTC."""
    envelope = {"created_at": {"field": "created_at", "unit": "iso8601"}}
    world = World(tmp_path, envelope=envelope)
    moments = pl.Series([datetime(2025, 6, 2, 12, tzinfo=UTC)] * 2)
    moments = moments.dt.replace_time_zone(None) if zone is None else moments.dt.convert_time_zone(zone)
    land_parquet(world, event_uuid=["u1", "u2"], event_name=["account:created"] * 2, created_at=moments)
    world.load(MONDAY)
    assert world.raw()["corruption_reason"].to_list() == [None, None]
    assert set(world.raw()["created_datetime"]) == {datetime(2025, 6, 2, 12, tzinfo=UTC)}


def test_parquet_rows_without_the_envelope_are_corrupt_records(world: World) -> None:
    """Each by itself, for the same reasons as a line of JSON."""
    land_parquet(
        world, event_uuid=[None, "u2"], event_name=["account:created", None], created_at=[noon(MONDAY), noon(MONDAY)]
    )
    world.load(MONDAY)
    assert world.raw()["corruption_reason"].to_list() == ["missing_event_uuid", "missing_event_name"]


def test_a_parquet_object_cut_short_gets_a_row(world: World) -> None:
    """Its directory is gone, and with it every record."""
    buffer = io.BytesIO()
    pl.DataFrame({"event_uuid": ["u1"] * 100}).write_parquet(buffer)
    world.deliver_bytes(MONDAY, "cut.parquet", buffer.getvalue()[:-20])
    world.load(MONDAY)
    assert world.raw()["corruption_reason"].to_list() == ["unreadable_object"]
