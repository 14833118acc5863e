"""Materialize what `event-platform run`, `replay` and `mend` find due: by Dagster, in this process, a run a range."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from event_platform.checks.result import Result
from event_platform.cli.checks import Checked, Results
from event_platform.cli.output import ERR, print_warning
from event_platform.cli.progress import Listener
from event_platform.cli.project import PLATFORM, load_project
from event_platform.definitions import JOB, build_definitions, platform_assets, raw_assets
from event_platform.defs.assets.filtered_events import FILTERED_EVENTS, LEFT_IN_QUEUE
from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, MENDING, RAW_EVENTS
from event_platform.defs.assets.reporting import listening
from event_platform.defs.automation.downstream import DueAssets, DueDownstream, due_downstream
from event_platform.defs.automation.failures import cause_of
from event_platform.defs.automation.requests import PART, run_tags
from event_platform.defs.checks.distinct_share import KEY
from event_platform.defs.checks.results import to_result
from event_platform.defs.graph import checks_of_runs, own_assets
from event_platform.defs.instance.dagster_internals import execute_job, name_location_of_runs
from event_platform.defs.instance.home import supply_dagster_yaml
from event_platform.defs.instance.opening import open_instance
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog
from event_platform.events.wording import counted
from event_platform.lake.lake import Lake
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.pipeline.due_dates import DueDates
from event_platform.quality.partitions import date_ranges, describe_range

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_REBUILD = {
    **_QUIET,
    "ops": {name: {"config": {"rebuild": True}} for name in ("deduplicated_events", "typed_events")},
}
#: Of `materialize_again`.
REPLAY, MEND = ({**_QUIET, "ops": {"raw_events": {"config": {option: True}}}} for option in ("replay", "mend"))

#: A run that fails here is reported here: the daemon of the same DAGSTER_HOME must not start it again.
_NO_RETRY = {"dagster/max_retries": "0"}

_RAW = [RAW_EVENTS, CORRUPT_EVENTS]
_BY_ARRIVAL = {*_RAW, FILTERED_EVENTS}


@dataclass(frozen=True)
class Materialized:
    """What runs have left."""

    due: DueDates  # still
    lake: PinnedLake  # in which that was looked for
    failed: list[str]
    results: Results  # of checks


def materialize_due(
    environment: Environment,
    catalog: Catalog,
    lake: Lake,
    arrivals: Sequence[date],
    window: tuple[date, date],
    progress: Listener,
    *,
    rebuild: bool,
    take_redeliveries: bool,
) -> Materialized:
    """Load `arrivals` and materialize what is due downstream within the window.

    With `rebuild`, all created_dates of the window that have events are rebuilt. With `take_redeliveries`, those of the
    stream are taken from their queue, as runs that load `arrivals` do.
    """
    today = datetime.now(UTC).date()
    with _materializer(environment, catalog, progress) as materializer:
        materializer.materialize(raw_assets(environment), date_ranges(arrivals))
        if take_redeliveries:
            materializer.materialize([FILTERED_EVENTS], [(today, today)])
        if rebuild:
            rows = lake.deduplicated_events.snapshot().rows_by_date()
            days = [day for day in rows if window[0] <= day <= window[1]]
            materializer.materialize(materializer.platform, date_ranges(days), _REBUILD)
        after, due = materializer.find_due(lake, window, look_for_files=True)
        for warning in due.dates.warnings:
            print_warning(warning)
        tried = set[tuple[dg.AssetKey, date]]()
        while runs := _select_untried(due.by_day, tried):
            for each in runs:
                materializer.materialize(each.assets, date_ranges(each.days))
            after, due = materializer.find_due(lake, window)
        tried_whole = set[dg.AssetKey]()
        while whole := set(due.whole) - tried_whole:
            materializer.materialize(whole, [None])
            tried_whole |= whole
            after, due = materializer.find_due(lake, window)
    return Materialized(due.dates, after, materializer.failed, materializer.results)


def materialize_backfill(
    environment: Environment, catalog: Catalog, lake: Lake, window: tuple[date, date], progress: Listener
) -> Materialized:
    """Materialize the partitions of event tables and reports that the catalog makes due, with what is made of them."""
    with _materializer(environment, catalog, progress) as materializer:
        _, due = materializer.find_due(lake, window)
        for each in due.by_day:
            if each.is_backfill:
                materializer.materialize(each.assets, date_ranges(each.days))
        after, due = materializer.find_due(lake, window)
    return Materialized(due.dates, after, materializer.failed, materializer.results)


def materialize_again(
    environment: Environment,
    catalog: Catalog,
    ranges: Iterable[tuple[date, date]],
    config: Mapping[str, Any],
    progress: Listener,
) -> tuple[list[str], Results]:
    """Load ranges of arrival dates again, as REPLAY or MEND says; return failures, and the results of checks."""
    with _materializer(environment, catalog, progress) as materializer:
        materializer.materialize(_RAW, ranges, config)
    return materializer.failed, materializer.results


class _Materializer:
    """Runs of one command, in this process: a message for each of their failures, and the results of their checks.

    They are runs of the job of the code location: the UI shows them by its name and can re-execute them.
    """

    def __init__(
        self, definitions: dg.Definitions, catalog: Catalog, instance: dg.DagsterInstance, progress: Listener
    ) -> None:
        self.platform = platform_assets(catalog)
        self.failed: list[str] = []
        self.results: dict[Checked, Result] = {}
        self._own = own_assets(definitions.resolve_asset_graph())
        self._catalog = catalog
        self._progress = progress
        self._job = definitions.resolve_job_def(JOB)
        self._instance = instance

    def find_due(
        self, lake: Lake, window: tuple[date, date], *, look_for_files: bool = False
    ) -> tuple[PinnedLake, DueDownstream]:
        """Return what is due downstream of raw_events within the window, and the state of the lake that says so."""
        self._progress.begin("planning")
        pinned = PinnedLake(lake.storage)
        return pinned, due_downstream(
            pinned,
            self._catalog,
            self._own,
            self.platform,
            *window,
            look_for_files=look_for_files,
            rows_examined=None,
        )

    def materialize(
        self,
        assets: Iterable[dg.AssetKey],
        ranges: Iterable[tuple[date, date] | None],
        config: Mapping[str, Any] = _QUIET,
    ) -> None:
        """Materialize each range of days in a run of its own; None for assets without partitions."""
        selection = list(assets)
        for days in ranges:
            named = describe_range(*days) if days else "tables without partitions"
            part, doing = ("raw", "loading") if _BY_ARRIVAL.issuperset(selection) else ("created", "building")
            self._progress.begin(f"{doing} {named}")
            tags = {PART: part, **_NO_RETRY, **(run_tags(*days) if days else {})}
            checks = checks_of_runs(self._job.asset_layer.asset_graph, selection)
            result = execute_job(self._job, selection, checks, self._instance, config, tags)
            self.failed += [f"{named}: {problem}" for problem in _problems(result)]
            for warning in _warnings(result):
                print_warning(warning)
            evaluations = result.get_asset_check_evaluations()
            # What the report sums up of event types, the findings that it has stored say of each.
            self.results |= {_checked(each): to_result(each) for each in evaluations if each.asset_check_key != KEY}


@contextmanager
def _materializer(environment: Environment, catalog: Catalog, progress: Listener) -> Iterator[_Materializer]:
    """Load the code location, open Dagster's records for the runs within, and follow their steps."""
    progress.begin("loading the definitions")
    location, definitions = load_project(Path.cwd()) or (PLATFORM, build_definitions(environment, catalog))
    with _instance(environment) as instance, listening(progress):
        name_location_of_runs(instance, location, definitions.get_repository_def().name)
        yield _Materializer(definitions, catalog, instance, progress)


def _instance(environment: Environment) -> dg.DagsterInstance:
    home = os.environ.get("DAGSTER_HOME")
    if home and supply_dagster_yaml(home):
        ERR.print(f"{home} was empty: wrote the platform's dagster.yaml to it", soft_wrap=True)
    return open_instance(home, environment.lake)


def _select_untried(runs: Iterable[DueAssets], tried: set[tuple[dg.AssetKey, date]]) -> list[DueAssets]:
    """Return what is not in `tried`, and add it: what fails is left to the next call of `run_due`."""
    found = []
    for each in runs:
        days = {day: why for day, why in each.days.items() if not tried.issuperset((key, day) for key in each.assets)}
        tried |= {(key, day) for key in each.assets for day in days}
        found += [DueAssets(each.assets, days)] if days else []
    return found


def _warnings(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield what functions of the catalog raised, and why messages stay in their queue: that stops no run."""
    for event in result.filter_events(lambda each: each.is_step_materialization):
        metadata = event.step_materialization_data.materialization.metadata
        left, found = metadata.get(LEFT_IN_QUEUE), metadata.get(MENDING)
        yield from map(
            str, left.value if isinstance(left, dg.JsonMetadataValue) and isinstance(left.value, list) else ()
        )
        for each in found.value if isinstance(found, dg.JsonMetadataValue) and isinstance(found.value, list) else ():
            if each["errors"]:
                yield f"{each['function']}: {counted(each['errors'], 'error')}, such as {each['first_error']}"


def _checked(evaluation: dg.AssetCheckEvaluation) -> Checked:
    return Checked(evaluation.asset_key.to_user_string(), evaluation.check_name, evaluation.partition or "")


def _problems(result: dg.ExecuteInProcessResult) -> list[str]:
    problems = []
    for event in result.filter_events(lambda each: each.is_step_failure):
        failure = event.step_failure_data
        reported = failure.user_failure_data  # of a dg.Failure
        problems.append(f"{event.step_key}: {(reported and reported.description) or cause_of(failure.error)}")
        problems += [f"{name}: {value.value}" for name, value in (reported.metadata if reported else {}).items()]
    if not (problems or result.success):  # before its first step or after its last one, as in setting up a resource
        problems = [cause_of(event.job_failure_data.error) for event in result.all_events if event.is_job_failure]
    return problems
