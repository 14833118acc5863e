"""One UI for all tests with a browser: over a day in which every text that somebody else may choose is poison."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect, sync_playwright

from event_platform.cli.main import main
from event_platform_tests.support.command import DONE, variables
from event_platform_tests.support.live import Live, live
from event_platform_tests.support.world import World, event

CHROMIUM = shutil.which("chromium")
DAY = date(2025, 6, 2)

#: Marks of each test here.
NEEDS_BROWSER = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; Debian has it as the package chromium"),
]
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
#: The UI asks the webserver for what it shows; on a busy machine that takes a while.
_MILLISECONDS = 300_000

#: To draw what moves takes a good part of a browser's CPU time.
_STILL = "*, ::before, ::after { animation: none !important; transition: none !important }"
_FOLLOW = "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')) }"

_RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"


@dataclass
class Listener:
    """A server of somebody else, which a browser must not be sent to."""

    port: int
    asked: list[str]

    def poison(self, place: str) -> str:
        """Return text that would cause a request, as Markdown, as HTML, and as an address; it contains its location."""
        url = f"http://127.0.0.1:{self.port}/{place}"
        return (
            f"![x]({url}/picture) <img src={url}/img> [log in]({url}/login) {url}/bare <{url}/auto> "
            f"www.{place}.example me@{place}.example"
        )


@pytest.fixture
def errors(page: Page) -> list[str]:
    """What the page writes to the console, and the errors of its scripts."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.fixture(scope="package")
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
class Desk:
    """A lake of poisoned events, and the UI that shows it."""

    instance: Live
    world: World
    runs: list[str]

    @property
    def report(self) -> str:
        """The address of the page of the day."""
        return (self.world.root / "lake" / "reports" / "quality" / f"{DAY}.html").as_uri()


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[Desk]:
    """Three runs; the second fails for one type whose table cannot be opened, with names from the data in its error."""
    world = World(tmp_path_factory.mktemp("desk"), _schemas(listener), start_date=date(2025, 5, 20))
    _deliver(world, listener)
    with live(world.root, variables(world), daemon=False) as instance, pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables(world), "DAGSTER_HOME": str(instance.home)}.items():
            patch.setenv(name, value)
        assert CliRunner().invoke(main, ["run"]).exit_code in DONE
        log = world.root / "lake" / "events" / "www_typed_example" / "_delta_log"
        log.rename(log.with_name("hidden"))
        log.mkdir()
        (log / f"{0:020}.json").write_text("{", encoding="utf-8")
        world.deliver(DAY, "more", event("t", DAY, "www.typed.example"))
        assert CliRunner().invoke(main, ["run"]).exit_code not in DONE
        shutil.rmtree(log)
        log.with_name("hidden").rename(log)
        assert CliRunner().invoke(main, ["run"]).exit_code in DONE
        yield Desk(instance, world, [run["runId"] for run in instance.ask(_RUNS)["results"]])


def _schemas(listener: Listener) -> dict[str, dict[str, Any]]:
    """Return a catalog with poison in each of its texts, and the types of daily_active_learners."""
    poison = listener.poison
    fields = {
        "user_id": {"type": "string"},
        "level": {"type": "integer", "description": poison("comment")},
        "mode": {"type": "string", "enum": ["fast", poison("enum")], "pattern": re.escape(poison("pattern"))},
        poison("column"): {"type": "integer", "x-column": "odd"},
    }
    schema = {"description": poison("description"), "properties": fields}
    names = ("lesson:started", "lesson:completed", "exercise:answered", "www.typed.example")
    return {re.sub("[:.]", "_", name): {"title": name, **schema} for name in names}


def _deliver(world: World, listener: Listener) -> None:
    poison = listener.poison
    name = "[x](www.object.example) <img src=a>.ndjson"
    world.deliver(
        DAY,
        name,
        event("u1", DAY, "lesson:started", level=poison("rescued"), mode=poison("value"), **{poison("unknown"): 1}),
        event("u2", DAY, "lesson:started", **{poison("column"): poison("odd")}),
        *(event(f"s{number}", DAY, "lesson:started", user_id=f"usr_{number}") for number in range(40)),
        event("u3", DAY, "www.unregistered.example"),
        event("u4", DAY, poison("name")),
        event("u5", DAY, "www.typed.example"),
        poison("body"),
    )
    world.deliver_bytes(DAY, f"{name}.gz", b"\x1f\x8bno gzip")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield started
        started.close()


@contextmanager
def _new_page(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1500, "height": 950}) as context:
        page = context.new_page()
        page.set_default_timeout(_MILLISECONDS)
        expect.set_options(timeout=_MILLISECONDS)
        yield page


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page, in a window that keeps nothing of the others."""
    with _new_page(browser) as page:
        yield page


@pytest.fixture(scope="package")
def ui(desk: Desk, browser: Browser) -> Iterator[Page]:
    """A page that has loaded the UI, for all tests that look at it: to load it takes seconds. They `follow` a path."""
    with _new_page(browser) as page:
        page.goto(desk.instance.url)
        page.add_style_tag(content=_STILL)
        yield page


def follow(ui: Page, path: str) -> None:
    """Go to a page of the UI as its own links do.

    By way of the page that it begins with, which shows nothing of a lake: nothing is left of the page before.
    """
    ui.evaluate(_FOLLOW, "/overview/activity/timeline")
    expect(ui.get_by_role("tab", name="Timeline")).to_be_visible()
    ui.evaluate(_FOLLOW, f"/{path}")
