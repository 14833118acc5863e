"""Envelopes of earlier releases give the same tables: the digests are of release 0.2.0."""

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from event_platform.lake.tables import Table
from event_platform_tests.support.world import MONDAY, TUESDAY, World, noon, rows

SCHEMA = {"title": "a:b", "properties": {"n": {"type": "integer"}, "text": {"type": "string"}, "o": {"type": "object"}}}

FLAT: dict[str, Any] = {"event_uuid": "event_uuid", "event_name": ["event_name"], "created_at": "created_at"}
DEEP: dict[str, Any] = {
    "event_uuid": "head.id",
    "event_name": ["type", "payload.action"],
    "created_at": {"field": "at", "unit": "iso8601"},
}
MILLISECONDS: dict[str, Any] = {"event_uuid": "id", "event_name": "name", "created_at": {"field": "ts", "unit": "ms"}}


def flat(number: int, moment: int) -> dict[str, Any]:
    """Return a record of the default envelope."""
    return {"event_uuid": f"u{number}", "event_name": "a:b", "created_at": moment + number % 7 / 4, "n": number}


def deep(number: int, moment: int) -> dict[str, Any]:
    """Return a record with its id in an object, its name in two parts, and a text for its time."""
    zone = ("Z", "+02:00", "", ".123456Z")[number % 4]
    action = {"payload": {"action": "b"}} if number % 5 else {"payload": {}}
    return {
        "head": {"id": f"u{number}"},
        "type": "a",
        **action,
        "at": f"2025-06-02T12:00:{moment % 60:02}{zone}",
        "n": number,
    }


def milliseconds(number: int, moment: int) -> dict[str, Any]:
    """Return a record with milliseconds."""
    return {"id": f"u{number}", "name": "a:b", "ts": moment * 1000 + number, "text": f"é{number}"}


def lines(make: Any) -> Iterator[str]:
    """Yield lines, some repeated, some damaged, some that do not fit."""
    rng = random.Random(7)  # noqa: S311 - no secret
    for number in range(120):
        record = make(number, noon(MONDAY) + number)
        if number % 11 == 0:
            record["n"] = "text"
        if number % 13 == 0:
            record["more"] = {"x": [1, None]}
        text = json.dumps(record)
        yield text
        yield from [text] * (number % 9 == 0)
        yield from [text[: rng.randrange(1, len(text))]] * (number % 17 == 0)
    yield from ("", "null", "[1, 2]", "{}", json.dumps(make(0, noon(MONDAY)) | {"o": None}))


@pytest.mark.parametrize(
    ("envelope", "make", "expected"),
    [
        pytest.param(
            FLAT,
            flat,
            ["d33aeb46d3dde219", "66cab5f57c6e7630", "95836cb610952b6d", "fa4e1bb28ade8416", "360efec58c8e8af4"],
            id="flat",
        ),
        pytest.param(
            DEEP,
            deep,
            ["09fcdedc3fc5792f", "6091a58e5872c534", "ea35d7afce5bc138", "474822d4a3a7e4c7", "d76e3ee0354d24e2"],
            id="deep",
        ),
        pytest.param(
            MILLISECONDS,
            milliseconds,
            ["c01eede380824b1a", "a13b5d33a55679ba", "60ef1ae03de10f99", "45dd88bd10d5fee4", "7565075c2c240065"],
            id="milliseconds",
        ),
    ],
)
def test_tables_are_as_they_were(tmp_path: Path, envelope: dict[str, Any], make: Any, expected: list[str]) -> None:
    """Sound, corrupt, duplicate and typed rows, to the last value."""
    world = World(tmp_path, schemas={"a_b": SCHEMA}, envelope=envelope)
    found = list(lines(make))
    world.deliver(MONDAY, "one.gz", *found[:90])
    world.deliver(TUESDAY, "two", *found[80:])
    world.build(MONDAY, TUESDAY)
    lake, place = world.lake, ("arrival_date", "source_object", "source_offset")
    digests = [
        digest(lake.raw_events, *place),
        digest(lake.corrupt_events, *place),
        digest(lake.deduplicated_events, *place),
        digest(lake.duplicate_events, *place),
        digest(world.event_table("a_b"), "event_uuid"),
    ]
    assert digests == expected


def digest(table: Table, *order: str) -> str:
    """Return a digest of all rows, without the ETag (a folder's is a time), and a column that came later."""
    found = rows(table, *order).drop("source_etag", "mended_by", strict=False)
    text = "\n".join(json.dumps(row, default=str, sort_keys=True) for row in found.to_dicts())
    return hashlib.sha256(text.encode()).hexdigest()[:16]
