"""The figures of scaling out can be taken again, and are of the same work."""

import shutil
from pathlib import Path

import pytest

from bench.scale_out import measure, prepare_work
from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog

pytestmark = pytest.mark.xdist_group("dask")


@pytest.mark.parametrize("workers", [None, 1])
def test_a_measurement_does_every_step_and_counts_the_time_of_all_processes(
    tmp_path: Path, workers: int | None
) -> None:
    """With the pool and on a cluster; it fails where the books do not balance."""
    for key in ("lesson_started", "account_created"):  # of the others no table is needed to measure a step
        shutil.copy(SAMPLE_CATALOG / f"{key}.yaml", tmp_path)
    catalog = load_catalog(tmp_path)
    work, small = (prepare_work(tmp_path / name, 300, 2, catalog) for name in ("work", "small"))
    costs = measure(work, small, workers)
    assert list(costs) == ["raw_events", "corrupt_events", "deduplicated_events", "events/…", "quality_report"]
    assert all(cost.wall_seconds > 0 and cost.cpu_seconds >= 0 for cost in costs.values())
