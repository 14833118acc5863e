"""Of the records with one event_uuid, the first to arrive survives, and the others refer to it."""

from datetime import date, timedelta
from itertools import starmap
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.deduplication import find_duplicates

MONDAY = date(2025, 6, 2)
WINDOW = 7

Place = tuple[date, str, int]


class Record(NamedTuple):
    """A record: the days after Monday on which it arrived and was created, and its place, uuid and body."""

    arrival: int = 0
    created: int = 0
    source: str = "a"
    offset: int = 0
    uuid: str = "u"
    body: int = 1

    @property
    def place(self) -> Place:
        """Where it stands in the order of arrival."""
        return day(self.arrival), self.source, self.offset


def day(number: int) -> date:
    """Return the date a number of days after Monday."""
    return MONDAY + timedelta(days=number)


def candidates(records: list[Record]) -> pl.DataFrame:
    """Return the frame that is searched for duplicates."""
    schema = {
        "arrival_date": pl.Date,
        "source_object": pl.String,
        "source_offset": pl.Int64,
        "event_uuid": pl.String,
        "created_date": pl.Date,
        "body_hash": pl.UInt64,
    }
    return pl.DataFrame([(*r.place, r.uuid, day(r.created), r.body) for r in records], schema=schema, orient="row")


def verdicts(records: list[Record], created: set[int] | None = None, window: int = WINDOW) -> dict[Place, Any]:
    """Return the kind and the survivor of each duplicate by its place; of all created_dates, unless some are given."""
    numbers = {record.created for record in records} if created is None else created
    duplicates = find_duplicates(candidates(records), [day(number) for number in numbers], window)
    return {row[:3]: (row[3], row[4:]) for row in duplicates.iter_rows()}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(Record(arrival=0, source="z", offset=9), Record(arrival=1, source="a", offset=0), id="by day"),
        pytest.param(Record(source="a", offset=9), Record(source="b", offset=0), id="by object"),
        pytest.param(Record(source="part-10"), Record(source="part-9"), id="by object as text, not as number"),
        pytest.param(Record(source="Z"), Record(source="a"), id="capitals before small letters"),
        pytest.param(Record(source="a/b"), Record(source="a0"), id="by bytes, whatever the folder"),
        pytest.param(Record(offset=2), Record(offset=10), id="by place in the object, as number"),
        pytest.param(Record(arrival=0, created=1), Record(arrival=1, created=0), id="not by creation"),
    ],
)
def test_the_first_that_arrived_survives(first: Record, second: Record) -> None:
    """In the order of arrival_date, source_object, source_offset; the order of the rows is no matter."""
    assert verdicts([first, second]) == verdicts([second, first]) == {second.place: ("redelivery", first.place)}


@pytest.mark.parametrize(
    ("created", "later", "is_duplicate"),
    [
        pytest.param(3, 0, True, id="same day, other creation"),
        pytest.param(3, WINDOW, True, id="on the edge, other creation"),
        pytest.param(3, WINDOW + 1, False, id="beyond the edge, other creation"),
        pytest.param(0, WINDOW + 1, True, id="beyond the edge, same creation"),
        pytest.param(0, 400, True, id="a year later, same creation"),
    ],
)
def test_the_window_counts_only_between_different_created_dates(
    created: int, later: int, *, is_duplicate: bool
) -> None:
    """Records of one created_date are compared however far apart they arrived."""
    first, second = Record(arrival=0, created=0), Record(arrival=later, created=created, source="b")
    assert verdicts([first, second]) == ({second.place: ("redelivery", first.place)} if is_duplicate else {})


def test_a_window_of_no_days_is_the_day_of_arrival() -> None:
    """What arrived the day before is another event, unless it was created on the same day."""
    first, second, third = Record(created=0), Record(created=1, offset=1), Record(arrival=1, created=2)
    assert verdicts([first, second, third], window=0) == {second.place: ("redelivery", first.place)}


def test_an_equal_body_is_a_redelivery_and_another_one_a_conflict() -> None:
    """Each is compared with its survivor, not with the one before it."""
    first, other, again, same = (Record(offset=number, body=body) for number, body in enumerate([1, 2, 2, 1]))
    assert verdicts([first, other, again, same]) == {
        other.place: ("conflict", first.place),
        again.place: ("conflict", first.place),
        same.place: ("redelivery", first.place),
    }


def test_the_survivor_is_the_first_of_those_that_are_compared() -> None:
    """The first of the window, or an even earlier one of its own created_date."""
    old, recent = Record(arrival=0, created=0), Record(arrival=5, created=5)
    of_window, of_own_day = Record(arrival=10, created=9), Record(arrival=10, created=0, offset=1)
    judged = verdicts([old, recent, of_window, of_own_day])
    assert judged[of_window.place] == ("redelivery", recent.place)
    assert judged[of_own_day.place] == ("redelivery", old.place)


def test_a_chain_of_redeliveries_has_one_survivor() -> None:
    """A duplicate shadows what comes within a window after it, although it did not survive itself."""
    chain = [Record(arrival=number, created=number) for number in (0, 5, 10)]
    assert verdicts(chain) == {
        chain[1].place: ("redelivery", chain[0].place),
        chain[2].place: ("redelivery", chain[1].place),
    }


def test_only_equal_uuids_are_compared() -> None:
    """Candidates may share no more than a hash; case and blanks tell uuids apart."""
    assert verdicts([Record(uuid=uuid, offset=number) for number, uuid in enumerate(["u", "U", "u ", "", "ü"])]) == {}


def test_only_the_created_dates_asked_for_are_judged() -> None:
    """The other candidates are there to be compared with."""
    first, second, third = Record(created=0), Record(created=1, offset=1), Record(created=2, offset=2)
    assert verdicts([first, second, third], created={2}) == {third.place: ("redelivery", first.place)}
    assert verdicts([first, second, third], created={0}) == verdicts([first, second, third], created=set()) == {}


def test_no_candidates_have_no_duplicates() -> None:
    """The result has its columns all the same."""
    duplicates = find_duplicates(candidates([]), [MONDAY], WINDOW)
    place = {"arrival_date": pl.Date, "source_object": pl.String, "source_offset": pl.Int64}
    assert duplicates.schema == {
        **place,
        "kind": pl.String,
        **{f"survivor_{name}": kind for name, kind in place.items()},
    }
    assert duplicates.is_empty()


def expected(records: list[Record], window: int) -> dict[Place, Any]:
    """Judge one record at a time against all that arrived before it."""
    ordered = sorted(records, key=lambda record: record.place)
    result = {}
    for number, record in enumerate(ordered):
        for before in ordered[:number]:
            near = record.arrival - before.arrival <= window or record.created == before.created
            if before.uuid == record.uuid and near:
                kind = "redelivery" if before.body == record.body else "conflict"
                result[record.place] = (kind, before.place)
                break
    return result


DAYS = st.integers(0, 6)
RECORDS = st.lists(
    st.tuples(DAYS, DAYS, st.sampled_from("ab"), st.integers(0, 3), st.sampled_from("uv"), st.integers(1, 2)),
    max_size=12,
    unique_by=lambda record: (record[0], record[2], record[3]),
).map(lambda rows: list(starmap(Record, rows)))


@settings(max_examples=100, deadline=None)
@given(records=RECORDS, window=st.integers(0, 4), created=st.sets(DAYS))
def test_verdicts_are_those_of_a_plain_search(records: list[Record], window: int, created: set[int]) -> None:
    """For any records; and a created_date judged by itself gets the verdicts that it gets with all others."""
    everything = expected(records, window)
    assert verdicts(records, window=window) == everything
    asked = {record.place for record in records if record.created in created}
    some = verdicts(records, created, window)
    assert some == {place: verdict for place, verdict in everything.items() if place in asked}


@settings(max_examples=100, deadline=None)
@given(records=RECORDS, later=RECORDS, window=st.integers(0, 4))
def test_what_arrives_later_changes_no_verdict(records: list[Record], later: list[Record], window: int) -> None:
    """So that partitions can be built in any order, and again."""
    delayed = [record._replace(arrival=record.arrival + 7) for record in later]
    judged = verdicts([*records, *delayed], window=window)
    places = {record.place for record in records}
    assert {place: verdict for place, verdict in judged.items() if place in places} == verdicts(records, window=window)
