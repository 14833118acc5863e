"""The tables of a long lake show its last days, and those on which something is wrong."""

from datetime import date, timedelta

import pytest
from rich.table import Table

from event_platform.cli.output import OUT
from event_platform.cli.totals import render_days

FIRST = date(2025, 1, 1)
DAYS = [{"created_date": str(FIRST + timedelta(days=number)), "sound": number} for number in range(100)]


def table_and_lines(
    days: list[dict[str, object]], wrong: set[str], *, every: bool = False
) -> tuple[list[str], list[str]]:
    """Return the days in the table, and the lines below it."""
    parts = list(render_days(days, "By created date", wrong, every=every))
    with OUT.capture() as captured:
        OUT.print(parts[0])
    assert isinstance(parts[0], Table)
    listed = [line.split()[0] for line in captured.get().splitlines() if line.strip().startswith("2025")]
    return listed, [str(part) for part in parts[1:]]


def test_a_long_lake_is_cut_to_two_weeks_and_the_days_that_are_wrong() -> None:
    """A line says how many are not shown; a wrong day among the last is there once."""
    listed, lines = table_and_lines(DAYS, {"2025-01-05", "2025-04-10", "1999-01-01"})
    assert listed == ["2025-01-05", *(str(FIRST + timedelta(days=number)) for number in range(86, 100))]
    assert lines == ["85 earlier days not shown: event-platform status --all"]


@pytest.mark.parametrize(("count", "every"), [(14, False), (100, True), (0, False)])
def test_nothing_is_cut_from_a_short_lake_nor_where_all_is_asked_for(count: int, every: bool) -> None:
    """Then there is no such line."""
    listed, lines = table_and_lines(DAYS[:count], set(), every=every)
    assert (len(listed), lines) == (count, [])
