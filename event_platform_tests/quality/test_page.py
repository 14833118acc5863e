"""The page of a day: what it shows, the same bytes each time, and no markup but its own."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest

from event_platform.quality.page import Page, draw, totals
from event_platform_tests.support.world import MONDAY

FIGURES = pl.Schema({"figure": pl.String, "event_name": pl.String, "label": pl.String, "value": pl.Int64})
SAMPLES = pl.Schema({"reason": pl.String, "source_object": pl.String, "source_offset": pl.Int64, "body": pl.String})


def page(*figures: tuple[str, str | None, str | None, int], samples: list[tuple[Any, ...]] | None = None) -> Page:
    """Draw Monday with some figures."""
    return draw(
        MONDAY,
        pl.DataFrame(list(figures), schema=FIGURES, orient="row"),
        pl.DataFrame(samples or [], schema=SAMPLES, orient="row"),
    )


class Seen(HTMLParser):
    """The elements, attributes and words of a page."""

    def __init__(self, html: bytes) -> None:
        """Read it."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        """Remember what is between elements."""
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
    """Wherever it is put, it is shown as it came; elements and attributes are those of a page without it."""

    def with_text(each: str) -> Page:
        figures = [
            (figure, each, label, 3)
            for figure in ("duplicates", "unregistered", "unknown_field", "rescued_field", "repeated_key")
            for label in (each, "conflict")
        ]
        corrupt = ("corrupt", None, each, 1)
        return page(*figures, ("events", each, "12", 3), corrupt, samples=[(each, each, 0, each)])

    found, plain = with_text(text), with_text("plain")
    for ours, theirs in ((found.html, plain.html), (found.plot, plain.plot), (found.thumbnail, plain.thumbnail)):
        assert Seen(ours).tags == Seen(theirs).tags
        assert Seen(ours).attributes == Seen(theirs).attributes
    assert Seen(found.html).words.count(text) == Seen(plain.html).words.count("plain") > 5
    ET.fromstring(found.plot)  # noqa: S314 - it is ours, and has to be well-formed


def test_the_page_needs_nothing_beside_itself() -> None:
    """No script, no link, nothing to load; and it says so to the browser."""
    html = page(("events", "lesson:started", "12", 3), ("arrivals", None, "2025-06-02 12:00", 3)).html
    assert not Seen(html).tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not Seen(html).attributes & {"src", "href", "action", "onload", "onclick"}
    assert b"url(" not in html
    assert b"@import" not in html
    assert b"content=\"default-src 'none'; style-src 'unsafe-inline'\"" in html


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


def test_the_largest_kinds_have_a_colour_and_the_others_share_one() -> None:
    """Five of them, by the first part of the name; names that the catalog lacks are one kind."""
    names = ["a:x", "a:y", "b", "c", "d", "e", "f", None]
    figures = [("events", name, "12", 100 - place) for place, name in enumerate(names)]
    words = Seen(page(*figures).html).words
    start = words.index("a")
    assert [word for word in words[start : start + 20] if word][:6] == ["a", "b", "c", "d", "e", "other"]


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
    assert len(re.findall(rb'<rect class="s5"', plot)) == 24 + 1


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
    }
