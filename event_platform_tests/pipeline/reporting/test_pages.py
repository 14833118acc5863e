"""Which pages a report writes, and when."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from event_platform.checks.judging import Figures, judge_day
from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.events.catalog import Catalog
from event_platform.lake.table_commit import TableCommit
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.reporting import overview
from event_platform.storage.storage import Storage
from event_platform_tests.pipeline.reporting.test_history import history, month, summed
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, WEDNESDAY, World, copy_of, event

LONG_AGO = MONDAY - timedelta(days=40)
TYPES = ["account_created", "lesson_started", "payment_order_completed"]


def pages(world: World) -> dict[str, int]:
    """Return when each page was written, by its path."""
    folder = world.root / "lake" / "reports" / "quality"
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.html")}


def read(world: World, name: str) -> str:
    """Return a page."""
    return (world.root / "lake" / "reports" / "quality" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days, with something wrong on the first one."""
    world = World(tmp_path_factory.mktemp("built"))
    lesson = event("u1", MONDAY, "lesson:started", user="usr_1", level=99)
    world.deliver(MONDAY, "a", lesson, event("u2", MONDAY), event("u3", MONDAY, "ping"), "{broken")
    world.deliver(TUESDAY, "a", event("u4", TUESDAY))
    world.build(MONDAY, TUESDAY)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


def test_a_report_has_pages_of_days_types_and_the_lake(built: World) -> None:
    """Of types without an event too: the index has links to them. What checks find is said on each."""
    assert {*pages(built)} == {
        "index.html",
        f"{MONDAY}.html",
        f"{TUESDAY}.html",
        *(f"types/{key}.html" for key in TYPES),
    }
    for name in ("index.html", f"{MONDAY}.html", "types/lesson_started.html"):
        assert "maximum: level" in read(built, name)
    assert "25.000% of 4 records are corrupt" in read(built, f"{MONDAY}.html")
    assert ">99<" in read(built, f"{MONDAY}.html")  # a sample of it
    assert f"{TUESDAY}.html" in read(built, f"{MONDAY}.html")  # the next day


def test_pages_of_what_has_not_changed_stay(built: World) -> None:
    """Of other days, and of types without other figures on the days that their pages show."""
    old_pages = pages(built)
    built.deliver(TUESDAY, "b", event("u5", TUESDAY))
    built.build(TUESDAY)
    changed = {name for name, content in pages(built).items() if content != old_pages[name]}
    assert changed == {"index.html", f"{TUESDAY}.html", "types/account_created.html"}
    old_pages = pages(built)
    built.deliver(LONG_AGO, "c", event("u6", LONG_AGO, "lesson:started", user="usr_1"))
    built.build(LONG_AGO)
    changed = {name for name, content in pages(built).items() if content != old_pages.get(name)}
    assert changed == {"index.html", f"{LONG_AGO}.html", f"{MONDAY}.html"}  # the day after has a link to it now


def test_pages_beside_a_new_day_have_a_link_to_it(built: World) -> None:
    """With all else that they show."""
    before, after = read(built, f"{TUESDAY}.html"), read(built, f"{MONDAY}.html")
    day = TUESDAY + timedelta(days=2)
    for new in (day, LONG_AGO):
        built.deliver(new, "a", event(f"new{new}", new))
        built.build(new)
    link = f'<li><a href="{day}.html" rel="next">{day} \N{RIGHTWARDS ARROW}</a></li>'
    assert link in read(built, f"{TUESDAY}.html")
    assert read(built, f"{TUESDAY}.html").replace(link, "") == before
    link = f'<li><a href="{LONG_AGO}.html" rel="prev">\N{LEFTWARDS ARROW} {LONG_AGO}</a></li>'
    assert read(built, f"{MONDAY}.html").replace(link, "") == after
    assert link in read(built, f"{MONDAY}.html")


def test_a_page_of_a_type_that_is_missing_is_written_again(built: World) -> None:
    """Whatever changed."""
    (built.root / "lake" / "reports" / "quality" / "types" / "lesson_started.html").unlink()
    built.report(TUESDAY)
    assert "maximum: level" in read(built, "types/lesson_started.html")


def test_the_page_of_a_type_follows_its_schema(built: World) -> None:
    """If only personal fields change, only the report of the last day and this page are due."""
    assert "usr_1" in read(built, "types/lesson_started.html")
    assert not due_created_dates(built.lake, built.catalog).all_days
    schema = deepcopy(SCHEMAS["lesson_started"])
    schema["properties"]["user"]["x-personal"] = True
    path = built.root / "catalog" / "lesson_started.yaml"
    path.write_text(yaml.safe_dump(schema, sort_keys=False), encoding="utf-8")
    due, old_pages = due_created_dates(built.lake, built.catalog), pages(built)
    assert due.reports == {TUESDAY: "the schema of lesson_started changed since its page was drawn"}
    assert due.all_days == {TUESDAY}
    built.report(TUESDAY)
    assert "usr_1" not in read(built, "types/lesson_started.html")
    changed = {name for name, content in pages(built).items() if content != old_pages[name]}
    assert changed == {"index.html", f"{TUESDAY}.html", "types/lesson_started.html"}
    assert not due_created_dates(built.lake, built.catalog).all_days


def test_a_run_that_is_killed_before_the_commit_leaves_the_day_due(
    built: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pages are drawn again, and nothing remembers figures that are not in the table."""
    stored = month(built).read_bytes()
    built.deliver(TUESDAY, "b", event("u5", TUESDAY))
    built.load(TUESDAY)
    built.deduplicate(TUESDAY)
    built.type(TUESDAY)

    def kill(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TableCommit, "commit", kill)
    with pytest.raises(KeyboardInterrupt):
        built.report(TUESDAY)
    monkeypatch.undo()
    assert month(built).read_bytes() == stored
    assert due_created_dates(built.lake, built.catalog).days == [TUESDAY]
    built.report(TUESDAY)
    assert history(built) == summed(built)


@pytest.mark.parametrize("page", ["index.html", f"{TUESDAY}.html", "types/account_created.html"])
def test_a_page_that_cannot_be_written_fails_the_step(built: World, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the day stays due."""
    built.deliver(TUESDAY, "b", event("u5", TUESDAY))
    built.load(TUESDAY)
    built.deduplicate(TUESDAY)
    built.type(TUESDAY)
    write = Storage.write_whole

    def fail(storage: Storage, uri: str, data: bytes) -> None:
        if uri.endswith(page):
            raise OSError(uri)
        write(storage, uri, data)

    monkeypatch.setattr(Storage, "write_whole", fail)
    with pytest.raises(OSError, match=Path(page).name):
        built.report(TUESDAY)
    assert due_created_dates(built.lake, built.catalog).days == [TUESDAY]


def test_nobody_reads_half_a_page(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the end of another report's page behind it: each page is complete, old or new."""
    write, reads = Path.write_bytes, list[bool]()

    def in_halves(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        pages = (built.root / "lake" / "reports").rglob("*.html")
        reads.extend(page.read_bytes().rstrip().endswith(b"</html>") for page in pages)
        return write(path, data)

    built.deliver(TUESDAY, "b", event("u5", TUESDAY))
    monkeypatch.setattr(Path, "write_bytes", in_halves)
    built.build(TUESDAY)
    assert reads
    assert all(reads)


def test_two_reports_at_once_lose_nothing(built: World) -> None:
    """Each writes the month as it knows it; missing days are read from the table."""
    built.deliver(WEDNESDAY, "a", event("u7", WEDNESDAY))
    built.deliver(MONDAY, "b", event("u8", MONDAY))
    days = (MONDAY, WEDNESDAY)
    built.load(*days)
    built.deduplicate(*days)
    built.type(*days)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(built.report, days))
    assert history(built, MONDAY, WEDNESDAY) == summed(built)
    assert not due_created_dates(built.lake, built.catalog).all_days


def test_days_that_only_the_calendar_shows_are_judged_once(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their status is in a file; without it they are judged again."""
    day = MONDAY - timedelta(days=100)
    built.deliver(day, "a", event("old", day), "{broken")
    built.build(day)
    judged: list[date] = []

    def judge(figures: Figures, catalog: Catalog, thresholds: Thresholds, day: date, today: date) -> list[Finding]:
        judged.append(day)
        return judge_day(figures, catalog, thresholds, day, today)

    monkeypatch.setattr(overview, "judge_day", judge)
    statuses = month(built).with_name("statuses.json")
    assert f'"{day}":"error"' in statuses.read_text()
    for text in (None, "{", '{"2025-01-01":"purple"}'):
        if text is not None:
            statuses.write_text(text)
            shutil.rmtree(statuses.parents[1] / "findings")
        judged.clear()
        built.report(TUESDAY)
        assert judged == ([TUESDAY] if text is None else [day, MONDAY, TUESDAY])
        assert f'href="{day}.html"' in read(built, "index.html")
        assert f'"{day}":"error"' in statuses.read_text()
