"""`event-platform status`: the totals of the lake and its failed checks, as tables and lines or as JSON."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.styled import Styled

from event_platform.checks.result import Result
from event_platform.cli.checks import (
    CheckKey,
    FailedCheck,
    Results,
    describe_failures,
    failed_checks,
    has_errors,
    render_checks,
)
from event_platform.cli.output import ERR, OUT, print_parts
from event_platform.cli.progress import Listener
from event_platform.cli.project import find_thresholds
from event_platform.cli.totals import render_days, total_rows, totals_table, without_zeros
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog, load_catalog
from event_platform.events.documents import DocumentError, read_document
from event_platform.events.wording import counted
from event_platform.lake.lake import Lake
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.lake.registry import CORRUPT_EVENTS, RAW_EVENTS
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.completeness import Completeness, completeness
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.due_dates import DueDates
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.pipeline.publication import IcebergStatus, iceberg_status, open_iceberg_catalog
from event_platform.pipeline.reporting.findings import lake_findings
from event_platform.sample.own_assets import shipped_assets
from event_platform.storage.storage import Storage
from event_platform.stream.redeliveries import redeliveries_queue

#: Assets whose partitions are arrival dates.
_BY_ARRIVAL = {RAW_EVENTS.name, CORRUPT_EVENTS.name}

#: The last days, whose checks are judged.
_JUDGED_DAYS = 31

_SECONDS_BETWEEN_LOOKS = 5


@dataclass(frozen=True)
class Status:
    """The totals of the lake, its failed checks, and what is due."""

    totals: Mapping[str, Any]
    expected: Mapping[str, Any] | None  # totals that a sample has to give
    rest: Completeness
    results: Results  # of checks
    judged_since: date | None  # earlier days were not judged; None if all were
    iceberg: IcebergStatus | None = None  # None without an Iceberg catalog

    @property
    def balanced(self) -> bool:
        """Whether the totals balance."""
        return bool(self.totals["balanced"])

    @property
    def is_under_way(self) -> bool:
        """Whether the only imbalances are created dates with newer records that are not built yet."""
        days, newer = self.totals["unbalanced"], {str(day) for day in self.rest.due.stale}
        return not days["arrival_dates"] and bool(days["created_dates"]) and newer.issuperset(days["created_dates"])

    @cached_property
    def failed(self) -> list[FailedCheck]:
        """The failed checks, the worst first."""
        return failed_checks(self.results)

    def as_json(self) -> dict[str, Any]:
        """Return all of it for `status --json`."""
        checks = [failed_check.as_json() for failed_check in self.failed]
        iceberg = {"iceberg": self.iceberg.as_json()} if self.iceberg else {}
        return {**self.totals, "completeness": self.rest.as_json(), "checks": checks, **iceberg}

    def wrong_days(self, kind: str) -> set[str]:
        """Return the arrival_dates or created_dates that do not balance, are due, or have a failed check (error)."""
        arrival = kind == "arrival_dates"
        due = self.rest.corrupt_due if arrival else self.rest.due.days
        errors = {key for key, result in self.results.items() if has_errors({key: result})}
        failed = {key.partition for key in errors if (key.asset in _BY_ARRIVAL) == arrival}
        return {*self.totals["unbalanced"][kind], *map(str, due), *failed}


def read_status(
    environment: Environment,
    catalog: Catalog,
    lake: Lake,
    due: DueDates,
    results: Results | None = None,
    *,
    iceberg: IcebergStatus | None = None,
    every: bool = False,
) -> Status:
    """Read the totals, the failed checks, and what is due in addition to `due`.

    Checks cover the last month with events, or `every` day. `results` are evaluated by this command and replace those
    in the quality report.
    """
    rest = completeness(
        lake,
        due,
        catalog.mending,
        lambda: open_landing(environment.landing, environment.landing_timezone),
        environment.start_date,
        datetime.now(UTC),
        redeliveries_queue(environment.redeliveries_queue),
    )
    totals = lake_totals(lake, catalog, with_filtered=environment.redeliveries_queue is not None)
    days = [date.fromisoformat(day["arrival_date"]) for day in totals["by_arrival_date"]]
    days = sorted({*days, *lake.quality_report.snapshot().rows_by_date()})
    judged = days if every else days[-_JUDGED_DAYS:]
    results_of_checks = _judge(lake, catalog, judged, environment.start_date) | dict(results or {})
    since = judged[0] if len(judged) < len(days) else None
    return Status(totals, _read_expected_totals(environment.landing), rest, results_of_checks, since, iceberg)


def _judge(lake: Lake, catalog: Catalog, days: Collection[date], start: date) -> dict[CheckKey, Result]:
    """Return the findings of checks on these days: from the quality report, or counted if a day has no report."""
    today = datetime.now(UTC).date()
    findings = lake_findings(lake, catalog, find_thresholds(Path.cwd()), days, start, today)
    return {CheckKey(finding.asset, finding.check, str(finding.day)): finding.result for finding in findings}


def current_status(environment: Environment, progress: Listener, *, every: bool) -> Status:
    """Read the status of the lake as it is now."""
    catalog = load_catalog(environment.catalog)
    progress.begin("reading the lake")
    return _read_present(environment, catalog, PinnedLake(open_lake(environment.lake).storage), every=every)


def _read_present(environment: Environment, catalog: Catalog, lake: PinnedLake, *, every: bool) -> Status:
    due = due_created_dates(lake, catalog, own_assets=shipped_assets(catalog, environment.start_date))
    return read_status(environment, catalog, lake, due, iceberg=_iceberg(environment, catalog, lake), every=every)


def _iceberg(environment: Environment, catalog: Catalog, lake: Lake) -> IcebergStatus | None:
    if environment.iceberg is None:
        return None
    return iceberg_status(open_iceberg_catalog(environment, lake), lake.every_table(catalog.event_types))


def print_status(status: Status, *, as_json: bool = False, every: bool = False) -> None:
    """Print the status on stdout; `every` day and failed check, or the latest and the worst."""
    if as_json:
        print(json.dumps(status.as_json()))  # noqa: T201 - rich would wrap it
    else:
        print_parts([*render_tables(status, every=every), *render_verdict(status, every=every)])


def exit_code(results: Results, *, failed: bool, warn_only: bool) -> int:
    """Return 1 if `failed` (a run, or the balance of totals), 3 if a check of severity error failed, else 0."""
    if failed:
        return 1
    return 3 if has_errors(results) and not warn_only else 0


def render_tables(status: Status, *, every: bool) -> Iterator[RenderableType]:
    """Yield the totals (beside the expected totals of a sample) and the days."""
    totals = status.totals
    yield totals_table(totals, status.expected)
    for kind in ("arrival", "created"):
        days, wrong = without_zeros(totals[f"by_{kind}_date"], "mended"), status.wrong_days(f"{kind}_dates")
        yield from render_days(days, f"By {kind} date", wrong, every=every)


def render_verdict(status: Status, *, every: bool) -> Iterator[RenderableType]:
    """Yield what is wrong with the data and what to do; the last line says whether the totals balance."""
    for name, rows in status.totals["retired_tables"].items():
        if not rows:
            continue  # its events have moved to the present type
        yield Styled(
            f"{name}: {rows:,} rows of a type that is no longer in the catalog. They count as typed. On days that are "
            "rebuilt, its events go to unregistered_events. If its schema returns, they go to its table again.",
            "yellow",
        )
    if status.rest.outside_warning:
        yield Styled(status.rest.outside_warning, "yellow")
    yield from render_checks(status.failed, every=every)
    if status.judged_since:
        yield f"Checks are those of {status.judged_since} and later; of every day: event-platform status --all"
    if status.iceberg:
        yield Styled(status.iceberg.sentence, "none" if status.iceberg.is_current else "yellow")
    yield from _render_totals(status)


def _render_totals(status: Status) -> Iterator[RenderableType]:
    failed = f"; {describe_failures(status.failed)}" if status.failed else ""
    if not (status.balanced or status.is_under_way):
        yield Styled(_describe_imbalance(status.totals), "red")
    if status.rest.open_work:
        prefix = "balanced, but not complete" if status.balanced else "And not complete"
        prefix = "not balanced yet: newer records are not built" if status.is_under_way else prefix
        yield Styled(f"{prefix}: {'; '.join(status.rest.open_work)}{failed}", "yellow")
    elif status.balanced and status.rest.days_outside:
        days = counted(len(status.rest.days_outside), "day")
        yield Styled(f"balanced, without the objects of {days} outside the partitions{failed}", "yellow")
    elif status.balanced:
        yield f"balanced: nothing is lost, nothing is counted twice{failed}"


def _describe_imbalance(totals: Mapping[str, Any]) -> str:
    days = [f"{kind.replace('_', ' ')} {', '.join(dates)}" for kind, dates in totals["unbalanced"].items() if dates]
    return f"NOT balanced: {'; '.join(days)}. docs/runbook.md says what to do."


def watch_status(environment: Environment, *, every: bool, wait: Callable[[float], None] = time.sleep) -> None:
    """Redraw the status of the lake on a terminal every few seconds, until ctrl-C."""
    catalog, storage = load_catalog(environment.catalog), open_lake(environment.lake).storage
    with Live(console=OUT, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            live.update(_render_watch(environment, catalog, storage, every=every), refresh=True)
            wait(max(_SECONDS_BETWEEN_LOOKS, time.monotonic() - began))


def _render_watch(environment: Environment, catalog: Catalog, storage: Storage, *, every: bool) -> Group:
    """Return the status with the verdict first: a terminal cuts off lines below its last one."""
    status = _read_present(environment, catalog, PinnedLake(storage, is_recent=True), every=every)
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, every {_SECONDS_BETWEEN_LOOKS} s until ctrl-C"
    return Group(when, *render_verdict(status, every=every), "", *render_tables(status, every=every))


def _read_expected_totals(landing: str) -> dict[str, Any] | None:
    """Read the expected totals that `generate` writes beside landing; None if there is no such file."""
    path = Path(landing).parent / "ground_truth.json"
    if landing.startswith("s3://") or not path.exists():
        return None
    try:
        expected: dict[str, Any] = read_document(path)
        total_rows(expected)
    except (DocumentError, LookupError, TypeError, AttributeError) as error:
        ERR.print(f"{path}: not the totals of a sample: {error}", style="yellow", soft_wrap=True)
        return None
    return expected
