"""`event-platform run` and `replay`: find what is due, materialize it through Dagster, show the ledger."""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from event_platform.cli.output import ERR, progress_bars
from event_platform.cli.project import load_project
from event_platform.cli.status import show_ledger
from event_platform.definitions import build_definitions, platform_assets
from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.defs.assets.reporting import listening
from event_platform.defs.automation.downstream import Together, due_whole, together
from event_platform.defs.automation.failures import cause_of
from event_platform.defs.automation.requests import PART, run_tags, stretches, unreachable
from event_platform.defs.graph import own_assets
from event_platform.defs.instance.opening import open_instance
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import SettingError
from event_platform.lake.deployments import deployment_of, other_deployment
from event_platform.lake.ledger import deliveries
from event_platform.pipeline.due import due_arrival_dates, due_created_dates
from event_platform.pipeline.opening import open_lake, open_landing

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_REBUILD = {
    **_QUIET,
    "ops": {name: {"config": {"rebuild": True}} for name in ("deduplicated_events", "typed_events")},
}
_REPLAY = {**_QUIET, "ops": {"raw_events": {"config": {"replay": True}}}}
_RAW = dg.AssetSelection.assets(RAW_EVENTS, CORRUPT_EVENTS)


def run_due(environment: Environment, first: date | None, last: date | None, *, rebuild: bool = False) -> int:
    """Materialize the partitions that are due, from `first` to `last`; return the exit code.

    With `rebuild`, all created_dates from `first` to `last` are built whole that have events.
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
        if not (delivery.due or delivery.known):
            _warn(f"{environment.landing} holds no object. If some have landed, correct EVENT_PLATFORM_LANDING")
        arrivals = {landed.arrival_date for landed in delivery.due} | {*due_arrival_dates(lake, look_for_files=True)}
        _warn(unreachable(arrivals, *_window(environment, None, None)))
        failed = _materialize(definitions, instance, _RAW, stretches(_within(arrivals, window)))
        if rebuild:
            days = _within(lake.deduplicated_events.snapshot().rows_by_date(), window)
            selection = dg.AssetSelection.assets(*platform_assets(catalog))
            failed += _materialize(definitions, instance, selection, stretches(days), _REBUILD)
        created = due_created_dates(lake, catalog, own=own, look_for_files=True)
        _warn(created.warning)
        _warn(other_deployment(lake.unregistered_events.snapshot(), deployment_of(catalog)))
        done = set[tuple[dg.AssetKey, date]]()
        while runs := _to_do(together(created, own, platform_assets(catalog), *window), done):
            for each in runs:
                selection = dg.AssetSelection.assets(*each.assets)
                failed += _materialize(definitions, instance, selection, stretches(each.days))
            created = due_created_dates(lake, catalog, own=own)
        tried = set[dg.AssetKey]()
        while whole := set(due_whole(created, own)) - tried:
            failed += _materialize(definitions, instance, dg.AssetSelection.assets(*whole), [None])
            tried |= whole
            created = due_created_dates(lake, catalog, own=own)
    # Those that are in a folder of a day that was loaded are in what that run tells.
    failed += [fault for fault in map(str, delivery.omissions.faults.values()) if fault not in "".join(failed)]
    _tell(failed)
    balanced = show_ledger(environment, lake, catalog, created)
    left = sorted(day for day in created.every if day is not None) if (first or last) and not failed else []
    if left:
        ERR.print(f"{len(left)} created dates are still due, such as {left[0]}: run again without --from and --to")
    return 1 if failed or not (balanced or left) else 0


def _to_do(runs: Iterable[Together], done: set[tuple[dg.AssetKey, date]]) -> list[Together]:
    """Return what has not been tried yet, and note it: what failed is left to the next call."""
    found = []
    for each in runs:
        days = {day: why for day, why in each.days.items() if not done.issuperset((key, day) for key in each.assets)}
        done |= {(key, day) for key in each.assets for day in days}
        found += [Together(each.assets, days)] if days else []
    return found


def replay(environment: Environment, first: date, last: date) -> int:
    """Load the arrival dates from `first` to `last` anew, then do as `run_due` does; return the exit code."""
    window = _window(environment, first, last)
    definitions = build_definitions(environment, load_catalog(environment.catalog))
    open_lake(environment.lake).storage.check()
    with (
        _instance(environment) as instance,
        progress_bars("tasks") as bars,
        listening(bars),
    ):
        failed = _materialize(definitions, instance, _RAW, [window], _REPLAY)
    _tell(failed)
    return 1 if failed else run_due(environment, None, None)


def _materialize(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    selection: dg.AssetSelection,
    ranges: Iterable[tuple[date, date] | None],
    config: Mapping[str, Any] = _QUIET,
) -> list[str]:
    """Run each range of days as one run, and None as a run without partitions; return what failed, in words."""
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


def _tell(failed: Iterable[str]) -> None:
    for problem in failed:
        ERR.print("failed:", problem, style="red", soft_wrap=True, highlight=False, markup=False)


def _problems(result: dg.ExecuteInProcessResult) -> list[str]:
    problems = []
    for event in result.filter_events(lambda each: each.is_step_failure):
        failure = event.step_failure_data
        told = failure.user_failure_data
        problems.append(f"{event.step_key}: {(told and told.description) or cause_of(failure.error)}")
        problems += [f"{name}: {value.value}" for name, value in (told.metadata if told else {}).items()]
    return problems


def _instance(environment: Environment) -> dg.DagsterInstance:
    return open_instance(os.environ.get("DAGSTER_HOME"), environment.lake)


def _window(environment: Environment, first: date | None, last: date | None) -> tuple[date, date]:
    """Return the first and the last partition in the range. Raises SettingError where there is none."""
    today = datetime.now(UTC).date()
    window = max(first or date.min, environment.start_date), min(last or date.max, today)
    if window[0] > window[1]:
        raise SettingError(
            f"no partition is in the range {first or ''}…{last or ''}: they go from {environment.start_date} "
            f"(EVENT_PLATFORM_START_DATE) to {today}"
        )
    return window


def _within(days: Iterable[date], window: tuple[date, date]) -> list[date]:
    return sorted(day for day in days if window[0] <= day <= window[1])


def _warn(warning: str | None) -> None:
    if warning:
        ERR.print(warning, style="yellow", soft_wrap=True, highlight=False, markup=False)
