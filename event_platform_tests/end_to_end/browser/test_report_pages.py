"""Index and type page in a real browser: what the script adds, narrow screens, and paper."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from event_platform.quality.index import draw_index
from event_platform.quality.type_page import draw_type
from event_platform_tests.end_to_end.browser.conftest import NEEDS_BROWSER
from event_platform_tests.support.history import make_history

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a made-up lake."""
    lake = make_history(days=70, types=12)
    folder = tmp_path_factory.mktemp("report")
    (folder / "types").mkdir()
    (folder / "index.html").write_bytes(draw_index(lake.history, lake.findings, lake.event_types, lake.today))
    for event_type in lake.event_types:
        html = draw_type(event_type, lake.history, lake.findings, lake.today)
        (folder / "types" / f"{event_type.key}.html").write_bytes(html)
    return folder


def test_types_are_searched_and_sorted(report: Path, page: Page, errors: list[str]) -> None:
    """By a script that the page's policy allows; without an error."""
    page.goto((report / "index.html").as_uri())
    lines = page.locator("#types tbody tr:visible")
    expect(lines).to_have_count(12)
    page.get_by_label("Search").fill("lesson team")
    expect(lines).to_have_count(2)
    expect(page.get_by_role("status")).to_have_text("2 of 12")
    page.get_by_label("Search").fill("")
    page.get_by_role("button", name="nulls").click()
    expect(lines.first).to_contain_text("streak:started")
    expect(page.get_by_role("columnheader", name="nulls")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="event type").click()
    page.get_by_role("button", name="event type").click()
    expect(lines.first).to_contain_text("account:started")
    lines.first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("account:started")
    assert errors == []


def test_plots_change_from_a_month_to_a_quarter(report: Path, page: Page) -> None:
    """With the keyboard, and without a script."""
    page.goto((report / "index.html").as_uri())
    plots = page.locator("#trends svg:visible")
    expect(plots).to_have_count(6)
    expect(plots.first).to_have_attribute("aria-label", "Events, last 30 days")
    page.get_by_role("radio", name="30 days").press("ArrowRight")
    expect(plots.first).to_have_attribute("aria-label", "Events, last 90 days")
    expect(plots).to_have_count(6)


@pytest.mark.parametrize("name", ["index.html", "types/account_started.html"])
def test_a_page_fits_a_narrow_screen(report: Path, page: Page, name: str) -> None:
    """Tables scroll within it; the page does not."""
    page.set_viewport_size({"width": 320, "height": 600})
    page.goto((report / name).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 320
