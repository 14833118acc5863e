"""Whatever stands around records and between them: they are the same."""

import json
from collections.abc import Callable, Sequence
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.envelope import Envelope, RecordsPath
from event_platform.events.wrappers import open_reader
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import LandedObject
from event_platform.pipeline.loading.objects import ObjectSource, read_records
from event_platform_tests.support.world import MONDAY, noon

Record = dict[str, Any]

_TEXTS = st.lists(
    st.sampled_from(['"', "\\", "},{", "\n", "]", "{", "\x1e", "\ufeff", "\ud83d", "é", "a"]), max_size=5
).map("".join)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(_TEXTS, values, max_size=3),
    max_leaves=5,
)
_EVENTS = st.builds(
    lambda fields, payload: {**payload, **fields},
    st.fixed_dictionaries(
        {},
        optional={
            "event_uuid": st.sampled_from(["a", "b", 7, "", None, 1.5]),
            "event_name": st.sampled_from(["x:y", "z", 4, "a\nb", None]),
            "created_at": st.sampled_from([noon(MONDAY), f"{noon(MONDAY)}", 0, "noon", None]),
        },
    ),
    st.dictionaries(_TEXTS, _VALUES, max_size=3),
)

#: Ways to write records into an object, and where they are then.
FRAMINGS: dict[str, tuple[Callable[[Sequence[Record]], str], RecordsPath | None]] = {
    "concatenated": (lambda records: "".join(map(json.dumps, records)), None),
    "CRLF": (lambda records: "\r\n".join(map(json.dumps, records)) + "\r\n", None),
    "RFC 7464": (lambda records: "".join(f"\x1e{json.dumps(record)}\n" for record in records), None),
    "byte order marks": (lambda records: "".join(f"\ufeff{json.dumps(record)}\n" for record in records), None),
    "over several lines": (lambda records: "\n".join(json.dumps(record, indent=2) for record in records), None),
    "an array": (json.dumps, None),
    "an array over several lines": (lambda records: json.dumps(records, indent=1), None),
    "arrays of one": (lambda records: "\n".join(json.dumps([record]) for record in records), None),
    "a wrapper": (
        lambda records: json.dumps({"at": 1, "Records": records}),
        RecordsPath((("Records", True),)),
    ),
    "wrappers of one": (
        lambda records: "\n".join(json.dumps({"detail": record}) for record in records),
        RecordsPath((("detail", False),)),
    ),
    "texts in wrappers": (
        lambda records: json.dumps({"logEvents": [{"message": json.dumps(record)} for record in records]}),
        RecordsPath((("logEvents", True), ("message", False))),
    ),
}


def read(text: str, records: RecordsPath | None) -> list[tuple[Any, ...]]:
    """Return the records of an object: what is in each, its event columns, and its reason."""
    data = text.encode()
    source = ObjectSource(FolderLanding(Path()), Envelope(records=records), date(2025, 1, 1))
    landed = LandedObject("a", len(data), "etag", MONDAY)
    columns = ("event_uuid", "event_name", "created_datetime", "corruption_reason")
    return [
        (json.loads(body), *row)
        for frame, _ in read_records(source, open_reader(source.envelope), landed, BytesIO(data))
        for body, *row in frame.select("body", *columns).iter_rows()
    ]


@pytest.mark.parametrize("framing", FRAMINGS)
@settings(max_examples=30, deadline=None)
@given(records=st.lists(_EVENTS, min_size=1, max_size=5))
def test_records_are_the_same_in_any_framing(framing: str, records: list[Record]) -> None:
    """In their order, with the reasons of those that are corrupt."""
    write, path = FRAMINGS[framing]
    assert read(write(records), path) == read("\n".join(map(json.dumps, records)), None)
