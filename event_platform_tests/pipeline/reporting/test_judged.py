"""Findings of a day are stored, and judged again if they may have changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from event_platform.checks.judging import Figures, judge_day
from event_platform.checks.result import Finding
from event_platform.checks.thresholds import DEFAULT_THRESHOLDS, Thresholds
from event_platform.events.catalog import Catalog
from event_platform.pipeline.reporting import findings
from event_platform.pipeline.reporting.findings import lake_findings
from event_platform_tests.support.world import MONDAY, TUESDAY, World, copy_of, event

DAYS = (MONDAY, TUESDAY)
LATER = datetime.now(UTC).date() + timedelta(days=1)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days, of which one has a corrupt record."""
    world = World(tmp_path_factory.mktemp("built"))
    world.deliver(MONDAY, "a", event("u1", MONDAY), "{broken")
    world.deliver(TUESDAY, "a", event("u2", TUESDAY))
    world.build(*DAYS)
    return world


@pytest.fixture
def built(built_once: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copy_of(built_once, tmp_path)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """Days that are judged from now on."""
    days: list[date] = []

    def judge(figures: Figures, catalog: Catalog, thresholds: Thresholds, day: date, today: date) -> list[Finding]:
        days.append(day)
        return judge_day(figures, catalog, thresholds, day, today)

    monkeypatch.setattr(findings, "judge_day", judge)
    return days


def read_findings_of(
    world: World, thresholds: Thresholds = DEFAULT_THRESHOLDS, today: date = LATER
) -> dict[tuple[str, date], str]:
    """Return what failed, with its severity."""
    each_of = lake_findings(world.lake, world.catalog, thresholds, DAYS, world.start_date, today)
    return {(each.check, each.day): each.result.severity for each in each_of if not each.result.passed}


def file(world: World) -> Path:
    """Return the file of the month."""
    return world.root / "lake" / "reports" / "quality" / "findings" / "2025-06.json.gz"


def test_what_was_found_is_read(built: World, judged: list[date]) -> None:
    """And is what judging gives."""
    assert read_findings_of(built) == {("corruption_rate", MONDAY): "error"}
    assert judged == []
    file(built).unlink()
    assert read_findings_of(built) == {("corruption_rate", MONDAY): "error"}
    assert judged == [*DAYS]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(b"no gzip"),
        lambda path: path.write_bytes(path.read_bytes()[:10] + b"\xff" * 20),
    ],
)
def test_a_damaged_file_is_of_no_consequence(
    built: World, judged: list[date], damage: Callable[[Path], object]
) -> None:
    """Its days are judged."""
    damage(file(built))
    assert read_findings_of(built) == {("corruption_rate", MONDAY): "error"}
    assert judged == [*DAYS]


def test_other_limits_are_judged_by(built: World, judged: list[date]) -> None:
    """As a project may set them after the report was made."""
    lenient = replace(DEFAULT_THRESHOLDS, corruption_warn_above=0.9, corruption_error_above=0.9)
    assert read_findings_of(built, lenient) == {}
    assert judged == [*DAYS]


def test_a_day_that_was_not_over_is_judged_again(world: World, judged: list[date], today: date) -> None:
    """Only then it may have too few events."""
    world.deliver(today, "a", event("u1", today))
    world.build(today)
    lake_findings(world.lake, world.catalog, DEFAULT_THRESHOLDS, [today], world.start_date, today)
    assert judged == []
    lake_findings(world.lake, world.catalog, DEFAULT_THRESHOLDS, [today], world.start_date, today + timedelta(days=1))
    assert judged == [today]


def test_a_day_with_other_figures_is_judged_again(built: World, judged: list[date]) -> None:
    """With its report, so that nothing is left to do."""
    built.deliver(TUESDAY, "b", "{broken", "{broken")
    built.build(TUESDAY)
    assert read_findings_of(built) == {("corruption_rate", day): "error" for day in DAYS}
    assert judged == []
