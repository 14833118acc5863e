"""`event-platform run`, `replay` and `mend`: find what is due, materialize it through Dagster, show the totals.

Dagster is imported only if something is due: the import takes longer than finding out that nothing is.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from event_platform.checks.result import Result
from event_platform.cli.checks import CheckKey, Results
from event_platform.cli.output import ERR, print_warning
from event_platform.cli.progress import Listener
from event_platform.cli.project import find_project
from event_platform.cli.status import Status, exit_code, print_status, read_status
from event_platform.compute.pool import prepare
from event_platform.defs.instance.home import check_home
from event_platform.environment import LOCAL_COMPUTE, Environment
from event_platform.events.catalog import Catalog, load_catalog
from event_platform.events.errors import MissingFileError, SettingError, TableStorageError
from event_platform.events.mending.opening import require_runnable
from event_platform.events.wording import counted
from event_platform.lake.deployments import deployment_of, other_deployment
from event_platform.lake.ledger import Delivery, deliveries
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.due_arrivals import due_arrivals
from event_platform.pipeline.due_dates import DueDates
from event_platform.pipeline.loading.mending import due_mending
from event_platform.pipeline.loading.tasks import is_large
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.pipeline.publication import IcebergStatus, open_iceberg_catalog, publish_outdated
from event_platform.pipeline.sizing import DEFAULT_SIZING
from event_platform.quality.partitions import date_ranges
from event_platform.sample.own_assets import shipped_assets
from event_platform.storage.polars_errors import translate_errors
from event_platform.stream.redeliveries import are_redeliveries_waiting, redeliveries_queue


@dataclass(frozen=True)
class Outcome:
    """The outcome of a command."""

    failed: Sequence[str]  # runs, and objects that cannot be loaded
    status: Status | None = None  # of the lake afterwards; None if the command stopped before, or counting failed
    left: Sequence[date] = ()  # created dates that are still due because they are outside of the range


def run_due(
    environment: Environment,
    first: date | None,
    last: date | None,
    progress: Listener,
    *,
    rebuild: bool = False,
    results: Results | None = None,
) -> Outcome:
    """Materialize the due partitions from `first` to `last`.

    `rebuild` rebuilds all created dates from `first` to `last` that have events. `results` are the results of checks
    that this command has evaluated before.
    """
    window = window_of(environment, first, last)
    if home := os.environ.get("DAGSTER_HOME"):
        check_home(home)
    catalog = load_catalog(environment.catalog)
    lake = open_lake(environment.lake)
    lake.storage.check()
    progress.begin("looking for new objects")
    before = PinnedLake(lake.storage)
    delivery, days = _find_arrivals(environment, before, window)
    print_warning(other_deployment(before.unregistered_events.snapshot(), deployment_of(catalog)))
    # Whoever loads takes redeliveries as well.
    take_redeliveries = not days and are_redeliveries_waiting(redeliveries_queue(environment.redeliveries_queue))
    # The assets of a project are known to Dagster alone, and what arrives makes more due than is due now.
    known = not (days or take_redeliveries or rebuild or find_project(Path.cwd()))
    progress.begin("planning")
    due = _find_due(environment, before, catalog) if known else None
    failed, results = list[str](), dict(results or {})
    if environment.compute == LOCAL_COMPUTE and is_large(delivery.due, DEFAULT_SIZING):
        prepare()  # it imports while this process does
    if due is None or due.all_days:
        progress.begin("starting Dagster")
        from event_platform.cli.materializing import materialize_due  # noqa: PLC0415

        outcome = materialize_due(
            *(environment, catalog, lake, days, window, progress), rebuild=rebuild, take_redeliveries=take_redeliveries
        )
        due, before, failed = outcome.due, outcome.lake, outcome.failed
        results |= outcome.results
    # The run of a day has reported the faults in that day's folders.
    failed += [fault for fault in map(str, delivery.omissions.faults.values()) if fault not in "".join(failed)]
    still_due = sorted(day for day in due.all_days if day is not None) if (first or last) and not failed else []
    _print_failures(failed)  # now, as the totals of a table that failed may not be countable either
    status = _publish_and_count(environment, catalog, before, due, failed, results, progress)
    return Outcome(failed, status, still_due)


def run_backfill(environment: Environment, progress: Listener) -> Outcome:
    """Materialize only the event tables that a catalog change makes due, with their reports and downstream assets."""
    if home := os.environ.get("DAGSTER_HOME"):
        check_home(home)
    catalog, lake = load_catalog(environment.catalog), open_lake(environment.lake)
    lake.storage.check()
    progress.begin("starting Dagster")
    from event_platform.cli.materializing import materialize_backfill  # noqa: PLC0415

    outcome = materialize_backfill(environment, catalog, lake, window_of(environment, None, None), progress)
    _print_failures(outcome.failed)
    status = _publish_and_count(
        environment, catalog, outcome.lake, outcome.due, outcome.failed, outcome.results, progress
    )
    return Outcome(outcome.failed, status)


def replay(environment: Environment, first: date, last: date, progress: Listener) -> Outcome:
    """Load the arrival dates from `first` to `last` again, then continue as `run_due`."""
    window, catalog = window_of(environment, first, last), load_catalog(environment.catalog)
    open_lake(environment.lake).storage.check()
    progress.begin("starting Dagster")
    from event_platform.cli.materializing import REPLAY, materialize_again  # noqa: PLC0415

    failed, results = materialize_again(environment, catalog, [window], REPLAY, progress)
    _print_failures(failed)
    return Outcome(failed) if failed else run_due(environment, None, None, progress, results=results)


def mend(environment: Environment, first: date | None, last: date | None, progress: Listener) -> Outcome:
    """Reload the objects that are due for the catalog's functions, then continue as `run_due`.

    Repeats while that makes more days due, such as a day with corrupt records that an earlier run did not finish.
    """
    window, catalog = window_of(environment, first, last), load_catalog(environment.catalog)
    require_runnable(catalog.mending)
    storage = open_lake(environment.lake).storage
    storage.check()
    tried, results, outcome = set[date](), dict[CheckKey, Result](), None
    while True:
        progress.begin("looking for records to mend")
        due = [day for day in due_mending(PinnedLake(storage), catalog.mending) if window[0] <= day <= window[1]]
        due = [day for day in due if day not in tried]
        if outcome and not due:
            return outcome
        if due:
            progress.begin("starting Dagster")
            from event_platform.cli.materializing import MEND, materialize_again  # noqa: PLC0415

            tried.update(due)
            failed, report = materialize_again(environment, catalog, date_ranges(due), MEND, progress)
            results |= report
            _print_failures(failed)
            if failed:
                return Outcome(failed)
        outcome = run_due(environment, None, None, progress, results=results)
        if outcome.failed:
            return outcome


def finish(outcome: Outcome, *, as_json: bool = False, warn_only: bool = False) -> int:
    """Print the totals of the lake and what is still due after a command; return the exit code."""
    if outcome.status is None:
        return 1
    print_status(outcome.status, as_json=as_json)
    if outcome.left:
        days = counted(len(outcome.left), "created date")
        ERR.print(f"still due: {days}, such as {outcome.left[0]}: run again without --from and --to", soft_wrap=True)
    unbalanced = not (outcome.status.balanced or outcome.status.is_under_way or outcome.left)
    failed = bool(outcome.failed or outcome.status.rest.due.backfills.failing) or unbalanced
    return exit_code(outcome.status.results, failed=failed, warn_only=warn_only)


def _find_arrivals(
    environment: Environment, lake: PinnedLake, window: tuple[date, date]
) -> tuple[Delivery, list[date]]:
    """Return landing compared with the ledger, and the arrival dates within the window that are due."""
    delivery = deliveries(
        lake.raw_events.snapshot(), open_landing(environment.landing, environment.landing_timezone), None
    )
    print_warning(delivery.omissions.hidden_warning)
    print_warning(delivery.omissions.undated_note)
    if not (delivery.due or delivery.loaded):
        print_warning(f"{environment.landing} contains no object. If some have landed, correct EVENT_PLATFORM_LANDING")
    arrivals = due_arrivals(lake, delivery.due, *window_of(environment, None, None), look_for_files=True)
    return delivery, sorted(day for day in arrivals.causes if window[0] <= day <= window[1])


def _find_due(environment: Environment, lake: PinnedLake, catalog: Catalog) -> DueDates:
    own = shipped_assets(catalog, environment.start_date)
    return due_created_dates(lake, catalog, own_assets=own, look_for_files=True, rows_examined=None)


def _publish_and_count(
    environment: Environment,
    catalog: Catalog,
    lake: PinnedLake,
    due: DueDates,
    failed: Sequence[str],
    results: Results,
    progress: Listener,
) -> Status | None:
    """Publish the tables and count the totals.

    Returns None if runs have `failed` and a table cannot be read; that error is printed.
    """
    iceberg = _publish(environment, lake, catalog, progress)
    progress.begin("counting")
    try:
        with translate_errors():
            return read_status(environment, catalog, lake, due, results, iceberg=iceberg)
    except (TableStorageError, MissingFileError) as error:  # a log, or a data file in it
        if not failed:
            raise
        _print_failures([f"the totals cannot be counted: {error}"])
        return None


def _publish(environment: Environment, lake: PinnedLake, catalog: Catalog, progress: Listener) -> IcebergStatus | None:
    """Publish the tables that no run has published, if an Iceberg catalog is set, and warn about failures."""
    if environment.iceberg is None:
        return None
    progress.begin("publishing")
    status = publish_outdated(open_iceberg_catalog(environment, lake), lake.every_table(catalog.event_types))
    for table in status.outdated:
        if table.reason:
            print_warning(f"{table.table}: not published in the Iceberg catalog: {table.reason}")
    return status


def _print_failures(failed: Sequence[str]) -> None:
    for problem in failed:
        ERR.print("failed:", problem, style="red", soft_wrap=True, highlight=False, markup=False)


def window_of(environment: Environment, first: date | None, last: date | None) -> tuple[date, date]:
    """Return the first and the last partition in the range. Raises SettingError if there is none."""
    today = datetime.now(UTC).date()
    window = max(first or date.min, environment.start_date), min(last or date.max, today)
    if window[0] > window[1]:
        raise SettingError(
            f"no partition is in the range {first or ''}…{last or ''}: partitions go from {environment.start_date} "
            f"(EVENT_PLATFORM_START_DATE) to {today}"
        )
    return window
