"""The figures and findings of one day → an HTML page, and its first plot as SVG.

The same figures give the same bytes, at any time and on any machine. Names, fields, values and bodies are data: they
pass through `shown`, and the templates escape everything.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from event_platform.checks.result import Finding
from event_platform.checks.thresholds import Thresholds
from event_platform.events.event import DuplicateKind
from event_platform.quality.day_lists import broken_rules, drift_table, event_types, groups, quantiles
from event_platform.quality.failures import list_failures, status_of
from event_platform.quality.plots import HOURS, draw_stacked_bars, sparkline
from event_platform.quality.rendering import render
from event_platform.quality.rows import TEXT_LENGTH, Links, counts, in_order, largest, of_figure, percent, total
from event_platform.quality.text import shown
from event_platform.quality.verdicts import Tile, judge_tile, limits_of_tiles, verdict

#: Classes of lateness: time between creation and arrival. Without an hour in the object's path only the day is known.
LATENESS = [
    "before it was created",
    "in the same hour",
    "in the next hour",
    "on the same day",
    "2 to 5 hours later",
    "6 to 23 hours later",
    "1 to 6 days later",
    "7 days later, or more",
]

#: Figures of schema drift, and their descriptions.
DRIFT = {
    "unknown_field": "not in the schema",
    "rescued_field": "the value does not fit its column",
    "repeated_key": "a key was written twice",
}

BROKEN_RULE = "broken_rule"

_FEW = 6
_BODY_LENGTH = 300


@dataclass(frozen=True)
class DayModel:
    """The sources of a day's page.

    `figures` has the columns figure, event_name, label and value; `corrupt` has reason, source_object, source_offset
    and body of some corrupt records; `broken` has event_name, rule, value and event_uuid of some rows that break a
    rule.
    """

    day: date
    figures: pl.DataFrame
    corrupt: pl.DataFrame
    broken: pl.DataFrame
    findings: Sequence[Finding]
    thresholds: Thresholds
    keys: Mapping[str, str]  # of the event types of the catalog, by each of their names
    days: Collection[date]  # days with a page


@dataclass(frozen=True)
class Page:
    """The rendered page and plots of a day."""

    html: bytes
    plot: bytes  # the events of each hour, of all and by the first part of their name, as SVG
    thumbnail: bytes  # the events of each hour, as SVG of no more than 700 bytes


def totals(figures: pl.DataFrame) -> dict[str, int]:
    """Return the total of each figure by name, zero if it is missing."""
    sums = dict(figures.group_by("figure").agg(pl.col("value").sum()).iter_rows())
    names = ("events", "late", "duplicates", "corrupt", "unregistered", *DRIFT, BROKEN_RULE)
    return {name: sums.get(name, 0) for name in names}


def draw_day(model: DayModel) -> Page:
    """Render the page of a day."""
    values = {"script": None} | _plots(model.figures) | _header(model) | _lists(model)
    return Page(
        html=render("day.html.jinja", values),
        plot=render("hours.svg.jinja", values),
        thumbnail=render("thumbnail.svg.jinja", values),
    )


def _plots(figures: pl.DataFrame) -> dict[str, Any]:
    by_group = groups(figures)
    hours = [sum(values) for values in zip(*(group.hours for group in by_group), strict=True)]
    return {
        "hours": draw_stacked_bars("Events by hour", HOURS, {"all events": hours or [0] * len(HOURS)}),
        "groups": by_group,
        "all_hours": sparkline(hours),
        "peak": max(hours, default=0),
    }


def _header(model: DayModel) -> dict[str, Any]:
    summed = totals(model.figures)
    links = Links(model.keys, model.days)
    limits = limits_of_tiles(model.thresholds)
    return {
        "day": model.day.isoformat(),
        "weekday": f"{model.day:%A}",
        "previous": links.before(model.day),
        "next": links.after(model.day),
        "totals": summed,
        "empty": not any(summed.values()),
        "status": status_of(model.findings),
        "verdict": verdict(model.findings),
        "failures": list_failures(model.findings, set(model.keys.values())),
        "tiles": [judge_tile(tile, limits, model.findings) for tile in _tiles(model.figures, summed)],
    }


def _tiles(figures: pl.DataFrame, summed: Mapping[str, int]) -> list[Tile]:
    events, landed, objects = summed["events"], total(figures, "landed"), of_figure(figures, "objects")
    drift = sum(summed[name] for name in DRIFT)
    hours = objects["label"].drop_nulls().n_unique()
    of_landed = f"{percent(summed['corrupt'], landed)} of {landed:,} that arrived" if landed else "arrived on this day"
    if mended := total(figures, "mended"):
        of_landed += f"; {mended:,} more were mended"
    of_records = percent(summed["duplicates"], events + summed["duplicates"])
    tiles = [
        Tile("Events", events, "after deduplication"),
        Tile("Late", summed["late"], f"{percent(summed['late'], events)} arrived on a later day"),
        Tile("Duplicates", summed["duplicates"], f"{of_records} of the records"),
        Tile("Corrupt", summed["corrupt"], of_landed),
        Tile("Unregistered", summed["unregistered"], f"{percent(summed['unregistered'], events)} of the events"),
        Tile("Schema drift", drift, "values without a column"),
        Tile("Broken rules", summed[BROKEN_RULE], "values that the schema excludes"),
        Tile("Objects", int(objects["value"].sum()), f"arrived in {hours} of 24 hours"),
    ]
    return [tile for tile in tiles if tile.name != "Objects" or objects.height]


def _lists(model: DayModel) -> dict[str, Any]:
    figures, links = model.figures, Links(model.keys, model.days)
    summed = totals(figures)
    conflicts = figures.filter(pl.col("label") == DuplicateKind.CONFLICT.value)
    arrivals = of_figure(figures, "arrivals")["label"]
    records = summed["events"] + summed["duplicates"]
    return {
        "first_arrival": arrivals.min(),
        "last_arrival": arrivals.max(),
        "lag": quantiles(figures),
        "lateness": in_order(counts(figures, "lateness", "label"), LATENESS, summed["events"]),
        "duplicates": largest(counts(figures, "duplicates", "label"), records),
        "conflicts": largest(counts(conflicts, "duplicates", "event_name"), total(conflicts, "duplicates"), _FEW),
        "corrupt": largest(counts(figures, "corrupt", "label"), total(figures, "landed") or summed["corrupt"]),
        "samples": [_sample(row) for row in model.corrupt.to_dicts()],
        "unregistered": largest(counts(figures, "unregistered", "event_name"), summed["events"]),
        "broken": broken_rules(figures, model.broken, links),
        "drift": drift_table(figures, DRIFT, links),
        "types": event_types(figures, [*DRIFT], links),
    }


def _sample(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "reason": shown(row["reason"], TEXT_LENGTH),
        "place": f"{shown(row['source_object'], TEXT_LENGTH)} · record {row['source_offset']:,}",
        "body": shown(row["body"], _BODY_LENGTH),
    }
