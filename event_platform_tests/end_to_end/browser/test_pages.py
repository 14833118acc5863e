"""The UI in a real browser: what people look at every day shows what is in the lake."""

from pathlib import Path

from playwright.sync_api import Page, expect

from event_platform_tests.end_to_end.browser.conftest import DAY, NEEDS_BROWSER, Desk, follow

pytestmark = NEEDS_BROWSER


def picture(page: Page, tmp_path: Path, name: str) -> None:
    """Keep a screenshot beside the test's other files."""
    page.screenshot(path=tmp_path / f"{name}.png")


def test_the_lineage_shows_the_flow(ui: Page, tmp_path: Path) -> None:
    """From raw to quality, by group."""
    follow(ui, "asset-groups")
    for group in ("raw", "deduplicated", "lesson", "quality"):
        expect(ui.get_by_text(group, exact=True).first).to_be_visible()
    picture(ui, tmp_path, "lineage")


def test_a_partition_shows_its_figures(desk: Desk, ui: Page, tmp_path: Path) -> None:
    """Those of the table itself."""
    follow(ui, f"assets/events/lesson_started?view=partitions&partition={DAY}")
    row = ui.locator("tr", has_text="dagster/partition_row_count")
    expect(row).to_contain_text(str(desk.world.events("lesson_started").height))
    expect(ui.get_by_text("Materialized", exact=True).first).to_be_visible()
    picture(ui, tmp_path, "partition")


def test_the_checks_of_an_event_table_are_listed(ui: Page, tmp_path: Path) -> None:
    """Each with what it last found."""
    follow(ui, "assets/events/lesson_started?view=checks")
    for check in ("unique_event_uuid", "schema_conformance", "volume"):
        expect(ui.get_by_text(check).first).to_be_visible()
    picture(ui, tmp_path, "checks")


def test_the_quality_report_is_drawn_in_the_metadata_panel(ui: Page, tmp_path: Path) -> None:
    """Its picture is loaded, and larger than nothing."""
    follow(ui, f"assets/quality_report?view=partitions&partition={DAY}")
    drawn = ui.locator("img[src^='data:image/svg+xml']").first
    expect(drawn).to_be_visible()
    assert drawn.evaluate("image => image.complete && image.naturalWidth") > 100
    picture(ui, tmp_path, "metadata")


def test_the_page_of_a_day_needs_nothing_else(desk: Desk, page: Page, tmp_path: Path) -> None:
    """It is drawn without a request to anywhere."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(desk.report)
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(DAY))
    plots = page.locator("svg.plot").all()
    assert plots
    assert all((box := plot.bounding_box()) and box["width"] > 100 for plot in plots)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    picture(page, tmp_path, "report")
