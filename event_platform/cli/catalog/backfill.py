"""`event-platform catalog backfill --plan`: the days of event tables that a change of the catalog makes due."""

import json

from event_platform.cli.catalog.listing import add_row, new_table
from event_platform.cli.output import ERR, OUT
from event_platform.cli.progress import Listener
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.wording import counted
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.pipeline.backfill.plan import BackfillPlan, plan_backfills
from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.opening import open_lake
from event_platform.quality.partitions import date_ranges, describe_range


def read_plan(environment: Environment, progress: Listener) -> BackfillPlan:
    """Return the backfill plan: the due days of each event table."""
    catalog, lake = load_catalog(environment.catalog), PinnedLake(open_lake(environment.lake).storage)
    progress.begin("comparing tables with the catalog")
    due = due_created_dates(lake, catalog, rows_examined=None)
    return plan_backfills(lake, catalog, due)


def show_plan(plan: BackfillPlan, *, as_json: bool) -> int:
    """Print the due days; return 1 if a table cannot be built, else 0."""
    if as_json:
        print(json.dumps(plan.as_json()))  # noqa: T201 - rich would wrap it
        return 1 if plan.failing else 0
    table = new_table("table", "days", "rows", "CPU s", "why", figures=("rows", "CPU s"))
    for each in plan.tables:
        days = ", ".join(describe_range(*days) for days in date_ranges(each.days))
        add_row(table, each.table, days, f"{each.rows:,}", _seconds(each.cpu_seconds), "; ".join(each.reasons))
    if plan.tables:
        OUT.print(table)
    for name, reason in plan.failing.items():
        ERR.print(f"{name}: cannot be built: {reason}", style="red", soft_wrap=True)
    OUT.print(_summary(plan), soft_wrap=True)
    if plan.uncompared:
        day, reason = next(iter(plan.uncompared.items()))
        days = f"{counted(len(plan.uncompared), 'day')}, such as {day} ({reason})"
        OUT.print(f"not compared: {days}: event-platform run builds them, with the catalog as it is", soft_wrap=True)
    return 1 if plan.failing else 0


def _summary(plan: BackfillPlan) -> str:
    if not plan.tables:
        other_days = "every other day" if plan.uncompared else "every day"
        text = f"nothing {'else ' if plan.failing else ''}is due: {other_days} has the rows that the catalog gives it"
        reports = counted(len(plan.reports), "quality report")
        return f"{text}, and {reports} to build: event-platform catalog backfill" if plan.reports else text
    partitions = sum(len(each.days) for each in plan.tables)
    rows = sum(each.rows for each in plan.tables)
    return (
        f"{counted(partitions, 'day')} of {counted(len(plan.tables), 'table')}, {counted(rows, 'row')}, and "
        f"{counted(len(plan.reports), 'quality report')}. event-platform catalog backfill, or run, builds them"
    )


def _seconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:,.1f}"
