"""Ids that are read without the lake are those of the lake: same fields, same bodies, sound records only."""

import json
from datetime import date, datetime
from itertools import chain
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_platform.events.classification import classify
from event_platform.events.envelope import Envelope, RecordsPath, TimeUnit
from event_platform.events.identity import EventIdentifier, created_seconds
from event_platform.events.moments import to_microseconds
from event_platform.events.wrappers import open_reader
from event_platform_tests.support.world import MONDAY, noon

NOW = noon(MONDAY)
RECORDS = RecordsPath((("Records", True),), (("who", ("account",)),))

ENVELOPES = {
    "default": Envelope(),
    "joined": Envelope(event_uuid=(("event_uuid",), ("x", "y"))),
    "hashed": Envelope(event_uuid=(("event_uuid",), ("created_at",)), is_hashed=True),
    "hash of the body": Envelope(event_uuid=(), is_hashed=True),
    "one name": Envelope(event_name=(), name_prefix="all"),
    "names": Envelope(event_name=(("event_name",), ("x", "y")), name_prefix="our"),
    "milliseconds": Envelope(unit=TimeUnit.MILLISECONDS),
    "texts": Envelope(unit=TimeUnit.ISO8601, timezone="Asia/Tokyo"),
    "format": Envelope(unit=TimeUnit.ISO8601, time_format="%d.%m.%Y %H:%M:%S"),
    "any time": Envelope(unit=TimeUnit.AUTO),
    "wrapped": Envelope(records=RECORDS),
}

TIMES = (NOW, NOW * 1000, f"{NOW}", "2025-06-02T11:00:00Z", "2025-06-02 11:00:00", "02.06.2025 11:00:00")
FUTURE = (NOW + 40 * 3600, (NOW + 40 * 3600) * 1000, "2025-06-04T11:00:00", "04.06.2025 11:00:00")
_ANYTHING: list[Any] = ["a", "b", "", 7, 2**70, True, None, 1.5, "\\", "é", "\ud83d", [], {"y": "z"}]
_VALUES = st.sampled_from(_ANYTHING)
_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "event_uuid": _VALUES,
        "event_name": st.sampled_from(["account:created", "", 7, None, "\x01", "n" * 201]),
        "created_at": st.sampled_from([*TIMES, *FUTURE, "never", None, True]),
        "x": _VALUES | st.fixed_dictionaries({"y": _VALUES}),
    },
)


def rows_of_the_lake(envelope: Envelope, data: bytes) -> pl.DataFrame:
    """Return the records of an object as raw_events has them, where no event is before the first partition.

    One that is would be corrupt whenever it arrives, so that its redelivery can be dropped.
    """
    return classify(open_reader(envelope).read(data), envelope, MONDAY, date(1970, 1, 1))


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
@given(records=st.lists(_EVENTS, max_size=5))
def test_what_is_identified_is_a_sound_event_of_the_lake(envelope: Envelope, records: list[dict[str, Any]]) -> None:
    """With that id and that body."""
    lines = [json.dumps(record).encode() for record in records]
    if envelope.records:
        lines = [json.dumps({"account": "me", "Records": records}).encode()]
    read = EventIdentifier(envelope).identify(lines, NOW)
    found = [] if read is None else [(each.event_uuid, each.body.decode()) for each in chain.from_iterable(read)]
    rows = rows_of_the_lake(envelope, b"\n".join(lines))
    sound = rows.filter(pl.col("corruption_reason").is_null()).select("event_uuid", "body").rows()
    assert [each for each in sound if each in found] == found


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
def test_plain_events_are_identified(envelope: Envelope) -> None:
    """With each kind of envelope, unless they are created later than they arrive."""
    seconds = {time: created_seconds(time, envelope) for time in (*TIMES, *FUTURE)}
    past = {time for time, second in seconds.items() if second is not None and second <= NOW}
    assert past & {*TIMES}
    assert not past >= {*FUTURE}
    for time in seconds:
        event = json.dumps({"event_uuid": "u", "event_name": "a:b", "created_at": time, "x": {"y": "1"}})
        line = f'{{"account": "me", "Records": [{event}]}}' if envelope.records else event
        (events,) = EventIdentifier(envelope).identify([line.encode()], NOW) or [()]
        assert len(events) == (time in past), time


@pytest.mark.parametrize("line", ['{"a": ', "[]", "7", '{"a": 1} {"a": 2}', '{"a": NaN}', "x", '{"event_uuid": 1.5}'])
def test_nothing_is_identified_beside_damage(line: str) -> None:
    """Whatever is in the other lines: where damage ends is for the lake to find."""
    sound = json.dumps({"event_uuid": "u", "event_name": "a", "created_at": NOW})
    assert EventIdentifier(Envelope()).identify([sound.encode(), b"", b" \t\r"], NOW) is not None
    assert EventIdentifier(Envelope()).identify([sound.encode(), line.encode()], NOW) is None
    assert EventIdentifier(Envelope()).identify([sound.encode(), b'{"a": "\xff"}'], NOW) is None


@pytest.mark.parametrize("name", ["default", "milliseconds", "texts", "format", "any time"])
@given(moment=st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - written without an offset
def test_times_are_those_of_the_lake(name: str, moment: datetime) -> None:
    """But for the offset of a zone, which is less than what a created date may be ahead."""
    envelope = ENVELOPES[name]
    moment = moment.replace(microsecond=0)
    seconds = (moment - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001
    written: Any = seconds * (envelope.unit.per_second or 1)
    if envelope.unit.is_text:
        written = moment.strftime(envelope.time_format or "%Y-%m-%dT%H:%M:%S")
    ours = created_seconds(written, envelope)
    read = pl.Series([str(written) if envelope.unit.per_second is None else float(written)])
    (theirs,) = to_microseconds(read, envelope)
    assert ours is not None
    assert abs(ours - theirs / 1e6) <= 14 * 3600
