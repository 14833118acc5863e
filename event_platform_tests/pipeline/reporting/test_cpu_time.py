"""The CPU time that each day has taken, in the logs of tables and on the index."""

import re

import pytest

from event_platform.compute.tasks import counting_cpu_time, step_seconds
from event_platform.pipeline import cpu_time
from event_platform.pipeline.cpu_time import add_step_time, cpu_seconds
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


@pytest.fixture
def built(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two days, of one and three records, by steps of six CPU seconds."""
    monkeypatch.setattr(cpu_time, "step_seconds", lambda: 6.0)
    world.deliver(MONDAY, "a", event("u1", MONDAY))
    world.deliver(TUESDAY, "a", *(event(f"u{number}", TUESDAY) for number in (2, 3, 4)))
    world.build(MONDAY, TUESDAY)
    return world


def test_a_step_divides_its_time_by_rows(built: World) -> None:
    """With one more for each day: those without rows take time, too. It adds to what the day took before."""
    lake, days = built.lake, [MONDAY, TUESDAY]
    tables = [lake.raw_events, lake.deduplicated_events, lake.unregistered_events]  # which the step that types writes
    assert [cpu_seconds([each.snapshot()], days) for each in tables] == [{MONDAY: 2.0, TUESDAY: 4.0}] * 3
    built.deliver(MONDAY, "b", event("u5", MONDAY))
    built.build(MONDAY)
    assert cpu_seconds([each.snapshot() for each in tables], days) == {MONDAY: 3 * 8.0, TUESDAY: 3 * 4.0}


def test_the_time_of_every_step_is_in_a_log(world: World) -> None:
    """Also of the one that commits to its tables side by side: a thread does not know the time of the step."""
    world.deliver(MONDAY, "a", event("u1", MONDAY))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    with counting_cpu_time():
        world.type(MONDAY)
    assert cpu_seconds([world.lake.unregistered_events.snapshot()], [MONDAY])[MONDAY] > 0


def test_the_index_shows_it(built: World) -> None:
    """In the column CPU; a dash where no log says any."""
    assert costs(built) == {str(TUESDAY): "12.0 s", str(MONDAY): "6.0 s"}


def test_an_older_release_says_nothing(world: World) -> None:
    """Nor do steps whose time nobody counts."""
    world.deliver(MONDAY, "a", event("u1", MONDAY))
    world.build(MONDAY)
    assert costs(world) == {str(MONDAY): "\N{EN DASH}"}


def costs(world: World) -> dict[str, str]:
    """Return the last column of the table of costs of the index, by day."""
    html = (world.root / "lake" / "reports" / "quality" / "index.html").read_text(encoding="utf-8")
    row = re.compile(r'<tr><th scope="row"><a href="([0-9-]+).html">.*>([^<]*)</td></tr>')
    return dict(row.findall(html[html.index('id="costs"') :]))


def test_the_time_so_far_is_known_within_a_step() -> None:
    """And no time without one."""
    assert step_seconds() == 0
    with counting_cpu_time() as whole:
        sum(range(100_000))
        so_far = step_seconds()
    assert 0 < so_far <= whole.seconds


def test_days_without_rows_have_equal_shares(built: World) -> None:
    """Whatever a mapping of days says of them."""
    target = built.lake.duplicate_events.snapshot()
    assert list(add_step_time(target, {MONDAY: 0, TUESDAY: 7}, []).values()) == [3000, 3000]
    assert add_step_time(target, {}, []) == {}
