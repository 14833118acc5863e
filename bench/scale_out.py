"""The cost of scaling out: the same steps with the local pool, and with one or more workers of a Dask cluster.

    python -m bench.scale_out --help

Each row is a lake of its own in a folder, which all workers see: they are on this machine. The CPU is that of all
processes, the scheduler's and the workers' event loops included; they are warm before the clock starts.
"""

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import click
import psutil
from distributed.deploy.subprocess import SubprocessCluster
from rich.console import Console
from rich.table import Table

from bench.commands import folder_option
from event_platform.checks.thresholds import DEFAULT_THRESHOLDS
from event_platform.compute.executor import open_executor
from event_platform.environment import LOCAL_COMPUTE, SAMPLE_CATALOG
from event_platform.events.catalog import Catalog, load_catalog
from event_platform.lake.lake import Lake
from event_platform.lake.totals import lake_totals
from event_platform.landing.folder import FolderLanding
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.deduplication.step import deduplicate
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.loading.quarantine import quarantine_corrupt
from event_platform.pipeline.loading.step import load
from event_platform.pipeline.reporting.step import report_quality
from event_platform.pipeline.typing.step import UNREGISTERED, type_all
from event_platform.sample.generate import Sample, generate
from event_platform.storage.storage import Storage

_FIRST = date(2025, 6, 1)
_WINDOW_DAYS = 7


@dataclass(frozen=True)
class Work:
    """A generated landing zone, and the steps that are measured on it."""

    folder: Path
    days: Sequence[date]
    catalog: Catalog

    def steps(self, lake: Lake, executor: Executor) -> dict[str, Callable[[], Any]]:
        """Return the steps in order, by the names of their tables."""
        landing = FolderLanding(self.folder / "landing")
        source, context = ObjectSource(landing, self.catalog.envelope, _FIRST), PipelineContext(lake, executor)
        keys = [*self.catalog.by_key, UNREGISTERED]
        return {
            "raw_events": lambda: load(context, source, self.days, _WINDOW_DAYS),
            "corrupt_events": lambda: quarantine_corrupt(lake, self.days),
            "deduplicated_events": lambda: deduplicate(context, self.days, _WINDOW_DAYS),
            "events/…": lambda: type_all(context, self.catalog, keys, self.days),
            "quality_report": lambda: report_quality(
                context, self.catalog, DEFAULT_THRESHOLDS, self.days, self.days[0]
            ),
        }


@dataclass(frozen=True)
class Cost:
    """Wall time and CPU time of a step, of all processes."""

    wall_seconds: float
    cpu_seconds: float


def prepare_work(folder: Path, events: int, days: int, catalog: Catalog) -> Work:
    """Generate a landing zone below a folder: so many distinct events, arriving over so many days."""
    generate(Sample(folder / "landing", events, _FIRST, days, seed=1), lambda _done, _total: None)
    return Work(folder, [_FIRST + timedelta(number) for number in range(days)], catalog)


def measure(work: Work, small: Work, workers: int | None) -> dict[str, Cost]:
    """Run all steps in a new lake, with the local pool (None) or a number of cluster workers; return the cost by step.

    Raises AssertionError if the totals do not balance afterwards.
    """
    with _executor(work.folder / "dask", workers) as executor:
        for step in small.steps(_new_lake(small), executor).values():
            step()
        lake = _new_lake(work)
        costs = {name: _cost(step) for name, step in work.steps(lake, executor).items()}
    assert lake_totals(lake, work.catalog)["balanced"]  # noqa: S101 - a figure for half of the work is none
    return costs


@contextmanager
def _executor(folder: Path, workers: int | None) -> Iterator[Executor]:
    if workers is None:
        with open_executor(LOCAL_COMPUTE) as pool:
            yield pool
        return
    with (
        SubprocessCluster(
            n_workers=workers,
            threads_per_worker=1,
            worker_class="distributed.Worker",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            worker_kwargs={"local_directory": str(folder), "dashboard": False, "dashboard_address": "127.0.0.1:0"},
        ) as cluster,
        open_executor(cluster.scheduler_address) as executor,
    ):
        cluster.wait_for_workers(workers)
        yield executor


def _new_lake(work: Work) -> Lake:
    shutil.rmtree(work.folder / "lake", ignore_errors=True)
    return Lake(Storage(str(work.folder / "lake")))


def _cost(step: Callable[[], Any]) -> Cost:
    wall, cpu = time.monotonic(), _cpu_seconds()
    step()
    return Cost(time.monotonic() - wall, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def _total(costs: Mapping[str, Cost]) -> Cost:
    return Cost(sum(cost.wall_seconds for cost in costs.values()), sum(cost.cpu_seconds for cost in costs.values()))


def _shown(found: Mapping[str, Mapping[str, Cost]], events: int) -> Table:
    table = Table("step", title=f"{events:,} events")
    for name in found:
        table.add_column(f"{name}\nwall s", justify="right")
        table.add_column("CPU µs\nan event", justify="right")
    by_setting = [{**costs, "all": _total(costs)} for costs in found.values()]
    for step in by_setting[0]:
        figures = [costs[step] for costs in by_setting]
        cells = ((f"{figure.wall_seconds:.2f}", f"{figure.cpu_seconds / events * 1e6:.2f}") for figure in figures)
        table.add_row(step, *chain.from_iterable(cells), end_section=step == "quality_report")
    return table


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--events", default=1_000_000, show_default=True, help="Events of the sample, in 100 types.")
@click.option("--days", default=1, show_default=True, help="Days over which they arrive.")
@click.option("--workers", multiple=True, type=int, default=(1, 2, 4), show_default=True, help="Workers of a cluster.")
@folder_option
@click.option(
    "--json",
    "kept",
    type=click.Path(path_type=Path),
    default=Path("data/bench/scale_out.json"),
    show_default=True,
    help="Keep the figures in this file.",
)
def main(events: int, days: int, workers: tuple[int, ...], folder: Path | None, kept: Path) -> None:
    """Measure the steps with the local pool and on a Dask cluster, and print a table."""
    catalog = load_catalog(SAMPLE_CATALOG)
    settings = {"pool": None, **{f"Dask, {count}": count for count in workers}}
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        work = prepare_work(Path(temporary) / "work", events, days, catalog)
        # Of several days, so that each step has a task for each worker: one is done by this process itself.
        small = prepare_work(Path(temporary) / "small", 20_000, 4, catalog)
        found = {name: measure(work, small, count) for name, count in settings.items()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(_as_json(found, events, days), indent=2), encoding="utf-8")
    Console(width=max(Console().width, 140)).print(_shown(found, events))


def _as_json(found: Mapping[str, Mapping[str, Cost]], events: int, days: int) -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "events": events,
        "days": days,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("distributed", "polars", "deltalake")},
        "costs": {name: {step: asdict(cost) for step, cost in costs.items()} for name, costs in found.items()},
    }


if __name__ == "__main__":
    main()
