"""The tracking plan: what its pages say, with a lake and without, whatever texts a catalog has."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Constraints, Kind
from event_platform.events.envelope import Envelope, TimeUnit
from event_platform.events.schema_version import NotedChange, changes_of
from event_platform.quality.plan import MARKER, Plan, PlannedType, draw_plan
from event_platform_tests.support.history import LAST
from event_platform_tests.support.html import HOSTILE, Seen

_ITEM = Column(
    "item",
    "item",
    Kind.OBJECT,
    fields=(Column("sku", "sku", Kind.STRING, "What was bought", Constraints(required=True)),),
)
ORDER = EventType(
    "payment:ordered",
    "payment_ordered",
    (
        Column("@mail", "mail", Kind.STRING, "Where the receipt goes", is_personal=True),
        Column("items", "items", Kind.ARRAY, item=_ITEM),
        Column("country", "country", Kind.STRING, constraints=Constraints(enum=tuple(f"c{n}" for n in range(40)))),
        Column("anything", "anything", Kind.UNTYPED),
    ),
    "An order was paid.",
    owner="team:growth team",
    group="payment",
    other_names=("Order Paid",),
    freshness_hours=(6, 24),
)
LESSON = EventType("lesson:started", "lesson_started", (), group="lesson", owner="a@example.invalid")
CHANGES = changes_of(
    {
        "x-changes": [
            {"version": "1-0-0", "date": "2025-01-02", "change": "first"},
            {"version": "1-0-1", "date": "2025-06-01", "change": "mail added"},
            {"version": "1-1-0", "date": "2025-06-01", "change": "country added"},
        ]
    }
)
PLANNED = PlannedType(
    ORDER,
    "1-1-0",
    CHANGES,
    {LAST - timedelta(days=ago): 10 + ago for ago in (0, 1, 3, 40)},
    '{"mail": "•••", "country": "c1"}',
    ["marts/orders"],
    "events.payment_ordered",
    "../report/payment_ordered.html",
)
PLAN = Plan(Envelope(), [PLANNED, PlannedType(LESSON)], LAST)


def draw(plan: Plan, page: str = "types/payment_ordered.html") -> Seen:
    """Draw a plan, and read one of its pages."""
    return Seen(draw_plan(plan)[page])


def test_a_type_has_its_fields_with_types_and_rules() -> None:
    """Those of objects in arrays below them, each allowed value, and what is personal."""
    text = draw(PLAN).text
    assert "payment:ordered An order was paid. Group payment" in text
    assert "late after 6 hours, failed after 24" in text
    assert "also named Order Paid" in text
    assert "mail field @mail personal string Where the receipt goes" in text
    assert "items array of object sku string required What was bought" in text
    assert "c39" in text
    assert "Without a column, in _rescued: anything." in text


def test_descriptions_may_have_several_lines() -> None:
    """They stay lines on the page of the type, and are one in tables."""
    column = Column("a", "a", Kind.STRING, "first\n  second\n")
    planned = PlannedType(EventType("x", "x", (column,), "One.\nTwo.\n"))
    html = draw_plan(Plan(Envelope(), [planned]))
    assert '<p class="description">One.\nTwo.</p>' in html["types/x.html"].decode()
    assert "a string first second" in Seen(html["types/x.html"]).text
    assert "x One. Two." in Seen(html["index.html"]).text


def test_a_type_has_version_and_changes() -> None:
    """The newest first."""
    text = draw(PLAN).text
    assert "version 1-1-0" in text
    assert "2025-06-01 1-1-0 country added 2025-06-01 1-0-1 mail added 2025-01-02 1-0-0 first" in text
    assert "Changes" not in draw(replace(PLAN, types=[PlannedType(ORDER)])).words


def test_a_type_has_what_the_lake_knows() -> None:
    """Volume of thirty days, an example, tables made of it, and its page of the quality report."""
    found = draw(PLAN)
    assert "34 events in 30 days" in found.text
    assert "<title>2025-06-28: 0</title>" in draw_plan(PLAN)["types/payment_ordered.html"].decode()
    assert '"mail": "•••", "country": "c1"' in found.text
    assert (
        "events/payment_ordered typed, one row for each event marts/orders own asset events.payment_ordered"
        in found.text
    )
    assert "../report/payment_ordered.html" in found.links
    assert f"No event from 2025-06-01 to {LAST}" in draw(PLAN, "types/lesson_started.html").text


def test_without_a_lake_the_pages_say_so() -> None:
    """There are no volumes, and no example."""
    plan = replace(PLAN, types=[PlannedType(ORDER)], last=None)
    assert "There are no figures of a lake" in draw(plan, "index.html").text
    assert "Not known: there are no figures of a lake." in draw(plan).text
    assert "None: no row of a day that is over is known." in draw(plan).text
    assert "last seen" not in draw(plan, "index.html").text


def test_the_index_has_types_by_group_and_their_newest_changes() -> None:
    """And what is searched: fields with their paths, words of descriptions, other names."""
    html = draw_plan(PLAN)["index.html"].decode()
    text = Seen(html.encode()).text
    assert "2 event types of 2 groups. 34 events from 2025-06-01 to 2025-06-30 (UTC)." in text
    assert text.index("lesson:started") < text.index("payment:ordered An order was paid.")
    assert "2025-06-01 payment:ordered 1-1-0 country added" in text
    assert 'data-fields="mail items items.sku country @mail anything"' in html
    assert 'data-words="bought goes order paid receipt the was what where"' in html
    assert "#search=owner:team%3Agrowth_team" in Seen(html.encode()).links


@pytest.mark.parametrize(
    ("envelope", "said"),
    [
        (Envelope(), "event_name event_name what happened"),
        (
            Envelope(event_uuid=(("header", "id"), ("n",)), event_name=(("type",), ("action",)), name_prefix="push"),
            "event_uuid header.id + n unique for each event event_name push:type:action",
        ),
        (Envelope(event_uuid=(), is_hashed=True), "event_uuid the whole record hashed"),
        (Envelope(created_at=("at",), unit=TimeUnit.ISO8601), "created_at at ISO 8601"),
    ],
)
def test_the_index_says_what_each_event_has(envelope: Envelope, said: str) -> None:
    """The fields of the envelope, as a record has them."""
    assert said in draw(replace(PLAN, envelope=envelope), "index.html").text


def test_pages_load_nothing_and_every_link_leads_to_a_page() -> None:
    """The marker is in the first line, where the next export looks for it."""
    pages = draw_plan(PLAN)
    assert [*pages] == ["index.html", "types/lesson_started.html", "types/payment_ordered.html"]
    for name, page in pages.items():
        page_seen = Seen(page)
        assert MARKER in page.decode().splitlines()[0]
        assert not re.search(r"(src|href)=\"(https?:)?//|url\(|@import", page.decode())
        inside = {link.partition("#")[0] for link in page_seen.links} - {"", "../report/payment_ordered.html"}
        folder = name.rpartition("/")[0]
        assert {each.removeprefix("../") if folder else each for each in inside} <= {*pages}


def test_the_same_plan_gives_the_same_bytes() -> None:
    """In any order of types."""
    assert draw_plan(PLAN) == draw_plan(replace(PLAN, types=PLAN.types[::-1]))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_others_is_never_markup(text: str) -> None:
    """From the schema, from a row, from the names of tables."""

    def with_text(each: str) -> list[Seen]:
        column = Column(each, each, Kind.STRING, each, Constraints(enum=(each,), pattern=each), is_personal=True)
        nested = Column(f"{each}o", f"{each}o", Kind.OBJECT, fields=(column, Column(each, each, Kind.UNTYPED)))
        hostile = EventType(each, "key", (column, nested), each, owner=each, group=each, other_names=(f"{each}2",))
        example = json.dumps({"a": each})
        planned = PlannedType(
            hostile, each, [NotedChange(each, each, each)], {LAST: 3}, example, [each], each, "report.html"
        )
        pages = draw_plan(Plan(Envelope(event_uuid=((each,),)), [planned], LAST))
        return [Seen(page) for page in pages.values()]

    for found, plain in zip(with_text(text), with_text("plain"), strict=True):
        assert found.tags == plain.tags
        assert found.attributes == plain.attributes
        assert found.text.count(text) >= 8
