"""Totals and days of a lake, as tables."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table

from event_platform.events.wording import counted

#: Days at the end of a table that are always shown.
_RECENT_DAYS = 14


def totals_table(totals: Mapping[str, Any], expected: Mapping[str, Any] | None) -> Table:
    """Return the totals of a lake, beside the expected totals of a sample."""
    table = figures_table("", "lake", *(["expected"] if expected else []), title="Totals")
    expected_rows = total_rows(expected) if expected else {}
    for name, count in total_rows(totals).items():
        wrong = expected is not None and expected_rows.get(name) != count
        mark = "✗" if wrong else "✓"
        cells = [f"{expected_rows.get(name, 0):,} {mark}"] if expected else []
        table.add_row(name, f"{count:,}", *cells, style="red" if wrong else None)
    return table


def total_rows(totals: Mapping[str, Any]) -> dict[str, int]:
    """Return the rows of the table of totals."""
    return {
        **({"sent": totals["sent"], "  filtered": totals["filtered"]} if "filtered" in totals else {}),
        "landed": totals["landed"],
        "  sound": totals["sound"],
        **({"    of them mended": totals["mended"]} if totals.get("mended") else {}),
        "  corrupt": totals["corrupt"],
        **{f"    {reason}": count for reason, count in sorted(totals["corrupt_by_reason"].items())},
        "deduplicated": totals["deduplicated"],
        **{f"duplicates: {kind}": count for kind, count in totals["duplicates"].items()},
        "typed": totals["typed"],
        "unregistered": totals["unregistered"],
        "event tables": totals["event_tables"],
    }


def render_days(
    days: Sequence[Mapping[str, Any]], title: str, wrong: Collection[str], *, every: bool
) -> Iterator[RenderableType]:
    """Yield a table with a row for each day, of which all have the same keys, the date first.

    Unless `every` day is asked for, the last two weeks and the days on which something is `wrong` are shown.
    """
    table = figures_table(*(days[0] if days else ["nothing yet"]), title=title)
    recent = days if every else days[-_RECENT_DAYS:]
    older = [day for day in days[: len(days) - len(recent)] if next(iter(day.values())) in wrong]
    for day in [*older, *recent]:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else value for value in day.values()))
    yield table
    if hidden := len(days) - len(recent) - len(older):
        yield f"{counted(hidden, 'earlier day')} not shown: event-platform status --all"


def without_zeros(days: Sequence[Mapping[str, Any]], column: str) -> list[Mapping[str, Any]]:
    """Return the days without a column that is zero on all of them."""
    if any(day.get(column) for day in days):
        return list(days)
    return [{name: value for name, value in day.items() if name != column} for day in days]


def figures_table(first: str, *figures: str, title: str) -> Table:
    """Return an empty table that fits a terminal of 80 columns; `figures` are aligned to the right."""
    table = Table(
        first,
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        min_width=len(title),
    )
    for name in figures:
        table.add_column(name, justify="right")
    return table
