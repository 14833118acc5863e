"""`event-platform run` and `replay`: find what is due, materialize it through Dagster, show the totals."""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from event_platform.cli.output import ERR, progress_bars
from event_platform.cli.project import load_project
from event_platform.cli.status import show_totals
from event_platform.definitions import build_definitions, platform_assets
from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.defs.assets.reporting import listening
from event_platform.defs.automation.downstream import DueAssets, due_downstream
from event_platform.defs.automation.failures import cause_of
from event_platform.defs.automation.requests import PART, date_ranges, run_tags
from event_platform.defs.graph import own_assets
from event_platform.defs.instance.opening import open_instance
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import SettingError
from event_platform.lake.deployments import deployment_of, other_deployment
from event_platform.lake.ledger import deliveries
from event_platform.pipeline.due_arrivals import due_arrivals
from event_platform.pipeline.opening import open_lake, open_landing

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_REBUILD = {
    **_QUIET,
    "ops": {name: {"config": {"rebuild": True}} for name in ("deduplicated_events", "typed_events")},
}
_REPLAY = {**_QUIET, "ops": {"raw_events": {"config": {"replay": True}}}}
_RAW = dg.AssetSelection.assets(RAW_EVENTS, CORRUPT_EVENTS)


def run_due(environment: Environment, first: date | None, last: date | None, *, rebuild: bool = False) -> int:
    """Materialize the due partitions from `first` to `last`; return the exit code.

    With `rebuild`, all created_dates from `first` to `last` that have events are rebuilt.
    """
    window = _window(environment, first, last)
    catalog = load_catalog(environment.catalog)
    definitions = load_project(Path.cwd()) or build_definitions(environment, catalog)
    own = own_assets(definitions.resolve_asset_graph())
    lake = open_lake(environment.lake)
    lake.storage.check()
    with _instance(environment) as instance, progress_bars("tasks") as bars, listening(bars):
        delivery = deliveries(lake.raw_events.snapshot(), open_landing(environment.landing), None)
        _warn(delivery.omissions.hidden_warning)
        if not (delivery.due or delivery.loaded):
            _warn(f"{environment.landing} contains no object. If some have landed, correct EVENT_PLATFORM_LANDING")
        arrivals = due_arrivals(lake, delivery.due, *_window(environment, None, None), look_for_files=True)
        _warn(arrivals.warning)
        failed = _materialize(definitions, instance, _RAW, date_ranges(_within(arrivals.causes, window)))
        platform = platform_assets(catalog)
        if rebuild:
            days = _within(lake.deduplicated_events.snapshot().rows_by_date(), window)
            selection = dg.AssetSelection.assets(*platform)
            failed += _materialize(definitions, instance, selection, date_ranges(days), _REBUILD)
        due = due_downstream(lake, catalog, own, platform, *window, look_for_files=True)
        _warn(due.dates.warning)
        _warn(other_deployment(lake.unregistered_events.snapshot(), deployment_of(catalog)))
        tried = set[tuple[dg.AssetKey, date]]()
        while runs := _select_untried(due.by_day, tried):
            for each in runs:
                selection = dg.AssetSelection.assets(*each.assets)
                failed += _materialize(definitions, instance, selection, date_ranges(each.days))
            due = due_downstream(lake, catalog, own, platform, *window)
        tried_whole = set[dg.AssetKey]()
        while whole := set(due.whole) - tried_whole:
            failed += _materialize(definitions, instance, dg.AssetSelection.assets(*whole), [None])
            tried_whole |= whole
            due = due_downstream(lake, catalog, own, platform, *window)
    # The run of a day has reported the faults in that day's folders.
    failed += [fault for fault in map(str, delivery.omissions.faults.values()) if fault not in "".join(failed)]
    _print_failures(failed)
    balanced = show_totals(environment, lake, catalog, due.dates)
    left = sorted(day for day in due.dates.every if day is not None) if (first or last) and not failed else []
    if left:
        message = f"{len(left)} created {'date is' if len(left) == 1 else 'dates are'} still due, such as {left[0]}"
        ERR.print(f"{message}: run again without --from and --to", soft_wrap=True)
    return 1 if failed or not (balanced or left) else 0


def _select_untried(runs: Iterable[DueAssets], tried: set[tuple[dg.AssetKey, date]]) -> list[DueAssets]:
    """Return what is not in `tried`, and add it: what fails is left to the next call of `run_due`."""
    found = []
    for each in runs:
        days = {day: why for day, why in each.days.items() if not tried.issuperset((key, day) for key in each.assets)}
        tried |= {(key, day) for key in each.assets for day in days}
        found += [DueAssets(each.assets, days)] if days else []
    return found


def replay(environment: Environment, first: date, last: date) -> int:
    """Load the arrival dates from `first` to `last` again, then call `run_due`; return the exit code."""
    window = _window(environment, first, last)
    definitions = build_definitions(environment, load_catalog(environment.catalog))
    open_lake(environment.lake).storage.check()
    with (
        _instance(environment) as instance,
        progress_bars("tasks") as bars,
        listening(bars),
    ):
        failed = _materialize(definitions, instance, _RAW, [window], _REPLAY)
    _print_failures(failed)
    return 1 if failed else run_due(environment, None, None)


def _materialize(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    selection: dg.AssetSelection,
    ranges: Iterable[tuple[date, date] | None],
    config: Mapping[str, Any] = _QUIET,
) -> list[str]:
    """Materialize each range of days in a run of its own, and None without partitions; return a message per failure."""
    failed: list[str] = []
    for days in ranges:
        result = dg.materialize(
            [*definitions.assets, *definitions.asset_checks],  # type: ignore[misc]
            selection=selection,
            resources=dict(definitions.resources or {}),
            instance=instance,
            tags={PART: "raw" if selection is _RAW else "created", **(run_tags(*days) if days else {})},
            run_config=dict(config),
            raise_on_error=False,
        )
        prefix = f"{days[0]} to {days[1]}: " if days else ""
        failed.extend(f"{prefix}{problem}" for problem in _problems(result))
    return failed


def _print_failures(failed: Iterable[str]) -> None:
    for problem in failed:
        ERR.print("failed:", problem, style="red", soft_wrap=True, highlight=False, markup=False)


def _problems(result: dg.ExecuteInProcessResult) -> list[str]:
    problems = []
    for event in result.filter_events(lambda each: each.is_step_failure):
        failure = event.step_failure_data
        reported = failure.user_failure_data  # of a dg.Failure
        problems.append(f"{event.step_key}: {(reported and reported.description) or cause_of(failure.error)}")
        problems += [f"{name}: {value.value}" for name, value in (reported.metadata if reported else {}).items()]
    return problems


def _instance(environment: Environment) -> dg.DagsterInstance:
    return open_instance(os.environ.get("DAGSTER_HOME"), environment.lake)


def _window(environment: Environment, first: date | None, last: date | None) -> tuple[date, date]:
    """Return the first and the last partition in the range. Raises SettingError if there is none."""
    today = datetime.now(UTC).date()
    window = max(first or date.min, environment.start_date), min(last or date.max, today)
    if window[0] > window[1]:
        raise SettingError(
            f"no partition is in the range {first or ''}…{last or ''}: partitions go from {environment.start_date} "
            f"(EVENT_PLATFORM_START_DATE) to {today}"
        )
    return window


def _within(days: Iterable[date], window: tuple[date, date]) -> list[date]:
    return sorted(day for day in days if window[0] <= day <= window[1])


def _warn(warning: str | None) -> None:
    if warning:
        ERR.print(warning, style="yellow", soft_wrap=True, highlight=False, markup=False)
