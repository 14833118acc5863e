"""One measurement: materialize a sample's days through Dagster, and print what it cost as JSON.

A process of its own, which `bench.orchestration` starts in the environment that is to be measured.
"""

import importlib
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg

from event_platform.definitions import build_definitions
from event_platform.defs.automation.requests import run_tags
from event_platform.defs.graph import checks_of_runs
from event_platform.defs.instance.opening import open_instance
from event_platform.environment import load_environment
from event_platform.events.catalog import load_catalog

#: Where assets and checks leave for the data: everything else in a run is bookkeeping.
_DATA_WORK = {
    "event_platform.defs.assets.raw_events": ["load", "quarantine_corrupt"],
    "event_platform.defs.assets.deduplicated_events": ["deduplicate"],
    "event_platform.defs.assets.typed_events": ["type_all"],
    "event_platform.defs.assets.quality_report": ["report_quality"],
    "event_platform.defs.io_manager": ["write_frame"],
    "event_platform.defs.checks.operation": ["imap_threads"],
}
_RAW = dg.AssetSelection.assets("raw_events", "corrupt_events")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Stopwatch:
    """Seconds that the thread of the run spends in given functions. Other threads are not counted."""

    seconds: float = 0.0
    _depth: int = field(default=0, repr=False)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed; where it returns an iterator, each of its items too."""

        def timed(*arguments: Any, **named: Any) -> Any:
            result = self._time(lambda: function(*arguments, **named))
            return self._each(result) if isinstance(result, Iterator) else result

        return timed

    def _each(self, items: Iterator[Any]) -> Iterator[Any]:
        end = object()
        while (item := self._time(lambda: next(items, end))) is not end:
            yield item

    def _time(self, call: Callable[[], Any]) -> Any:
        started, self._depth = time.monotonic(), self._depth + 1
        try:
            return call()
        finally:
            self._depth -= 1
            if not self._depth:
                self.seconds += time.monotonic() - started


def measure(first: date, days: int, days_per_run: int) -> dict[str, Any]:
    """Materialize raw, then everything downstream, in runs of `days_per_run` days; return counts, seconds and bytes."""
    environment = load_environment()
    definitions = build_definitions(environment, load_catalog(environment.catalog))
    graph = definitions.resolve_asset_graph()
    left_out = graph.asset_check_keys - {*checks_of_runs(graph, graph.get_all_asset_keys())}
    downstream = dg.AssetSelection.all() - _RAW - dg.AssetSelection.checks(*left_out)
    watch, events = Stopwatch(), Counter[str]()
    with open_instance(os.environ.get("DAGSTER_HOME"), environment.lake) as instance, ExitStack() as patches:
        for module, names in _DATA_WORK.items():
            for name in names:
                target = importlib.import_module(module)
                patches.enter_context(patch.object(target, name, watch.around(getattr(target, name))))
        started, cpu = time.monotonic(), _cpu_seconds()
        runs = [
            _run(definitions, instance, selection, start, end)
            for selection in (_RAW, downstream)
            for start, end in _slices(first, days, days_per_run)
        ]
        wall, cpu = time.monotonic() - started, _cpu_seconds() - cpu
        for run in runs:
            events.update(_kind(entry) for entry in instance.all_logs(run))
    return {
        "runs": len(runs),
        "wall_seconds": wall,
        "data_work_seconds": watch.seconds,
        "bookkeeping_seconds": wall - watch.seconds,
        "driver_cpu_seconds": cpu,
        "stored_bytes": _stored_bytes(),
        "events": events.total(),
        "events_by_type": dict(events.most_common()),
    }


def _slices(first: date, days: int, size: int) -> Iterator[tuple[date, date]]:
    for start in range(0, days, size):
        yield first + timedelta(start), first + timedelta(min(start + size, days) - 1)


def _run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, selection: dg.AssetSelection, start: date, end: date
) -> str:
    return dg.materialize(
        [*definitions.assets, *definitions.asset_checks],  # type: ignore[misc]
        selection=selection,
        resources=dict(definitions.resources or {}),
        instance=instance,
        tags=run_tags(start, end),
        run_config=_QUIET,
    ).run_id


def _kind(entry: dg.EventLogEntry) -> str:
    return entry.dagster_event.event_type_value if entry.dagster_event else "log message"


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _stored_bytes() -> int:
    home = os.environ.get("DAGSTER_HOME")
    return sum(path.stat().st_size for path in Path(home).rglob("*") if path.is_file()) if home else 0


def main(arguments: Sequence[str]) -> None:
    """Measure `<first day> <days> <days per run>` in the environment as it is."""
    first, days, days_per_run = arguments
    print(json.dumps(measure(date.fromisoformat(first), int(days), int(days_per_run))))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
