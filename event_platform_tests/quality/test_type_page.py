"""The page of an event type: its volume, nulls, drift, values and schema, and what failed."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from event_platform.checks.faults import Fault
from event_platform.checks.result import Finding, Result
from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Constraints, Kind
from event_platform.quality.type_page import draw_type
from event_platform_tests.support.history import LAST, SCHEMA, make_history
from event_platform_tests.support.html import HOSTILE, Seen

LAKE = make_history(days=100, types=6)
LESSON, PAYMENT, ACCOUNT, COURSE, EXERCISE, STREAK = LAKE.event_types


def draw(event_type: EventType, example: str = "") -> Seen:
    """Draw a type of the lake, and read its page."""
    return Seen(draw_type(event_type, LAKE.history, LAKE.findings, LAKE.today, example))


def test_what_fails_is_said_first() -> None:
    """With its verdict, cause and remedy; that of other types is not."""
    text = draw(ACCOUNT).text
    assert "! 2025-06-30: 1 warning; checks failed on 11 of the last 30 days." in text
    assert Fault.UNKNOWN_FIELDS.remedy in text
    assert Fault.BROKEN_RULES.remedy not in text
    assert "✓ 2025-06-30: all checks passed; checks failed on 0 of the last 30 days." in draw(STREAK).text


def test_a_type_says_where_its_rows_are() -> None:
    """Owner, table, last day with events, and a query that can be copied."""
    text = draw(COURSE).text
    assert "owner team:courses · last event on 2025-06-28" in text
    query = "select * from events.course_started where created_date = date '2025-06-28' limit 20"
    assert f'event-platform query "{query}"' in text


def test_volume_has_the_band_of_its_check_and_dots_where_it_failed() -> None:
    """As the metadata of the check say: low and high."""
    html = draw_type(EXERCISE, LAKE.history, LAKE.findings, LAKE.today).decode()
    assert html.count("<circle") == 1
    assert "(expected 25,000 to 43,333)</title>" in html  # of 33,333, on a Monday


def test_drift_says_since_when() -> None:
    """The day that a field first had any; a rule that is broken is drift as well; ninety days are known."""
    assert "promo_code not in the schema 2025-06-20" in draw(ACCOUNT).text
    assert "maximum: amount breaks a rule 2025-06-26" in draw(LESSON).text
    always = [(LAST - timedelta(days=ago), "unknown_field", STREAK.name, "old", 2) for ago in range(100)]
    history = pl.concat([LAKE.history, pl.DataFrame(always, schema=SCHEMA, orient="row")])
    text = Seen(draw_type(STREAK, history, LAKE.findings, LAKE.today)).text
    assert "old not in the schema 90 days or more 2 60" in text
    assert "None in 30 days" in draw(STREAK).text


def test_nulls_are_compared_with_the_week_before() -> None:
    """A half for four days, and a ninth before."""
    assert "amount 50.00% 24.60%" in draw(STREAK).text
    assert "amount 11.11% 11.11%" in draw(LESSON).text


def test_values_show_their_shift() -> None:
    """In percentage points against the week before, of which two days are new as well; a large one stands out."""
    html = draw_type(PAYMENT, LAKE.history, LAKE.findings, LAKE.today).decode()
    assert "ios 65.0% +17.9" in Seen(html.encode()).text
    assert '<td class="number shifted">+17.9</td>' in html
    assert "web 20.0% +0.0" in Seen(html.encode()).text


def test_the_schema_has_rules() -> None:
    """Nested columns below their object; what has no column is named."""
    text = draw(LESSON).text
    assert "user_id string required; matches ^usr_ Who did it" in text
    assert "platform string one of ios, android, web 3 What it was done on" in text
    assert "amount decimal(10, 2) at least 0; at most 10,000 What was paid" in text
    assert "device object The device os string Operating system" in text
    assert "Without a column, in _rescued: experiment." in text


def test_an_example_is_shown_where_there_is_one() -> None:
    """As text."""
    assert '{"a": "<b>"}' in draw(LESSON, '{"a": "<b>"}').words
    assert "Example" not in draw(LESSON).words


def test_events_of_other_names_are_of_the_type() -> None:
    """Together; those of other types are not."""
    both = replace(LESSON, other_names=(PAYMENT.name,))
    history = pl.DataFrame(
        [(LAST, "events", name, None, 5) for name in (LESSON.name, PAYMENT.name, COURSE.name)],
        schema=SCHEMA,
        orient="row",
    )
    assert "not checked 10" in Seen(draw_type(both, history, {}, LAST)).text


def test_days_before_the_first_event_are_not_known() -> None:
    """They are not days without events, and may have no page; days after it are."""
    days = [(LAST - timedelta(days=ago), "events", LESSON.name, None, 5) for ago in (4, 3, 0)]
    html = draw_type(LESSON, pl.DataFrame(days, schema=SCHEMA, orient="row"), {}, LAST).decode()
    shown = [f"<title>2025-06-{day}: {value}</title>" for day, value in ((25, "none"), (26, 5), (28, 0), (30, 5))]
    assert all(each in html for each in shown)
    assert html.count('<th scope="row"><a href="../') == 3


def test_a_type_without_events_has_a_page() -> None:
    """It has a schema."""
    text = Seen(draw_type(LESSON, SCHEMA.to_frame(), {}, LAST)).text
    assert "no event in 90 days" in text
    assert "Not checked in the last 30 days." in text
    assert "No column has few different values" in text
    assert "user_id string" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_others_is_never_markup(text: str) -> None:
    """From the schema, from fields and values, from what checks say, from a row."""

    def with_text(each: str) -> Seen:
        column = Column(each, each, Kind.STRING, each, Constraints(enum=(each,), pattern=each))
        untyped = Column(each, each, Kind.UNTYPED)
        hostile = EventType(each, "key", (column, untyped), each, owner=each, other_names=(f"{each}2",))
        labels = {"unknown_field": each, "broken_rule": each, "null": each, "value": f"a={each}", "distinct": each}
        counted = {"events": None, "late": None, "sampled": None, "duplicates": each}
        rows = [(LAST, figure, each, label, 3) for figure, label in (labels | counted).items()]
        failed = Result(passed=False, description=each, faults={Fault.UNKNOWN_FIELDS: 1})
        findings = {LAST: [Finding("events/key", each, LAST, failed)]}
        history = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        return Seen(draw_type(hostile, history, findings, LAST, each))

    found, plain = with_text(text), with_text("plain")
    assert found.tags == plain.tags
    assert found.attributes == plain.attributes
    assert found.text.count(text) >= 14


def test_the_same_history_gives_the_same_bytes() -> None:
    """In any order of rows, with or without those of other types."""
    own = LAKE.history.filter(pl.col("event_name") == ACCOUNT.name).sample(fraction=1, shuffle=True, seed=3)
    first, second = (draw_type(ACCOUNT, each, LAKE.findings, LAST) for each in (LAKE.history, own))
    assert first == second


def test_the_page_needs_nothing_beside_itself() -> None:
    """No script; links go to days, types and the index."""
    seen = draw(ACCOUNT)
    assert not set(seen.tags) & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not [name for name in seen.attributes if name == "src" or name.startswith("on")]
    assert {link for link in seen.links if not link.startswith(("#", "../2025-"))} == {
        "../index.html",
        "../index.html#event-types",
        "account_started.html",
    }
