"""`event-platform status`: the ledger, as tables or as JSON."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from event_platform.cli.output import ERR, OUT
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog
from event_platform.events.documents import DocumentError, read_document
from event_platform.lake.lake import Lake
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.completeness import Completeness, completeness
from event_platform.pipeline.due import DueDates, due_created_dates
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.sample.own_assets import shipped_assets


def show_status(environment: Environment, catalog: Catalog, *, as_json: bool) -> int:
    """Print the ledger and what is still to be done; return the exit code."""
    lake = open_lake(environment.lake)
    due = due_created_dates(lake, catalog, own=shipped_assets(catalog, environment.start_date))
    books, rest = lake_totals(lake, catalog), compare(environment, lake, due)
    if as_json:
        print(json.dumps({**books, "completeness": rest.as_json()}))  # noqa: T201 - rich would wrap it
    else:
        print_ledger(books, _truth_beside(environment.landing), rest)
    return 0 if books["balanced"] and not rest.is_overdue else 1


def compare(environment: Environment, lake: Lake, due: DueDates) -> Completeness:
    """Return what is left to be done now: objects that wait in landing, and what is `due`."""
    return completeness(lake, due, lambda: open_landing(environment.landing), environment.start_date, datetime.now(UTC))


def show_ledger(environment: Environment, lake: Lake, catalog: Catalog, due: DueDates) -> bool:
    """Print what `status` prints, with what is `due`; say whether the books balance."""
    books = lake_totals(lake, catalog)
    print_ledger(books, _truth_beside(environment.landing), compare(environment, lake, due))
    return bool(books["balanced"])


def print_ledger(books: Mapping[str, Any], truth: Mapping[str, Any] | None, rest: Completeness) -> None:
    """Print totals (beside the truth, where a sample's is known), the days, and what is left to be done."""
    totals = _table("", "ledger", *(["truth"] if truth else []), title="Ledger")
    for name, figure in _totals(books).items():
        known = dict(_totals(truth)) if truth else {}
        wrong = truth is not None and known.get(name) != figure
        totals.add_row(
            name,
            f"{figure:,}",
            *([f"{known.get(name, 0):,}" + (" ✗" if wrong else " ✓")] if truth else []),
            style="red" if wrong else None,
        )
    OUT.print(totals)
    OUT.print(days_table(books["by_arrival_date"], "By arrival date"))
    OUT.print(days_table(books["by_created_date"], "By created date"))
    for name, rows in books["retired_tables"].items():
        OUT.print(
            f"{name}: {rows:,} rows of a type that the catalog has no more. They count as typed; of the days that are "
            "built again, its events are in unregistered_events. Put its schema back, and they are in its table again.",
            style="yellow",
            soft_wrap=True,
            highlight=False,
        )
    left = "; ".join(rest.left)
    if not books["balanced"]:
        OUT.print(_unbalanced(books), style="red", soft_wrap=True)
    if left:
        told = "balanced, but not complete" if books["balanced"] else "And not complete"
        OUT.print(f"{told}: {left}", style="yellow", soft_wrap=True)
    elif books["balanced"]:
        OUT.print("balanced: nothing is lost, nothing is counted twice")


def _unbalanced(books: Mapping[str, Any]) -> str:
    days = [f"{what.replace('_', ' ')} {', '.join(found)}" for what, found in books["unbalanced"].items() if found]
    return f"NOT balanced: {'; '.join(days)}. docs/runbook.md says what to do."


def _totals(books: Mapping[str, Any]) -> dict[str, int]:
    return {
        "landed": books["landed"],
        "  sound": books["sound"],
        "  corrupt": books["corrupt"],
        **{f"    {reason}": count for reason, count in sorted(books["corrupt_by_reason"].items())},
        "deduplicated": books["deduplicated"],
        **{f"duplicates: {kind}": count for kind, count in books["duplicates"].items()},
        "typed": books["typed"],
        "unregistered": books["unregistered"],
        "event tables": books["event_tables"],
    }


def days_table(days: list[dict[str, Any]], title: str) -> Table:
    """Return a table with a row for each day, whose figures have the same names."""
    table = _table(*(days[0] if days else ["nothing yet"]), title=title)
    for day in days:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else value for value in day.values()))
    return table


def _table(first: str, *figures: str, title: str) -> Table:
    """Return a table that fits a terminal of 80 columns."""
    table = Table(first, title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in figures:
        table.add_column(name, justify="right")
    return table


def _truth_beside(landing: str) -> dict[str, Any] | None:
    path = Path(landing).parent / "ground_truth.json"
    if landing.startswith("s3://") or not path.exists():
        return None
    try:
        truth: dict[str, Any] = read_document(path)
        _totals(truth)
    except (DocumentError, LookupError, TypeError, AttributeError) as error:
        ERR.print(f"{path}: not the truth about a sample: {error}", style="yellow", soft_wrap=True)
        return None
    return truth
