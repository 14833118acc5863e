"""The measurements that the README quotes can be taken again."""

from datetime import timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from bench.measured_run import Stopwatch, measure
from event_platform.defs.graph import checks_of_runs
from event_platform_tests.support.command import use
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event


@pytest.mark.parametrize(("days_per_run", "runs"), [(2, 2), (1, 4)])
def test_a_measurement_counts_every_event_and_tells_work_from_bookkeeping(
    world: World, monkeypatch: pytest.MonkeyPatch, days_per_run: int, runs: int
) -> None:
    """Raw and what is downstream, in as many runs as asked for; each check of runs is evaluated for each day."""
    use(monkeypatch, world)
    (world.root / "dagster").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(world.root / "dagster"))
    world.deliver(MONDAY, "a", event("u1"))
    world.deliver(TUESDAY, "b", event("u2", TUESDAY))
    found = measure(MONDAY, 2, days_per_run)
    graph = world.definitions().resolve_asset_graph()
    checks = checks_of_runs(graph, graph.get_all_asset_keys())
    assert found["runs"] == runs
    assert found["events_by_type"][dg.DagsterEventType.ASSET_CHECK_EVALUATION.value] == 2 * len(checks)
    assert found["events"] == sum(found["events_by_type"].values())
    assert found["data_work_seconds"] > 0
    assert found["data_work_seconds"] + found["bookkeeping_seconds"] == pytest.approx(found["wall_seconds"])
    assert world.events("account_created")["created_date"].to_list() == [MONDAY, MONDAY + timedelta(days=1)]


def test_work_within_work_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step's time excludes the steps that it calls; an iterator is timed to its end."""
    clock = iter(range(100))
    monkeypatch.setattr("bench.measured_run.time", SimpleNamespace(monotonic=lambda: next(clock)))
    watch = Stopwatch()
    inner = watch.around(lambda: None)
    watch.around(inner)()
    assert watch.seconds == 2  # the clock is read when the outer begins, when the inner begins, and at the end
    assert list(watch.around(lambda: iter("ab"))()) == ["a", "b"]
    assert watch.seconds == 2 + 4  # the call, two items and the end
