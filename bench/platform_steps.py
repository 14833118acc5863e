"""The steps of the platform one by one, without Dagster: wall time and CPU time of each, as JSON.

    python -m bench.platform_steps landing catalog lake

The lake is a new one. Tasks run in the pool that a run of Dagster's uses.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from event_platform.checks.thresholds import DEFAULT_THRESHOLDS
from event_platform.compute.pool import local_pool
from event_platform.compute.tasks import counting_cpu_time
from event_platform.environment import load_environment
from event_platform.events.catalog import load_catalog
from event_platform.lake.ledger import deliveries
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.deduplication.step import deduplicate
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.loading.quarantine import quarantine_corrupt
from event_platform.pipeline.loading.step import load
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.pipeline.reporting.step import report_quality
from event_platform.pipeline.sizing import DEFAULT_SIZING, Sizing
from event_platform.pipeline.typing.step import UNREGISTERED, type_all

#: The default of the platform's rules.
_WINDOW_DAYS = 7


@dataclass(frozen=True)
class StepCost:
    """What a step took: seconds, CPU seconds of this process and of its tasks in workers."""

    step: str
    wall_seconds: float
    cpu_seconds: float


def measure(landing: str, catalog_folder: str, lake_folder: str, sizing: Sizing = DEFAULT_SIZING) -> list[StepCost]:
    """Run every step once, in the order of the graph."""
    catalog, lake, source = load_catalog(Path(catalog_folder)), open_lake(lake_folder), open_landing(landing)
    first_date = load_environment().start_date
    costs: list[StepCost] = []
    with local_pool() as executor:
        arrival_dates = sorted({each.arrival_date for each in deliveries(lake.raw_events.snapshot(), source, None).due})
        loading, context = (
            ObjectSource(source, catalog.envelope, first_date),
            PipelineContext(lake, executor, sizing=sizing),
        )
        with _timed("load", costs):
            loaded = load(context, loading, arrival_dates, _WINDOW_DAYS)
        with _timed("quarantine", costs):
            quarantine_corrupt(lake, arrival_dates)
        dates = sorted({day for each in loaded.values() for day in each.created_dates})
        with _timed("deduplicate", costs):
            deduplicate(context, dates, _WINDOW_DAYS)
        with _timed("type", costs):
            type_all(context, catalog, [*catalog.by_key, UNREGISTERED], dates)
        with _timed("quality report", costs):
            report_quality(context, catalog, DEFAULT_THRESHOLDS, dates, dates[0])
    return costs


@contextmanager
def _timed(step: str, costs: list[StepCost]) -> Iterator[None]:
    began = time.monotonic()
    with counting_cpu_time() as cpu_time:
        yield
    costs.append(StepCost(step, time.monotonic() - began, cpu_time.seconds))


def main(arguments: Sequence[str]) -> None:
    """Measure in `<landing> <catalog> <lake>`."""
    landing, catalog, lake = arguments
    print(json.dumps([asdict(each) for each in measure(landing, catalog, lake)]))  # noqa: T201 - for bench.__main__


if __name__ == "__main__":
    main(sys.argv[1:])
