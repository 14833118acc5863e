"""`catalog site`: the tracking plan of a catalog and a lake, as files."""

import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from event_platform.lake.derived import MadeOf, Source
from event_platform.pipeline.own_tables import write_frame
from event_platform_tests.support.command import call, use
from event_platform_tests.support.html import Seen
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, write_catalog

SCHEMAS: dict[str, dict[str, Any]] = {
    "account_created": {
        "title": "account:created",
        "x-version": "1-0-1",
        "properties": {
            "mail": {"type": "string", "x-personal": True},
            "who": {"type": "object", "properties": {"name": {"type": "string", "x-personal": True}}},
            "plan": {"type": "string"},
        },
    },
    "never": {"title": "never:seen", "properties": {"a": {"type": "string"}}},
}
SECRET = "somebody@example.invalid"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake of two days, of which one type has events and somebody's own table is made."""
    world = World(tmp_path_factory.mktemp("world"), schemas=SCHEMAS)
    payload: dict[str, Any] = {"mail": SECRET, "who": {"name": SECRET}, "plan": "<b>free</b>", "new": SECRET}
    world.deliver(MONDAY, "1.json", event("a", **payload), event("b", **payload))
    world.deliver(TUESDAY, "1.json", event("c", day=TUESDAY, **payload))
    world.build(MONDAY, TUESDAY)
    frame = pl.LazyFrame({"created_date": [MONDAY], "accounts": [2]})
    made_of = MadeOf(frozenset({Source("events/account_created")}))
    write_frame(world.lake, "marts/accounts", frame, {MONDAY}, made_of)
    return world


def test_the_pages_show_what_the_lake_has(built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Volume, an example without what is personal or rescued, tables made of a type, and the report's page."""
    use(monkeypatch, built)
    said = call("catalog", "site", "--to", str(tmp_path / "site"), code=0)
    assert "2 event types" in said
    assert "3 files written" in said
    html = (tmp_path / "site" / "types" / "account_created.html").read_bytes()
    page_seen = Seen(html)
    assert "version 1-0-1" in page_seen.text
    assert "3 events in 30 days" in page_seen.text
    assert '"plan": "<b>free</b>"' in page_seen.text
    assert SECRET not in html.decode()
    assert '"mail": "•••", "who": { "name": "•••" }' in page_seen.text
    assert "marts/accounts own asset" in page_seen.text
    (report,) = [link for link in page_seen.links if link.startswith("../../")]
    assert Path(os.path.normpath(tmp_path / "site" / "types" / report)).is_file()
    assert "last seen" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_nothing_is_written_where_nothing_changed(
    built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of types that left the catalog are removed; files of others stay."""
    use(monkeypatch, built)
    site = tmp_path / "site"
    call("catalog", "site", "--to", str(site), code=0)
    before = {path.name: path.stat().st_mtime_ns for path in site.rglob("*.html")}
    assert "0 files written" in call("catalog", "site", "--to", str(site), code=0)
    assert {path.name: path.stat().st_mtime_ns for path in site.rglob("*.html")} == before
    (site / "types" / "mine.html").write_text("mine", encoding="utf-8")
    fewer = write_catalog(tmp_path / "fewer", {"account_created": SCHEMAS["account_created"]})
    call("catalog", "site", str(fewer), "--to", str(site), code=0)
    assert {path.name for path in (site / "types").iterdir()} == {"account_created.html", "mine.html"}


def test_what_left_the_catalog_may_be_personal(built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column, or a field of an object, that rows still have: its value is masked."""
    use(monkeypatch, built)
    properties = {"plan": {"type": "string"}, "who": {"type": "object", "properties": {"age": {"type": "integer"}}}}
    fewer = write_catalog(tmp_path / "fewer", {"a": {"title": "account:created", "properties": properties}})
    call("catalog", "site", str(fewer), "--to", str(tmp_path / "site"), code=0)
    html = (tmp_path / "site" / "types" / "account_created.html").read_bytes()
    assert SECRET not in html.decode()
    assert '"plan": "<b>free</b>"' in Seen(html).text


def test_a_report_that_is_published_is_linked_there(
    built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of a file."""
    use(monkeypatch, built)
    monkeypatch.setenv("EVENT_PLATFORM_REPORT_URL", "https://reports.example.invalid/quality")
    call("catalog", "site", "--to", str(tmp_path), code=0)
    page_seen = Seen((tmp_path / "types" / "account_created.html").read_bytes())
    assert "https://reports.example.invalid/quality/types/account_created.html" in page_seen.links


def test_a_catalog_without_a_lake_has_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no lake is made."""
    catalog = write_catalog(tmp_path / "catalog", SCHEMAS)
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", str(tmp_path / "lake"))
    said = call("catalog", "site", str(catalog), "--to", str(tmp_path / "site"), code=0)
    assert "no quality report: the pages have no volumes" in said
    assert not (tmp_path / "lake").exists()
    page = Seen((tmp_path / "site" / "types" / "never_seen.html").read_bytes())
    assert "Not known: there are no figures of a lake." in page.text


def test_a_table_that_cannot_be_read_stops_no_other(
    built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and the command ends with 1."""
    use(monkeypatch, built)
    broken = built.root / "lake" / "marts" / "broken" / "_delta_log" / "00000000000000000000.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}", encoding="utf-8")
    said = call("catalog", "site", "--to", str(tmp_path), code=1)
    assert "marts/broken: left out" in said
    assert (tmp_path / "index.html").is_file()
