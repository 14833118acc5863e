"""Figures → lines of lists: names that are safe to show, counts, their shares, and bars."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from event_platform.quality.text import shown

#: Lines shown of a list.
LONGEST = 20

TEXT_LENGTH = 120
UNREGISTERED = "(not in the catalog)"

#: Smallest percentage to show: smaller shares are shown as less than it, and shares close to all as more than the rest.
_LEAST, _MOST = 0.001, 99.9


@dataclass(frozen=True)
class Row:
    """A line of a list with a bar."""

    name: str
    value: int
    share: str
    bar: float  # percent of the longest
    link: str | None = None


@dataclass(frozen=True)
class Links:
    """Addresses of other pages, as seen from the page of a day."""

    keys: Mapping[str, str]  # of the event types of the catalog, by each of their names
    days: Collection[date]  # days with a page

    def of_type(self, name: str | None) -> str | None:
        """Return the address of an event type's page; None for a name that is not in the catalog."""
        return f"types/{self.keys[name]}.html" if name is not None and name in self.keys else None

    def before(self, day: date) -> str | None:
        """Return the last day with a page before a day."""
        return max((other.isoformat() for other in self.days if other < day), default=None)

    def after(self, day: date) -> str | None:
        """Return the first day with a page after a day."""
        return min((other.isoformat() for other in self.days if other > day), default=None)


def percent(value: float, whole: float) -> str:
    """Return a share with three digits; a dash if the whole is zero."""
    if not whole:
        return "\u2013"
    share = 100 * value / whole
    if 0 < share < _LEAST:
        return f"< {_LEAST} %"
    return f"> {_MOST} %" if _MOST < share < 100 else f"{share:.3g} %"  # noqa: PLR2004 - a hundred percent


def of_figure(figures: pl.DataFrame, figure: str) -> pl.DataFrame:
    """Return the rows of a figure."""
    return figures.filter(pl.col("figure") == figure)


def total(figures: pl.DataFrame, figure: str) -> int:
    """Return the sum of a figure, zero if it is missing."""
    return int(of_figure(figures, figure)["value"].sum())


def counts(figures: pl.DataFrame, figure: str, column: str) -> list[tuple[str | None, int]]:
    """Return the values of a figure by one of its columns, the largest first."""
    counted = of_figure(figures, figure).group_by(column).agg(pl.col("value").sum())
    return list(counted.sort("value", column, descending=[True, False], nulls_last=True).iter_rows())


def in_order(labelled: Sequence[tuple[str | None, int]], order: Sequence[str], whole: int) -> list[Row]:
    """Return a line for each name of `order` that has a count."""
    known = {name: value for name, value in labelled if name is not None}
    return rows([(name, known[name]) for name in order if name in known], whole)


def largest(labelled: Sequence[tuple[str | None, int]], whole: int, length: int = LONGEST) -> list[Row]:
    """Return the first lines, and a last one without a bar for the sum of all others."""
    rest = labelled[length:]
    others = sum(value for _, value in rest)
    more = [Row(f"{len(rest):,} more", others, percent(others, whole), 0.0)] if rest else []
    return [*rows(labelled[:length], whole), *more]


def rows(labelled: Sequence[tuple[str | None, int]], whole: int) -> list[Row]:
    """Return a line for each count, with its share of the whole."""
    highest = max((value for _, value in labelled), default=0)
    return [Row(shown_name(name), value, percent(value, whole), bar(value, highest)) for name, value in labelled]


def bar(value: int, highest: int) -> float:
    """Return the length of a bar in percent of the longest; a value above zero is always visible."""
    return max(round(100 * value / highest, 1), 0.5) if value else 0.0


def shown_name(name: str | None) -> str:
    """Return the name of an event as it is shown."""
    return UNREGISTERED if name is None else shown(name, TEXT_LENGTH)


def by_name(figures: pl.DataFrame, names: Collection[str]) -> dict[Any, int]:
    """Return the sum of some figures by event name."""
    chosen = figures.filter(pl.col("figure").is_in(list(names)))
    return dict(chosen.group_by("event_name").agg(pl.col("value").sum()).iter_rows())
