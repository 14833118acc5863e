"""Data and catalog texts in the UI are plain text: they make the browser fetch nothing, and are no links."""

import json
import re

from playwright.sync_api import Page, expect

from event_platform_tests.end_to_end.browser.conftest import DAY, NEEDS_BROWSER, Desk, Listener, follow

pytestmark = NEEDS_BROWSER

_TABS = [
    ("assets/events/lesson_started?view=overview", "description/picture"),
    ("assets/events/lesson_started?view=checks&checkDetail=schema_conformance", "unknown field: !"),
    ("assets/events/lesson_started?view=checks&checkDetail=volume", "events"),
    (f"assets/events/lesson_started?view=partitions&partition={DAY}", "dagster/partition_row_count"),
    ("assets/events/lesson_started?view=events", "Materialized"),
    ("assets/events/lesson_started?view=lineage", "lesson_started"),
    ("assets/events/www_typed_example?view=overview", "www.typed.example"),
    ("assets/raw_events?view=checks&checkDetail=corruption_rate", "corrupt"),
    ("assets/corrupt_events?view=overview", "corrupt_events"),
    ("assets/unregistered_events?view=checks&checkDetail=unregistered_names", "that the catalog lacks"),
    (f"assets/quality_report?view=partitions&partition={DAY}", "schema_drift"),
    ("asset-groups", "quality"),
    ("runs", "Success"),
]
_MORE = re.compile(r"\[Show (JSON|Table|Markdown)\]|Show Table|View details")
_DIALOG = ".dagster-backdrop"
_OPEN = f"{_DIALOG}.bp5-overlay-appear-done"


def is_harmless(page: Page, listener: Listener) -> None:
    """Expect that nothing on a page leads, or has led, to where the poison points."""
    links = page.locator("a, img, iframe, object").evaluate_all(
        "found => found.map(each => each.getAttribute('href') || each.getAttribute('src') || each.getAttribute('data'))"
    )
    assert [link for link in links if link and (f":{listener.port}" in link or ".example" in link)] == []
    assert listener.asked == []


def test_the_ui_shows_it_as_text(listener: Listener, ui: Page) -> None:
    """On every tab on which it may be."""
    for path, seen in _TABS:
        follow(ui, path)
        expect(ui.get_by_text(seen).filter(visible=True).first, path).to_be_visible()
        for button in ui.get_by_text(_MORE).filter(visible=True).all()[:4]:
            button.click()
            expect(ui.locator(_OPEN)).to_be_visible()  # before, a key would not close it
            ui.keyboard.press("Escape")
            expect(ui.locator(_DIALOG)).to_have_count(0)
        is_harmless(ui, listener)


def test_the_page_of_a_run_shows_it_as_text(desk: Desk, listener: Listener, ui: Page) -> None:
    """Its log tells of checks and of what failed."""
    failed = 0
    for run in desk.runs:
        follow(ui, f"runs/{run}")
        expect(ui.get_by_text(re.compile("RUN_SUCCESS|RUN_FAILURE")).first).to_be_visible()
        failed += ui.get_by_text("STEP_FAILURE").count()
        is_harmless(ui, listener)
    assert failed


def test_the_page_of_a_day_shows_it_as_text(desk: Desk, listener: Listener, page: Page) -> None:
    """The report is HTML of our own."""
    page.goto(desk.report)
    expect(page.get_by_text("![x]").first).to_be_visible()
    is_harmless(page, listener)


def test_the_listener_would_have_been_asked(listener: Listener, page: Page) -> None:
    """By a page that renders the poison: only escaping keeps the browser from it."""
    picture = json.dumps(f"http://127.0.0.1:{listener.port}/drawn")
    with page.expect_request("**/drawn"):
        page.set_content(f"<img src={picture}>")
    page.wait_for_load_state("networkidle")
    assert listener.asked == ["/drawn"]
    listener.asked.clear()
