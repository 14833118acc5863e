"""The page of a day: what it shows, the same bytes each time, and no markup but its own."""

import xml.etree.ElementTree as ET
from datetime import date
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest

from event_platform.checks import conformance, gaps, rates, volume
from event_platform.checks.faults import Fault
from event_platform.checks.result import Finding, Result, Severity
from event_platform.checks.thresholds import Thresholds
from event_platform.quality.page import DayModel, Page, draw_day, totals
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY

FIGURES = pl.Schema({"figure": pl.String, "event_name": pl.String, "label": pl.String, "value": pl.Int64})
SAMPLES = pl.Schema({"reason": pl.String, "source_object": pl.String, "source_offset": pl.Int64, "body": pl.String})


BROKEN = pl.Schema({"event_name": pl.String, "rule": pl.String, "value": pl.String, "event_uuid": pl.String})
LIMITS = Thresholds(corruption_warn_above=0.001, corruption_error_above=0.05, duplicates_warn_above=0.02)
KEYS = {"lesson:started": "lesson_started", "lesson:begun": "lesson_started", "ping": "ping"}


def page(
    *figures: tuple[str, str | None, str | None, int],
    samples: list[tuple[Any, ...]] | None = None,
    broken: list[tuple[Any, ...]] | None = None,
    findings: list[Finding] | None = None,
    days: list[date] | None = None,
) -> Page:
    """Draw Monday with some figures."""
    return draw_day(
        DayModel(
            MONDAY,
            pl.DataFrame(list(figures), schema=FIGURES, orient="row"),
            corrupt=pl.DataFrame(samples or [], schema=SAMPLES, orient="row"),
            broken=pl.DataFrame(broken or [], schema=BROKEN, orient="row"),
            findings=findings or [],
            thresholds=LIMITS,
            keys=KEYS,
            days=days or [],
        )
    )


def failed(
    asset: str, check: str, faults: dict[Fault, int], severity: Severity = Severity.WARN, description: str = "why"
) -> Finding:
    """Return the finding of a check that failed."""
    return Finding(
        asset, check, MONDAY, Result(passed=False, description=description, severity=severity, faults=faults)
    )


def passed(asset: str, check: str) -> Finding:
    """Return the finding of a check that passed."""
    return Finding(asset, check, MONDAY, Result(passed=True, description="fine"))


class Seen(HTMLParser):
    """The elements, attributes and words of a page."""

    def __init__(self, html: bytes) -> None:
        """Read it."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.links: list[str] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links.extend(value or "" for name, value in attrs if name == "href")

    @property
    def text(self) -> str:
        """All that is between elements, with a space between."""
        return " ".join(" ".join(filter(None, self.words)).split())

    def handle_data(self, data: str) -> None:
        """Remember what is between elements."""
        if self.lasttag != "style":
            self.words.append(data.strip())


EVERYWHERE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "</title></svg><iframe>",
    "\"' onmouseover='alert(1)",
    "![x](//example.com/y)",
    "{{ 7 * 7 }}{% raw %}",
    "]]><!--",
]


@pytest.mark.parametrize("text", EVERYWHERE)
def test_text_from_events_is_never_markup(text: str) -> None:
    """Everywhere it is shown as it arrived; elements and attributes are those of a page without it."""

    def with_text(each: str) -> Page:
        figures = [
            (figure, each, label, 3)
            for figure in ("duplicates", "unregistered", "unknown_field", "rescued_field", "repeated_key")
            for label in (each, "conflict")
        ]
        corrupt, rule = ("corrupt", None, each, 1), f"enum: {each}"
        return page(
            *figures,
            ("events", each, "12", 3),
            ("broken_rule", each, rule, 1),
            corrupt,
            samples=[(each, each, 0, each)],
            broken=[(each, rule, each, each)],
            findings=[failed("events/lesson_started", "volume", {Fault.TOO_FEW_EVENTS: 1}, description=each)],
        )

    found, plain = with_text(text), with_text("plain")
    for ours, theirs in ((found.html, plain.html), (found.plot, plain.plot), (found.thumbnail, plain.thumbnail)):
        assert Seen(ours).tags == Seen(theirs).tags
        assert Seen(ours).attributes == Seen(theirs).attributes
    assert Seen(found.html).words.count(text) == Seen(plain.html).words.count("plain") > 5
    ET.fromstring(found.plot)  # noqa: S314 - it is ours, and has to be well-formed


def test_the_page_needs_nothing_beside_itself() -> None:
    """No script and nothing to load, as its policy says; its links lead to neighbouring pages."""
    html = page(("events", "lesson:started", "12", 3), ("arrivals", None, "2025-06-02 12:00", 3)).html
    assert not Seen(html).tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not Seen(html).attributes & {"src", "action", "onload", "onclick"}
    assert Seen(html).links == ["index.html", "types/lesson_started.html"]
    assert b"url(" not in html
    assert b"@import" not in html
    assert b"content=\"default-src 'none'; style-src 'unsafe-inline'\"" in html


def test_the_page_leads_to_the_days_before_and_after() -> None:
    """The nearest ones that have a page."""
    days = [date(2025, 5, 1), date(2025, 5, 30), MONDAY, WEDNESDAY, date(2025, 7, 1)]
    assert Seen(page(days=days).html).links == ["index.html", "2025-05-30.html", "2025-06-04.html"]
    assert Seen(page(days=[MONDAY]).html).links == ["index.html"]
    assert Seen(page(days=[TUESDAY]).html).links == ["index.html", "2025-06-03.html"]


def test_names_lead_to_the_page_of_their_type() -> None:
    """Other names of a type to the same one; a name that the catalog lacks leads nowhere."""
    names = ["lesson:started", "lesson:begun", "../evil", None]
    links = Seen(page(*(("events", name, "12", 3) for name in names)).html).links
    assert links == ["index.html", "types/lesson_started.html", "types/lesson_started.html"]


def test_the_verdict_counts_what_failed() -> None:
    """In one sentence; a day without findings is not called fine."""
    fine = [passed("raw_events", "corruption_rate"), passed("events/ping", "volume")]
    warned = failed("events/ping", "volume", {Fault.TOO_FEW_EVENTS: 3})
    error = failed("raw_events", "arrival_gaps", {Fault.ARRIVAL_GAP: 3}, Severity.ERROR)
    assert "All 2 checks passed." in Seen(page(findings=fine).html).words
    assert "1 warning in 3 checks." in Seen(page(findings=[*fine, warned]).html).words
    assert "1 error and 1 warning in 4 checks." in Seen(page(findings=[*fine, warned, error]).html).words
    assert "Not checked yet." in Seen(page().html).words


def test_what_failed_comes_first_with_cause_and_remedy() -> None:
    """Errors before warnings, and those of many tables before those of one; a table leads to the page of its type."""
    findings = [
        failed("events/ping", "volume", {Fault.TOO_FEW_EVENTS: 3}),
        failed("events/ping", "schema_conformance", {Fault.UNKNOWN_FIELDS: 2}, description="2 x unknown field: a"),
        failed("events/lesson_started", "schema_conformance", {Fault.UNKNOWN_FIELDS: 9, Fault.BROKEN_RULES: 1}),
        failed("raw_events", "arrival_gaps", {Fault.ARRIVAL_GAP: 3}, Severity.ERROR),
    ]
    seen = Seen(page(findings=findings).html)
    text = seen.text
    titles = ["arrival_gaps ✗ fails", "schema_conformance ! warns", "volume ! warns"]
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    for fault in (Fault.ARRIVAL_GAP, Fault.UNKNOWN_FIELDS, Fault.BROKEN_RULES, Fault.TOO_FEW_EVENTS):
        remedy = " ".join(fault.remedy.replace("`", " ").split())
        assert f"Cause: {fault.cause} What to do: {remedy}" in text
    assert seen.links[1:] == ["types/lesson_started.html", "types/ping.html", "types/ping.html"]
    assert "2 x unknown field: a" in text


def test_a_check_that_could_not_be_evaluated_is_a_failure() -> None:
    """With its error."""
    findings = [Finding("events/ping", "volume", MONDAY, Result.from_error(ValueError("no such file")))]
    text = Seen(page(findings=findings).html).text
    assert "volume ✗ fails" in text
    assert "could not be evaluated: ValueError: no such file" in text


def test_failures_of_many_tables_are_folded() -> None:
    """Four are seen, the others after a click."""
    findings = [failed(f"events/t{number:02}", "volume", {Fault.TOO_FEW_EVENTS: 99 - number}) for number in range(9)]
    text = Seen(page(findings=findings).html).text
    assert text.index("events/t03") < text.index("5 more tables") < text.index("events/t04")


def test_each_tile_has_the_verdict_and_the_limits_of_its_checks() -> None:
    """Of the kinds of failure that it shows; without findings there is none."""
    figures = [
        ("events", "ping", "12", 950),
        ("duplicates", "ping", "redelivery", 50),
        ("corrupt", None, "not_json", 1),
    ]
    arrived = [("landed", None, None, 4000), ("objects", None, "12", 7)]
    findings = [
        failed("deduplicated_events", "duplicate_rate", {Fault.REDELIVERIES: 50}),
        passed("raw_events", "corruption_rate"),
    ]
    text = Seen(page(*figures, *arrived, findings=findings).html).text
    assert "Duplicates ! warns 50 5 % of the records warns above 2 % redeliveries, and at a conflict" in text
    assert "Corrupt ✓ passed 1 0.025 % of 4,000 that arrived warns above 0.1 %, fails above 5 %" in text
    assert "Objects 7 arrived in 1 of 24 hours Events" in text
    names = {rates.CORRUPTION, rates.DUPLICATION, rates.UNREGISTERED, conformance.NAME, volume.NAME, gaps.NAME}
    every = [passed("events/ping", name) for name in names]
    assert Seen(page(*figures, *arrived, findings=every).html).text.count("✓ passed") == 7


def test_the_tiles_of_a_schema_tell_broken_rules_from_drift() -> None:
    """They are of one check; one that could not be evaluated concerns both."""
    events = ("events", "ping", "12", 1)
    broken = failed("events/ping", "schema_conformance", {Fault.MISSING_REQUIRED: 1})
    text = Seen(page(events, findings=[broken]).html).text
    assert "Schema drift ✓ passed" in text
    assert "Broken rules ! warns" in text
    unknown = Finding("events/ping", "schema_conformance", MONDAY, Result.from_error(ValueError("x")))
    text = Seen(page(events, findings=[unknown]).html).text
    assert "Schema drift ✗ fails" in text
    assert "Broken rules ✗ fails" in text


def test_a_page_without_findings_has_no_verdicts() -> None:
    """What is not known is not called fine."""
    text = Seen(page(("events", "ping", "12", 1)).html).text
    assert "Late 0 0 % arrived on a later day" in text
    assert "passed" not in text
    assert "warns above" not in text


def test_broken_rules_are_listed_by_field_with_samples() -> None:
    """The largest first, with the share of the type's events, and rows that break them."""
    figures = [
        ("events", "ping", "12", 200),
        ("broken_rule", "ping", "required: device.os", 1),
        ("broken_rule", "ping", "maximum: level", 3),
    ]
    broken = [("ping", "maximum: level", "12", "u1"), ("ping", "required: device.os", None, "u2")]
    text = Seen(page(*figures, broken=broken).html).text
    assert "ping level maximum 3 1.5 % 12 in u1 ping device.os required 1 0.5 % missing in u2" in text
    assert "None: every value is one that its schema allows." in Seen(page(figures[0]).html).words


def test_bars_are_linear_and_counts_have_shares() -> None:
    """A tenth of the longest is a tenth of its length."""
    html = page(
        ("corrupt", None, "not_json", 500), ("corrupt", None, "not_utf8", 50), ("landed", None, None, 10_000)
    ).html
    assert b'<rect width="100.0" height="8"/>' in html
    assert b'<rect width="10.0" height="8"/>' in html
    assert "not_json 500 5 % not_utf8 50 0.5 %" in Seen(html).text


def test_the_lag_is_in_a_sentence() -> None:
    """The hours within which half and 95 % of the events arrived."""
    lag = [("lag", None, "0", 40), ("lag", None, "10", 6), ("lag", None, "2", 50), ("lag", None, "168", 4)]
    text = Seen(page(("events", "ping", "12", 100), *lag).html).text
    assert "Half of them within 2 h, 95 % within 10 h." in text
    text = Seen(page(("events", "ping", "12", 100), ("lag", None, "0", 100)).html).text
    assert "Half of them in the same hour, 95 % in the same hour." in text


def test_a_large_body_is_a_short_sample() -> None:
    """Ten megabytes are cut; what cannot be seen is written out."""
    samples = [("not_json", "2025/06/02/12/a", 7, "\u202e\x00" + "x" * 10_000_000)]
    html = page(("corrupt", None, "not_json", 1), samples=samples).html
    assert len(html) < 20_000
    words = Seen(html).words
    assert "\\u{202e}\\u{0}" + "x" * 298 + "…" in words
    assert "not_json · 2025/06/02/12/a · record 7" in words


def test_a_day_without_anything_says_so() -> None:
    """And has no sections to read."""
    seen = Seen(page().html)
    assert "There is nothing on this day: no event was created on it, and no corrupt record arrived." in seen.words
    assert "h2" not in seen.tags


def test_a_day_of_corrupt_records_alone_shows_them() -> None:
    """There are no hours and no types to draw."""
    seen = Seen(page(("corrupt", None, "not_json", 4)).html)
    assert "No event was created on this day." in seen.words
    assert {"Corrupt records", "not_json", "4"} <= set(seen.words)
    assert "Events by hour" not in seen.words


def test_each_large_group_has_a_plot_and_the_others_share_one() -> None:
    """Fifteen of them, by the first part of the name; names that the catalog lacks are one group."""
    names = ["a:x", "a:y", *(f"n{place:02}" for place in range(15)), None]
    figures = [("events", name, "12", 100 - place) for place, name in enumerate(names)]
    text = Seen(page(*figures).html).text
    assert "a 199 12.1 % peak 199 an hour" in text
    assert "n13 85 " in text
    assert "2 others 167 10.1 %" in text
    sixteen = Seen(page(*figures[:-1]).html).text
    assert "2 others" not in sixteen
    assert "1 others" not in sixteen
    assert "n14 84 " in sixteen


def test_long_lists_end_with_the_sum_of_what_is_left_out() -> None:
    """Twenty lines, and one more."""
    words = Seen(page(*(("unregistered", f"name_{place:02}", None, 100 - place) for place in range(25))).html).words
    assert "name_19" in words
    assert "name_20" not in words
    assert words[words.index("5 more") + 1] == str(80 + 79 + 78 + 77 + 76)


def test_the_plot_is_a_small_picture_by_itself() -> None:
    """Even of a day with a hundred kinds of events in every hour."""
    figures = [("events", f"kind_{kind}", f"{hour:02}", 1000 + kind) for kind in range(100) for hour in range(24)]
    plot = page(*figures).plot
    assert len(plot) < 22_000  # a third more in base64, and still below 30 kB
    assert ET.fromstring(plot).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - it is ours
    assert b"85 others" in plot


def test_the_thumbnail_is_small_enough_to_be_shown_at_once() -> None:
    """Dagster's limit is 1,000 characters of markdown; in base64 a picture grows by a third. Even a day without any."""
    full = page(*(("events", "a", f"{hour:02}", 999_999_999 - hour * 1_234_567) for hour in range(24))).thumbnail
    for thumbnail in (full, page().thumbnail):
        assert len(thumbnail) < 700
        assert ET.fromstring(thumbnail).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - it is ours
    assert b"peak 999,999,999" in full


def test_totals_are_the_sums_of_the_figures() -> None:
    """Those that are missing are zero."""
    figures = pl.DataFrame(
        [("events", "a", "00", 2), ("events", "b", "01", 3), ("late", None, None, 1)], schema=FIGURES, orient="row"
    )
    assert totals(figures) == {
        "events": 5,
        "late": 1,
        "duplicates": 0,
        "corrupt": 0,
        "unregistered": 0,
        "unknown_field": 0,
        "rescued_field": 0,
        "repeated_key": 0,
        "broken_rule": 0,
    }
