"""The UI in a real browser, over the sample: what people look at every day shows what is in the lake."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from event_platform.lake.lake import Lake
from event_platform.pipeline.opening import open_lake
from event_platform_tests.support.live import PROJECT, Live, live

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; Debian has it as the package chromium"),
]

DAY = date(2025, 6, 2)
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
#: The UI asks the webserver for what it shows; on a busy machine that takes a while.
_MILLISECONDS = 60_000


@dataclass
class Desk:
    """The sample, built, and the UI that shows it."""

    instance: Live
    lake: Lake


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Two days of the sample, run from the command line and recorded in the instance that the UI is about."""
    root = tmp_path_factory.mktemp("desk")
    settings = {
        **os.environ,
        "EVENT_PLATFORM_LANDING": str(root / "landing"),
        "EVENT_PLATFORM_LAKE": str(root / "lake"),
        "EVENT_PLATFORM_START_DATE": "2025-05-20",
    }
    with live(root, settings, sensors=False) as instance:
        for command in (["generate", "--events", "3000", "--days", "2"], ["run"]):
            subprocess.run(
                [sys.executable, "-m", "event_platform", *command],
                env={**settings, "DAGSTER_HOME": str(instance.home)},
                cwd=PROJECT,
                check=True,
                capture_output=True,
            )
        yield Desk(instance, open_lake(settings["EVENT_PLATFORM_LAKE"]))


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page of a browser that has just been started."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(_MILLISECONDS)
        expect.set_options(timeout=_MILLISECONDS)
        yield page
        browser.close()


def picture(page: Page, tmp_path: Path, name: str) -> None:
    """Keep a screenshot beside the test's other files."""
    page.screenshot(path=tmp_path / f"{name}.png")


def test_the_lineage_shows_the_flow(desk: Desk, page: Page, tmp_path: Path) -> None:
    """From raw to marts, by group."""
    page.goto(f"{desk.instance.url}/asset-groups")
    for group in ("raw", "deduplicated", "events", "quality", "marts"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    picture(page, tmp_path, "lineage")


def test_a_partition_shows_its_figures(desk: Desk, page: Page, tmp_path: Path) -> None:
    """Those of the table itself."""
    page.goto(f"{desk.instance.url}/assets/events/lesson_started?view=partitions&partition={DAY}")
    row = page.locator("tr", has_text="dagster/partition_row_count")
    rows = desk.lake.scan("events/lesson_started", [DAY]).collect().height
    expect(row).to_contain_text(str(rows))
    expect(page.get_by_text("Materialized", exact=True).first).to_be_visible()
    picture(page, tmp_path, "partition")


def test_the_checks_of_an_event_table_are_listed(desk: Desk, page: Page, tmp_path: Path) -> None:
    """Each with what it last found."""
    page.goto(f"{desk.instance.url}/assets/events/lesson_started?view=checks")
    for check in ("unique_event_uuid", "schema_conformance", "volume"):
        expect(page.get_by_text(check).first).to_be_visible()
    picture(page, tmp_path, "checks")


def test_the_quality_report_is_drawn_in_the_metadata_panel(desk: Desk, page: Page, tmp_path: Path) -> None:
    """Its picture is loaded, and larger than nothing."""
    page.goto(f"{desk.instance.url}/assets/quality_report?view=partitions&partition={DAY}")
    drawn = page.locator("img[src^='data:image/svg+xml']").first
    expect(drawn).to_be_visible()
    assert drawn.evaluate("image => image.complete && image.naturalWidth") > 100
    picture(page, tmp_path, "metadata")


def test_the_page_of_a_day_needs_nothing_else(desk: Desk, page: Page, tmp_path: Path) -> None:
    """It is drawn without a request to anywhere."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    report = Path(desk.lake.storage.root) / "reports" / "quality" / f"{DAY}.html"
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(DAY))
    assert all((box := plot.bounding_box()) and box["width"] > 100 for plot in page.locator("svg.plot").all())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    picture(page, tmp_path, "report")
