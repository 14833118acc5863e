"""The tracking plan in a real browser, opened from a folder: what the search finds, and narrow screens."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from event_platform.events.envelope import Envelope
from event_platform.quality.plan import Plan, PlannedType, draw_plan
from event_platform_tests.end_to_end.browser.conftest import NEEDS_BROWSER
from event_platform_tests.support.history import LAST, make_history

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a made-up catalog."""
    types = make_history(days=1, types=12).event_types
    folder = tmp_path_factory.mktemp("site")
    (folder / "types").mkdir()
    planned = [PlannedType(each, events={LAST: 1_000}, example='{"a": 1}', view="events.x") for each in types]
    for name, page in draw_plan(Plan(Envelope(), planned, LAST)).items():
        (folder / name).write_bytes(page)
    return folder


def test_types_are_found_by_name_field_group_and_owner(site: Path, page: Page, errors: list[str]) -> None:
    """By a script that the page's policy allows; without an error. A page of a type leads to those of its group."""
    page.goto((site / "index.html").as_uri())
    lines = page.locator("#types tbody tr:visible")
    expect(lines).to_have_count(12)
    page.get_by_label("Search").fill("lesson MODEL")
    expect(lines).to_have_count(2)
    expect(lines.first.locator(".matches")).to_have_text("device.model")
    page.get_by_label("Search").fill("nowhere")
    expect(page.get_by_role("status")).to_have_text("0 of 12")
    page.get_by_text("10 owners").click()
    page.get_by_role("link", name="team:payments 2").click()
    expect(lines).to_have_count(2)
    expect(page.get_by_label("Search")).to_have_value("owner:team:payments")
    lines.first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("payment:")
    page.get_by_role("link", name="payment", exact=True).click()
    expect(lines).to_have_count(2)
    expect(page.get_by_label("Search")).to_have_value("group:payment")
    page.get_by_label("Search").fill("group:pay")
    expect(lines).to_have_count(0)
    assert errors == []


@pytest.mark.parametrize("name", ["index.html", "types/account_started.html"])
def test_a_page_fits_a_narrow_screen(site: Path, page: Page, name: str) -> None:
    """Tables scroll within it; the page does not."""
    page.set_viewport_size({"width": 320, "height": 600})
    page.goto((site / name).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 320
