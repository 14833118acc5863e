"""`event-platform status`: the totals of the lake, as tables or as JSON."""

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
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.completeness import Completeness, completeness
from event_platform.pipeline.due import DueDates, due_created_dates
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.sample.own_assets import shipped_assets


def show_status(environment: Environment, catalog: Catalog, *, as_json: bool) -> int:
    """Print the totals, and what waits and is due; return the exit code."""
    lake = PinnedLake(open_lake(environment.lake).storage)
    due = due_created_dates(lake, catalog, own=shipped_assets(catalog, environment.start_date))
    totals, rest = lake_totals(lake, catalog), find_remaining(environment, lake, due)
    if as_json:
        print(json.dumps({**totals, "completeness": rest.as_json()}))  # noqa: T201 - rich would wrap it
    else:
        print_totals(totals, _read_expected_totals(environment.landing), rest)
    return 0 if totals["balanced"] and not rest.is_overdue else 1


def find_remaining(environment: Environment, lake: Lake, due: DueDates) -> Completeness:
    """Return the objects that wait in landing, beside what is `due`."""
    return completeness(
        lake,
        due,
        lambda: open_landing(environment.landing, environment.landing_timezone),
        environment.start_date,
        datetime.now(UTC),
    )


def show_totals(environment: Environment, lake: Lake, catalog: Catalog, due: DueDates) -> bool:
    """Print what `status` prints, with what is `due`; say whether the totals balance."""
    totals = lake_totals(lake, catalog)
    print_totals(totals, _read_expected_totals(environment.landing), find_remaining(environment, lake, due))
    return bool(totals["balanced"])


def print_totals(totals: Mapping[str, Any], expected: Mapping[str, Any] | None, rest: Completeness) -> None:
    """Print the totals (beside those that a sample has to give), the days, and what waits and is due."""
    OUT.print(_totals_table(totals, expected))
    OUT.print(days_table(totals["by_arrival_date"], "By arrival date"))
    OUT.print(days_table(totals["by_created_date"], "By created date"))
    for name, rows in totals["retired_tables"].items():
        OUT.print(
            f"{name}: {rows:,} rows of a type that is no longer in the catalog. They count as typed. On days that are "
            "rebuilt, its events go to unregistered_events. If its schema returns, they go to its table again.",
            style="yellow",
            soft_wrap=True,
            highlight=False,
        )
    if not totals["balanced"]:
        OUT.print(_describe_imbalance(totals), style="red", soft_wrap=True)
    if rest.left:
        prefix = "balanced, but not complete" if totals["balanced"] else "And not complete"
        OUT.print(f"{prefix}: {'; '.join(rest.left)}", style="yellow", soft_wrap=True)
    elif totals["balanced"]:
        OUT.print("balanced: nothing is lost, nothing is counted twice")


def _totals_table(totals: Mapping[str, Any], expected: Mapping[str, Any] | None) -> Table:
    table = _table("", "lake", *(["expected"] if expected else []), title="Totals")
    expected_rows = _total_rows(expected) if expected else {}
    for name, count in _total_rows(totals).items():
        wrong = expected is not None and expected_rows.get(name) != count
        mark = "✗" if wrong else "✓"
        cells = [f"{expected_rows.get(name, 0):,} {mark}"] if expected else []
        table.add_row(name, f"{count:,}", *cells, style="red" if wrong else None)
    return table


def _describe_imbalance(totals: Mapping[str, Any]) -> str:
    days = [f"{what.replace('_', ' ')} {', '.join(dates)}" for what, dates in totals["unbalanced"].items() if dates]
    return f"NOT balanced: {'; '.join(days)}. docs/runbook.md says what to do."


def _total_rows(totals: Mapping[str, Any]) -> dict[str, int]:
    return {
        "landed": totals["landed"],
        "  sound": totals["sound"],
        "  corrupt": totals["corrupt"],
        **{f"    {reason}": count for reason, count in sorted(totals["corrupt_by_reason"].items())},
        "deduplicated": totals["deduplicated"],
        **{f"duplicates: {kind}": count for kind, count in totals["duplicates"].items()},
        "typed": totals["typed"],
        "unregistered": totals["unregistered"],
        "event tables": totals["event_tables"],
    }


def days_table(days: list[dict[str, Any]], title: str) -> Table:
    """Return a table with a row for each day. All days have the same keys."""
    table = _table(*(days[0] if days else ["nothing yet"]), title=title)
    for day in days:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else value for value in day.values()))
    return table


def _table(first: str, *figures: str, title: str) -> Table:
    """Return an empty table that fits a terminal of 80 columns; `figures` are aligned to the right."""
    table = Table(first, title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in figures:
        table.add_column(name, justify="right")
    return table


def _read_expected_totals(landing: str) -> dict[str, Any] | None:
    """Read the totals that `generate` writes beside landing; None if there is no such file."""
    path = Path(landing).parent / "ground_truth.json"
    if landing.startswith("s3://") or not path.exists():
        return None
    try:
        expected: dict[str, Any] = read_document(path)
        _total_rows(expected)
    except (DocumentError, LookupError, TypeError, AttributeError) as error:
        ERR.print(f"{path}: not the totals of a sample: {error}", style="yellow", soft_wrap=True)
        return None
    return expected
