"""What is in the data, or in a catalog, is text in the UI: it makes the browser fetch nothing, and it is no link."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Page, expect

from event_platform.pipeline.opening import open_lake
from event_platform_tests.end_to_end.test_browser import DAY, pytestmark  # noqa: F401 - a browser is needed here as well
from event_platform_tests.end_to_end.test_browser import page as _page
from event_platform_tests.support.live import PROJECT, Live, live
from event_platform_tests.support.world import World, event

page = _page

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
    ("assets/unregistered_events?view=checks&checkDetail=unregistered_names", "names that the catalog lacks"),
    (f"assets/quality_report?view=partitions&partition={DAY}", "schema_drift"),
    ("asset-groups", "quality"),
    ("runs", "Success"),
]
_MORE = re.compile(r"\[Show (JSON|Table|Markdown)\]|Show Table|View details")

_RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"


@dataclass
class Listener:
    """A server of somebody else, which a browser must not be sent to."""

    port: int
    asked: list[str]

    def poison(self, place: str) -> str:
        """Return text that asks for a visit, as Markdown, as HTML, and as an address; it says where it was put."""
        url = f"http://127.0.0.1:{self.port}/{place}"
        return (
            f"![x]({url}/picture) <img src={url}/img> [log in]({url}/login) {url}/bare <{url}/auto> "
            f"www.{place}.example me@{place}.example"
        )


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """The server, which writes down what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield Listener(server.server_port, asked)
    server.shutdown()
    server.server_close()


@dataclass
class Poisoned:
    """A lake of poisoned events, and the UI that shows it."""

    instance: Live
    world: World
    runs: list[str]


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[Poisoned]:
    """A day in which every text that somebody else may choose is poison."""
    root, poison = tmp_path_factory.mktemp("poisoned"), listener.poison
    fields = {
        "level": {"type": "integer", "description": poison("comment")},
        "mode": {"type": "string", "enum": ["fast", poison("enum")], "pattern": re.escape(poison("pattern"))},
        poison("column"): {"type": "integer", "x-column": "odd"},
    }
    schema = {"title": "lesson:started", "description": poison("description"), "properties": fields}
    world = World(root, {"lesson_started": schema, "broken": {**schema, "title": "www.typed.example"}})
    name = "[x](www.object.example) <img src=a>.ndjson"
    world.deliver(
        DAY,
        name,
        event("u1", DAY, "lesson:started", level=poison("rescued"), mode=poison("value"), **{poison("unknown"): 1}),
        event("u2", DAY, "lesson:started", **{poison("column"): poison("odd")}),
        event("u3", DAY, "www.unregistered.example"),
        event("u4", DAY, poison("name")),
        poison("body"),
    )
    world.deliver_bytes(DAY, f"{name}.gz", b"\x1f\x8bno gzip")
    settings = {
        **os.environ,
        **{f"EVENT_PLATFORM_{each.upper()}": str(root / each) for each in ("landing", "lake", "catalog")},
        "EVENT_PLATFORM_START_DATE": "2025-05-20",
    }
    command = [sys.executable, "-m", "event_platform", "run"]
    with live(root, settings, sensors=False) as instance:
        home = {"DAGSTER_HOME": str(instance.home)}
        log = root / "lake" / "events" / "www_typed_example" / "_delta_log"
        for number, broken in enumerate([False, True, False]):
            # A table that cannot be opened: the run fails for one type, and says so with what the data calls things.
            world.deliver(DAY, f"{name}.{number}", event(f"t{number}", DAY, "www.typed.example"))
            hidden = [path.rename(path.with_suffix(".hidden")) for path in log.glob("*.json")] if broken else []
            if broken:
                (log / f"{0:020}.json").write_text("{", encoding="utf-8")
            ended = subprocess.run(command, env={**settings, **home}, cwd=PROJECT, check=False, capture_output=True)
            assert (ended.returncode != 0) == broken, ended.stderr
            for path in hidden:
                path.rename(path.with_suffix(".json"))
        yield Poisoned(instance, world, [run["runId"] for run in instance.ask(_RUNS)["results"]])


def is_harmless(page: Page, listener: Listener) -> None:
    """Expect that nothing on a page leads, or has led, to where the poison points."""
    links = page.locator("a, img, iframe, object").evaluate_all(
        "found => found.map(each => each.getAttribute('href') || each.getAttribute('src') || each.getAttribute('data'))"
    )
    assert [link for link in links if link and (f":{listener.port}" in link or ".example" in link)] == []
    assert listener.asked == []


def test_the_ui_shows_it_as_text(poisoned: Poisoned, listener: Listener, page: Page) -> None:
    """On every tab on which it may be."""
    for path, seen in _TABS:
        page.goto(f"{poisoned.instance.url}/{path}")
        expect(page.get_by_text(seen).filter(visible=True).first, path).to_be_visible()
        for button in page.get_by_text(_MORE).filter(visible=True).all()[:4]:
            button.click()
            page.keyboard.press("Escape")
        is_harmless(page, listener)


def test_the_page_of_a_run_shows_it_as_text(poisoned: Poisoned, listener: Listener, page: Page) -> None:
    """Its log tells of checks and of what failed."""
    failed = 0
    for run in poisoned.runs:
        page.goto(f"{poisoned.instance.url}/runs/{run}")
        expect(page.get_by_text(re.compile("RUN_SUCCESS|RUN_FAILURE")).first).to_be_visible()
        failed += page.get_by_text("STEP_FAILURE").count()
        is_harmless(page, listener)
    assert failed


def test_the_page_of_a_day_shows_it_as_text(poisoned: Poisoned, listener: Listener, page: Page) -> None:
    """The report is HTML of our own."""
    report = Path(open_lake(str(poisoned.world.root / "lake")).storage.root) / "reports" / "quality" / f"{DAY}.html"
    page.goto(report.as_uri())
    expect(page.get_by_text("![x]").first).to_be_visible()
    is_harmless(page, listener)


def test_the_listener_would_have_been_asked(listener: Listener, page: Page) -> None:
    """By a page that draws the poison: nothing keeps the browser from it but what is shown."""
    picture = json.dumps(f"http://127.0.0.1:{listener.port}/drawn")
    with page.expect_request("**/drawn"):
        page.set_content(f"<img src={picture}>")
    page.wait_for_load_state("networkidle")
    assert listener.asked == ["/drawn"]
    listener.asked.clear()
